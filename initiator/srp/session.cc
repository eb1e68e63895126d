// SPDX-License-Identifier: Apache-2.0
// The nexus's life: log in, go live, stop. What happens when channels are lost: session_recovery.cc.
#include "initiator/srp/session.h"

#include <algorithm>
#include <utility>

#include "common/core/log.h"
#include "common/srp/port_id.h"
#include "initiator/srp/discovery.h"

namespace weft::initiator {

namespace {

constexpr std::size_t kZeroBytes = 4096;
constexpr std::size_t kParameterBytes = std::size_t{16} << 10U;  // REPORT LUNS with 2047 units

Duration scaled(std::chrono::milliseconds limit, double scale) {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double, std::milli>(static_cast<double>(limit.count()) * scale));
}

}  // namespace

std::string_view to_string(SessionState state) {
    switch (state) {
        case SessionState::idle: return "idle";
        case SessionState::draining: return "draining";
        case SessionState::backing_off: return "waiting to log in again";
        case SessionState::logging_in: return "logging in";
        case SessionState::fencing: return "fencing";
        case SessionState::live: return "live";
        case SessionState::stopping: return "stopping";
        case SessionState::stopped: return "stopped";
    }
    WEFT_UNREACHABLE("SessionState");
}

bool may_follow(SessionState from, SessionState to) {
    using enum SessionState;
    if (to == stopping) return from != stopping && from != stopped;
    switch (from) {
        case idle: return to == logging_in;
        case draining: return to == backing_off || to == logging_in;
        case backing_off: return to == logging_in;
        case logging_in: return to == backing_off || to == fencing || to == live || to == logging_in;
        case fencing: return to == live || to == draining;
        case live: return to == draining;
        case stopping: return to == stopped;
        case stopped: return false;
    }
    WEFT_UNREACHABLE("SessionState");
}

SessionOptions session_options(const config::Initiator& initiator, const config::RemoteTarget& target) {
    SessionOptions options;
    options.target = target.name;
    options.initiator_port = initiator.uuid ? srp::port_id_of_initiator(*initiator.uuid)
                                            : srp::port_id_of_initiator(initiator.name);
    options.target_port = target.port_id ? *target.port_id : srp::port_id_of_target(target.name);
    options.paths = target.paths;
    const config::Timers& timers = initiator.timers;
    options.timing.connect_timeout = scaled(timers.connect_timeout, timers.scale);
    options.timing.reconnect_min = scaled(timers.reconnect_min, timers.scale);
    options.timing.reconnect_max = scaled(timers.reconnect_max, timers.scale);
    options.timing.heartbeat = scaled(timers.heartbeat, timers.scale);
    options.timing.heartbeat_misses = timers.heartbeat_misses;
    options.timing.command_timeout = scaled(timers.command_timeout, timers.scale);
    options.timing.task_timeout = options.timing.command_timeout / 2;
    return options;
}

Session::Session(Executor& executor, rdma::Fabric& fabric, RegionDirectory& regions, SessionOptions options)
    : executor_(executor),
      fabric_(fabric),
      regions_(regions),
      options_(std::move(options)),
      since_(executor.now()) {}

Result<std::unique_ptr<Session>> Session::create(Executor& executor, rdma::Fabric& fabric,
                                                 RegionDirectory& regions, SessionOptions options) {
    if (options.paths.empty()) return fail("target " + options.target + ": no path");
    std::unique_ptr<Session> session(new Session(executor, fabric, regions, std::move(options)));
    auto slab = Slab::allocate(kZeroBytes + kParameterBytes);
    if (!slab) return Failure(slab.error());
    session->own_memory_ = std::move(*slab);
    ChannelOwner& owner = *session;
    for (const config::Path& path : session->options_.paths) {
        for (std::uint32_t i = 0; i < std::max<std::uint32_t>(path.qps, 1); ++i) {
            auto channel = std::make_unique<Channel>(
                executor, fabric, owner, session->options_.timing, session->channels_.size(),
                rdma::Endpoint{.address = path.address, .port = path.port}, path.source);
            if (auto allocated = channel->allocate(); !allocated) return Failure(allocated.error());
            session->channels_.push_back(std::move(channel));
        }
    }
    session->discovery_ = std::make_unique<Discovery>(*session);
    session->regions_.observe(*session);
    return session;
}

Session::~Session() {
    WEFT_CHECK(state_ == SessionState::idle || state_ == SessionState::stopped);
    if (discovery_ != nullptr) {
        if (state_ == SessionState::idle) discovery_->stop();
        discovery_.reset();
        if (state_ == SessionState::idle) regions_.ignore(*this);
    }
    WEFT_CHECK(users_.empty());
}

void Session::enter(SessionState next) {
    WEFT_CHECK(may_follow(state_, next));
    state_ = next;
    since_ = executor_.now();
}

