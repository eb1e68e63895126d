// SPDX-License-Identifier: Apache-2.0
#include "common/control/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weft::control {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kReplyBytesMax = 64U << 20U;  // a daemon is trusted, its size is not

// False: the time is up.
Result<bool> wait_for(int fd, short events, Clock::time_point deadline, bool forever) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        const int limit = forever ? -1 : static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30U));
        pollfd watched{.fd = fd, .events = events, .revents = 0};
        const int ready = ::poll(&watched, 1, limit);
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return fail_errno("poll", errno);
        return ready > 0;
    }
}

}  // namespace

Result<Client> Client::connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return fail(fmt::format("{}: not a path of a control socket", path), EINVAL);
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("socket", errno);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};  // a full queue of clients blocks connect
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(path, errno);
    return Client(std::move(fd), path);
}

Result<Reply> Client::call(const std::string& method, const Json& params, std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    const std::int64_t id = ++last_id_;
    const std::string request = line({{"id", id}, {"method", method}, {"params", params}});
    for (std::size_t sent = 0; sent < request.size();) {
        const ssize_t put = ::send(fd_.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_errno(path_, errno);
        sent += static_cast<std::size_t>(put);
    }
    while (true) {
        auto message = read_line(deadline, limit.count() < 0);
        if (!message) return tl::make_unexpected(message.error());
        if (message->contains("event") || message->contains("dropped")) {
            pushed_.push_back(std::move(*message));
            continue;
        }
        const auto answered = message->find("id");
        const bool ours = answered != message->end() && (answered->is_null() || *answered == id);
        if (!ours) continue;  // the answer to a call that timed out
        if (const auto error = message->find("error"); error != message->end() && error->is_object()) {
            const auto text = [&](const char* key) {
                const auto found = error->find(key);
                return found != error->end() && found->is_string() ? found->get<std::string>()
                                                                   : std::string("failed");
            };
            return Reply{.refusal = Refusal{text("code"), text("message")}};
        }
        if (!message->contains("result"))
            return fail(path_ + ": the answer has neither result nor error", EPROTO);
        return Reply{.result = std::move((*message)["result"])};
    }
}

Result<Json> Client::next(std::chrono::milliseconds limit) {
    if (!pushed_.empty()) {
        Json message = std::move(pushed_.front());
        pushed_.erase(pushed_.begin());
        return message;
    }
    return read_line(Clock::now() + limit, limit.count() < 0);
}

Result<Json> Client::read_line(Clock::time_point deadline, bool forever) {
    std::size_t searched = 0;
    while (true) {
        if (const std::size_t end = inbox_.find('\n', searched); end != std::string::npos) {
            Json message = Json::parse(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(end),
                                       nullptr, false);
            inbox_.erase(0, end + 1);
            if (message.is_object()) return message;
            return fail(path_ + ": the answer is not a JSON object; is this weft's socket?", EPROTO);
        }
        searched = inbox_.size();
        if (searched > kReplyBytesMax) return fail(path_ + ": the answer is too large", EPROTO);
        const auto ready = wait_for(fd_.get(), POLLIN, deadline, forever);
        if (!ready) return tl::make_unexpected(ready.error());
        if (!*ready) return fail(path_ + ": no answer in time", ETIMEDOUT);
        char piece[65536];
        const ssize_t got = ::recv(fd_.get(), piece, sizeof piece, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(path_, errno);
        if (got == 0) return fail(path_ + ": the daemon closed the connection", EPIPE);
        inbox_.append(piece, static_cast<std::size_t>(got));
    }
}

}  // namespace weft::control
