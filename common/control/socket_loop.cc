// SPDX-License-Identifier: Apache-2.0
#include "common/control/socket_loop.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/control/event_json.h"
#include "common/core/check.h"
#include "common/core/log.h"

namespace weft::control {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kEventsAtOnce = 64;
constexpr auto kHandOutLimit = 1s;

}  // namespace

Server::Loop::Loop(Options options, EventLog& events, ListeningSocket socket, UniqueFd wake_fd)
    : options_(std::move(options)),
      events_(events),
      socket_(std::move(socket)),
      wake_fd_(std::move(wake_fd)) {}

void Server::Loop::add(std::string name, Method method, Promptness promptness) {
    WEFT_CHECK(!thread_.joinable());
    WEFT_CHECK(methods_.emplace(std::move(name), Entry{std::move(method), promptness}).second);
}

void Server::Loop::start() {
    WEFT_CHECK(!thread_.joinable());
    events_.listen([this] { wake(); });
    control_.start();
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "control-socket");
}

void Server::Loop::stop() {
    refusing_ = true;
    control_.finish();  // its last answers still find the socket thread
    events_.listen({});
    ending_ = true;
    wake();
    if (thread_.joinable()) thread_.join();
}

void Server::Loop::wake() const {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then it wakes anyway.
    [[maybe_unused]] const ssize_t put = ::write(wake_fd_.get(), &one, sizeof one);
}

void Server::Loop::run() {
    while (wait()) {
        deliver_answers();
        push_events();
        drop_finished();
    }
    peers_.clear();
}

int Server::Loop::poll_limit_ms() const {
    if (ending_) return 50;
    if (accept_again_ > Clock::now()) return 1000;
    for (const auto& peer : peers_)
        if (peer->unsent() > 0 && !peer->following) return 1000;  // looks for stalled ones
    return -1;
}

bool Server::Loop::wait() {
    std::vector<pollfd> fds;
    fds.push_back({.fd = wake_fd_.get(), .events = POLLIN, .revents = 0});
    const bool accepting = !ending_ && accept_again_ <= Clock::now();
    fds.push_back({.fd = accepting ? socket_.fd() : -1, .events = POLLIN, .revents = 0});
    for (const auto& peer : peers_) {
        const int events = (peer->wants_input() ? POLLIN : 0) | (peer->unsent() > 0 ? POLLOUT : 0);
        fds.push_back({.fd = peer->fd(), .events = static_cast<short>(events), .revents = 0});
    }
    if (::poll(fds.data(), fds.size(), poll_limit_ms()) < 0) WEFT_CHECK(errno == EINTR || errno == ENOMEM);
    if ((fds[0].revents & POLLIN) != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(wake_fd_.get(), &count, sizeof count);
    }
    for (std::size_t i = 0; i < peers_.size(); ++i) serve(*peers_[i], fds[i + 2].revents);
    if ((fds[1].revents & POLLIN) != 0) accept_peers();
    if (!ending_) return true;
    if (end_at_ == Clock::time_point{}) end_at_ = Clock::now() + kHandOutLimit;
    const bool done =
        std::all_of(peers_.begin(), peers_.end(), [](const auto& peer) { return peer->unsent() == 0; });
    const std::lock_guard lock(answers_mutex_);
    return (!done || !answers_.empty()) && Clock::now() < end_at_;
}