void Session::start() {
    WEFT_CHECK(state_ == SessionState::idle);
    begin_login();
}

void Session::begin_login() {
    enter(SessionState::logging_in);
    channels_[leader_]->connect({.initiator_port = options_.initiator_port,
                                 .target_port = options_.target_port,
                                 .action = srp::MultiChannelAction::terminate,
                                 .offer_extension = options_.offer_extension && offer_extension_});
}

void Session::become_live() {
    enter(SessionState::live);
    login_failures_ = 0;
    problem_.clear();
    ++counters_.logins;
    log::info("target {}: logged in over {}{}", options_.target, channels_[leader_]->path(),
              weft_peer_ ? "" : " (a stock SRP target)");
    fence_luns_.clear();
    give_back_all(unsettled_, Outcome::resend);
    users_.for_each([](SessionUser& user) { user.on_session_live(); });
    for (auto& call : std::exchange(ready_calls_, {})) call();
    if (!live()) return;
    connect_others();
    pump();
}

void Session::connect_others() {
    for (auto& channel : channels_) {
        if (channel->state() == ChannelState::idle) on_channel_due(*channel);
    }
}

void Session::stop(std::function<void()> done) {
    WEFT_CHECK(state_ != SessionState::stopping && state_ != SessionState::stopped);
    executor_.cancel(backoff_timer_);
    enter(SessionState::stopping);
    stop_call_ = std::move(done);
    ready_calls_.clear();
    discovery_->stop();
    close_channels("stopped");
    give_back_all(waiting_, Outcome::withdrawn);
    give_back_all(unregistered_, Outcome::withdrawn);
    give_back_all(unsettled_, Outcome::withdrawn);
    if (!advance_.pending()) executor_.defer(advance_);
}

void Session::finish_stop() {
    WEFT_CHECK(waiting_.empty() && unregistered_.empty() && unsettled_.empty() && settling_.empty());
    regions_.ignore(*this);
    for (auto& channel : channels_) channel->release_memory();
    devices_.clear();
    enter(SessionState::stopped);
    if (auto done = std::exchange(stop_call_, nullptr)) done();
}

void Session::when_ready(std::function<void()> call) {
    if (live())
        executor_.post(std::move(call));
    else
        ready_calls_.push_back(std::move(call));
}

void Session::find_unit(UnitSelector selector, std::function<void(Result<RemoteUnit>)> call) {
    const std::string what = to_string(selector);
    discovery_->ask(std::move(selector), nullptr,
                    [this, what, call = std::move(call)](Result<std::vector<RemoteUnit>> units) {
                        if (!units)
                            call(Failure(units.error()));
                        else if (units->empty())
                            call(fail("target " + options_.target + " shows us no " + what));
                        else if (units->size() > 1)
                            call(fail("target " + options_.target + " has more than one " + what +
                                      ": name it by UUID or LUN"));
                        else
                            call(units->front());
                    });
}

void Session::list_units(std::function<void(Result<std::vector<RemoteUnit>>)> call) {
    discovery_->ask(std::nullopt, nullptr, std::move(call));
}

void Session::probe_unit(const SessionUser& user, std::uint32_t number,
                         std::function<void(Result<RemoteUnit>)> call) {
    discovery_->ask(std::optional<UnitSelector>(std::in_place, number), &user,
                    [call = std::move(call)](Result<std::vector<RemoteUnit>> units) {
                        if (!units)
                            call(Failure(units.error()));
                        else if (units->empty())
                            call(fail("the unit is not there any more"));
                        else
                            call(units->front());
                    });
}

void Session::forget_probes(const SessionUser& user) { discovery_->forget(user); }

void Session::attach(SessionUser& user) { users_.push_back(user); }
void Session::detach(SessionUser& user) { users_.remove(user); }

Result<void> Session::drop_channel(std::size_t index) {
    if (index >= channels_.size())
        return fail("target " + options_.target + " has channels 0 to " +
                    std::to_string(channels_.size() - 1));
    if (!channels_[index]->live())
        return fail("channel " + std::to_string(index) + " is " +
                    std::string(to_string(channels_[index]->state())));
    channels_[index]->disconnect("cut on request");
    on_channel_lost(*channels_[index]);
    return {};
}

Segment Session::zeroes(std::uint32_t length) const {
    WEFT_CHECK(length <= kZeroBytes);
    return {own_memory_.data(), length, kNoRegion};
}

Segment Session::parameter_buffer() const {
    return {own_memory_.data() + kZeroBytes, kParameterBytes, kNoRegion};
}

std::size_t Session::in_flight() const {
    std::size_t sum = 0;
    for (const auto& channel : channels_) sum += channel->in_flight();
    return sum;
}

}  // namespace weft::initiator