void Server::Loop::accept_peers() {
    while (true) {
        UniqueFd fd(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (!fd) {
            if (errno != EAGAIN) accept_again_ = Clock::now() + 1s;
            return;
        }
        auto peer = std::make_unique<Peer>(std::move(fd), ++last_peer_);
        if (peers_.size() < options_.clients_max) {
            peers_.push_back(std::move(peer));
            continue;
        }
        peer->send(error_line(nullptr, {"busy", "too many clients of the control socket; close one"}));
        (void)peer->flush();  // it fits, or it is lost with the connection
    }
}

void Server::Loop::serve(Peer& peer, short events) {
    if (events == 0) return;
    bool good = true;
    if ((events & (POLLIN | POLLHUP)) != 0 && peer.wants_input()) good = peer.receive();
    if (good) pump(peer);
    // Both directions closed: nobody is left to answer.
    if (!good || (events & (POLLERR | POLLHUP | POLLNVAL)) != 0) broken_.push_back(peer.id());
}

void Server::Loop::pump(Peer& peer) {
    while (peer.may_run()) {
        const auto line = peer.next_line();
        if (!line) break;
        if (!line->empty()) dispatch(peer, *line);
    }
    if (!peer.busy && peer.overlong()) {
        peer.send(error_line(nullptr, {"too_large", "the line is too long; the connection ends"}));
        peer.end_input();
    }
    if (!peer.flush()) broken_.push_back(peer.id());
}

void Server::Loop::dispatch(Peer& peer, const std::string& line) {
    Parsed parsed = parse_request(line);
    if (parsed.refusal)
        peer.send(error_line(parsed.request.id, *parsed.refusal));
    else
        run_request(peer, std::move(parsed.request));
}

void Server::Loop::run_request(Peer& peer, Request request) {
    const auto found = methods_.find(request.method);
    if (found == methods_.end()) return peer.send(answer_own(peer, request));
    const Entry& entry = found->second;
    if (entry.promptness == Promptness::prompt) return peer.send(answer_to(entry, request));
    peer.busy = true;
    control_.post([this, &entry, id = peer.id(), request = std::move(request)] {
        std::string line = refusing_ ? error_line(request.id, {"stopping", "the daemon is stopping"})
                                     : answer_to(entry, request);
        const std::lock_guard lock(answers_mutex_);
        answers_.push_back({id, std::move(line)});
        wake();
    });
}

// Methods read params as if they had the right shape; where they do not, the library throws and it ends here.
std::string Server::Loop::answer_to(const Entry& entry, const Request& request) const {
    try {
        const Result<Json> result = entry.method(request.params);
        if (!result) return error_line(request.id, refusal_of(result.error()));
        std::string line = result_line(request.id, *result);
        if (line.size() <= options_.outbox_bytes_max) return line;
        return error_line(request.id, {"too_large", "the answer is too large"});
    } catch (const Json::exception& exception) {
        return error_line(request.id, {"bad_request", exception.what()});
    } catch (const std::exception& exception) {
        return error_line(request.id, {"failed", exception.what()});
    }
}

std::string Server::Loop::answer_own(Peer& peer, const Request& request) {
    if (request.method == "ping") return result_line(request.id, Json::object());
    if (request.method == "methods") {
        Json names = {"events", "methods", "ping"};
        for (const auto& [name, entry] : methods_) names.push_back(name);
        return result_line(request.id, {{"methods", names}});
    }
    if (request.method == "events") {
        const Entry entry{
            .method = [&](const Json& params) -> Result<Json> { return subscribe(peer, params); }};
        return answer_to(entry, request);
    }
    return error_line(request.id, {"unknown_method", "there is no method \"" + request.method + "\""});
}

Json Server::Loop::subscribe(Peer& peer, const Json& params) {
    const bool follow = params.value("follow", false);
    const std::uint64_t after = params.value("after", std::uint64_t{0});
    const std::size_t limit = std::min(params.value("limit", std::size_t{100}), std::size_t{1000});
    const std::uint64_t newest = events_.newest();
    const std::uint64_t from = newest > limit ? std::max(after, newest - limit) : after;
    const EventLog::Batch batch = events_.read(from, limit);
    Json list = Json::array();
    for (const Event& event : batch.events) list.push_back(to_json(event));
    peer.following = follow;
    peer.cursor = batch.position;
    return {
        {"events", list}, {"dropped", batch.dropped}, {"position", batch.position}, {"following", follow}};
}

void Server::Loop::deliver_answers() {
    std::vector<Answer> answers;
    {
        const std::lock_guard lock(answers_mutex_);
        answers.swap(answers_);
    }
    for (const Answer& answer : answers) {
        for (const auto& peer : peers_) {
            if (peer->id() != answer.peer) continue;
            peer->busy = false;
            peer->send(answer.line);
            pump(*peer);
        }
    }
}

void Server::Loop::push_events() {
    for (const auto& peer : peers_) {
        if (!peer->following) continue;
        while (peer->unsent() < kLineBytesMax) {
            const EventLog::Batch batch = events_.read(peer->cursor, kEventsAtOnce);
            if (batch.events.empty()) break;
            if (batch.dropped > 0) peer->send(line({{"dropped", batch.dropped}}));
            for (const Event& event : batch.events) peer->send(line({{"event", to_json(event)}}));
            peer->cursor = batch.position;
            if (!peer->flush()) {
                broken_.push_back(peer->id());
                break;
            }
        }
    }
}

void Server::Loop::drop_finished() {
    const auto now = Clock::now();
    std::erase_if(peers_, [&](const auto& peer) {
        if (peer->stalled(now, options_.stall_limit)) {
            log::warn("control: a client took nothing of an answer for {} ms and is dropped",
                      options_.stall_limit.count());
            return true;
        }
        return peer->finished() || std::find(broken_.begin(), broken_.end(), peer->id()) != broken_.end();
    });
    broken_.clear();
}

}  // namespace weft::control
