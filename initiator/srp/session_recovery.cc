// SPDX-License-Identifier: Apache-2.0
// What a session does when its channels come and go. The rule it keeps stands at the head of session.h.
#include <algorithm>
#include <utility>

#include "common/core/log.h"
#include "initiator/srp/session.h"

namespace weft::initiator {

Result<DeviceMemory*> Session::memory_for(const rdma::Connection& connection) {
    const std::string name = connection.device();
    for (auto& device : devices_) {
        if (device->device() == name && !device->lost()) return device.get();
    }
    auto domain = fabric_.open_domain(connection);
    if (!domain) return Failure(domain.error());
    DeviceMemoryOwner& owner = *this;
    devices_.push_back(std::make_unique<DeviceMemory>(name, std::move(*domain), owner));
    DeviceMemory& memory = *devices_.back();
    memory.add_own({own_memory_.data(), own_memory_.size()});
    for (const Region& region : known_regions_) memory.add(region);
    return &memory;
}

// Whatever refers to the device must go, or its removal waits for us. Queue pairs are told by the fabric;
// attempts that have none yet are given up here.
void Session::on_device_lost(DeviceMemory& memory) {
    for (auto& channel : channels_) {
        if (channel->memory() == &memory && !channel->live()) channel->cancel_attempt();
    }
    forget_lost_devices();
}

void Session::forget_lost_devices() {
    const auto forgotten = [this](const auto& memory) {
        if (!memory->lost()) return false;
        const auto stands_on_it = [&](const auto& channel) { return channel->memory() == memory.get(); };
        for (const auto& channel : channels_) {
            if (stands_on_it(channel) && !channel->quiet()) return false;
        }
        for (auto& channel : channels_) {
            if (stands_on_it(channel)) channel->release_memory();
        }
        return true;
    };
    std::erase_if(devices_, forgotten);
}

Duration Session::backoff(std::uint32_t failures) const {
    const Timing& timing = options_.timing;
    const std::uint32_t doublings = std::min<std::uint32_t>(failures > 0 ? failures - 1 : 0, 20);
    return std::min(timing.reconnect_max, timing.reconnect_min * (1U << doublings));
}

bool Session::all_quiet() const {
    return std::all_of(channels_.begin(), channels_.end(),
                       [](const auto& channel) { return channel->quiet(); });
}

// --- Attempts ---

void Session::on_channel_live(Channel& channel) {
    channel.failures = 0;
    if (state_ == SessionState::logging_in && channel.index() == leader_) {
        weft_peer_ = channel.weft_peer();
        if (!weft_peer_ && !fence_luns_.empty())
            start_fence();
        else
            become_live();
        return;
    }
    if (state_ != SessionState::live) {  // given up while it was being established
        channel.disconnect("not needed");
        return;
    }
    // Ours must have joined the channels there are. If there were none, the target was started anew, and what
    // looks live here is not.
    const bool joined = channel.login_result() == srp::MultiChannelResult::kept;
    if (!joined || channel.weft_peer() != weft_peer_) {
        begin_recovery("the target has forgotten us");
        return;
    }
    log::info("target {}: channel {} is live over {}", options_.target, channel.index(), channel.path());
    settle();
    pump();
}

void Session::on_channel_failed(Channel& channel) {
    forget_lost_devices();
    ++channel.failures;
    if (state_ == SessionState::live) {
        channel.wait(backoff(channel.failures));
        return;
    }
    if (state_ != SessionState::logging_in || channel.index() != leader_) {
        if (!advance_.pending()) executor_.defer(advance_);
        return;
    }
    const std::string why = channel.path() + ": " + channel.problem();
    // A strict target may dislike the bytes weft adds; once, then, without them.
    const auto reason = channel.reject_reason();
    const bool strict =
        reason && *reason != srp::RejectReason::iu_length && *reason != srp::RejectReason::channel_limit;
    if (strict && offer_extension_ && options_.offer_extension) {
        offer_extension_ = false;
        begin_login();
        return;
    }
    offer_extension_ = true;
    if (problem_ != why) log::warn("target {}: {}", options_.target, why);
    problem_ = why;
    ++login_failures_;
    leader_ = (leader_ + 1) % channels_.size();
    // Every path once before the pause grows.
    const auto rounds =
        static_cast<std::uint32_t>((login_failures_ + channels_.size() - 1) / channels_.size());
    enter(SessionState::backing_off);
    executor_.start(backoff_timer_, backoff(rounds));
}

void Session::backoff_over() { begin_login(); }

// Only while the session is live: the other channels join the first.
void Session::on_channel_due(Channel& channel) {
    if (state_ != SessionState::live) return;
    channel.connect({.initiator_port = options_.initiator_port,
                     .target_port = options_.target_port,
                     .action = srp::MultiChannelAction::keep,
                     .offer_extension = weft_peer_});
}

// --- Losses ---

void Session::on_channel_lost(Channel& channel) {
    const bool was_live = state_ == SessionState::live;
    if (!was_live && state_ != SessionState::fencing) return;
    problem_ = channel.path() + ": " + channel.problem();
    log::warn("target {}: channel {} lost: {}", options_.target, channel.index(), problem_);
    const bool others =
        std::any_of(channels_.begin(), channels_.end(), [](const auto& c) { return c->live(); });
    if (others && was_live)
        ++counters_.failovers;
    else
        begin_recovery(problem_);
}

// Gives up every connection; the login that follows is of the SINGLE kind.
void Session::begin_recovery(const std::string& why) {
    if (state_ != SessionState::live && state_ != SessionState::fencing) return;
    const bool was_live = state_ == SessionState::live;
    // A connection that lived through nothing is no reason to hurry.
    retry_now_ = executor_.now() - since_ >= options_.timing.reconnect_min;
    problem_ = why;
    enter(SessionState::draining);
    resets_in_flight_ = 0;
    ++counters_.recoveries;
    offer_extension_ = true;
    log::warn("target {}: logging in anew: {}", options_.target, why);
    close_channels("given up for a new login");
    if (was_live) users_.for_each([](SessionUser& user) { user.on_session_lost(); });
    IntrusiveList<Command> unsent;
    unsent.append(waiting_);
    unsent.append(unregistered_);
    give_back_all(unsent, Outcome::resend);
    if (!advance_.pending()) executor_.defer(advance_);
}

void Session::close_channels(const std::string& why) {
    for (auto& channel : channels_) {
        if (channel->live())
            channel->disconnect(why);
        else
            channel->cancel();
    }
}

void Session::on_channel_drained(Channel& channel) {
    take_back(channel);
    forget_lost_devices();
    if (state_ == SessionState::live) {
        ++channel.failures;
        channel.wait(backoff(channel.failures));
        settle();
        return;
    }
    if (!advance_.pending()) executor_.defer(advance_);
}

// What was outstanding on a connection that has drained.
void Session::take_back(Channel& channel) {
    IntrusiveList<Command> outstanding;
    channel.collect(outstanding);
    IntrusiveList<Command> harmless;
    while (!outstanding.empty()) {
        Command& command = outstanding.pop_front();
        if (!command.modifies) {
            harmless.push_back(command);
            continue;
        }
        command.enter(CommandState::unsettled);
        if (std::find(fence_luns_.begin(), fence_luns_.end(), command.lun) == fence_luns_.end())
            fence_luns_.push_back(command.lun);
        unsettled_.push_back(command);
    }
    give_back_all(harmless, state_ == SessionState::stopping ? Outcome::withdrawn : Outcome::resend);
    if (state_ == SessionState::stopping) give_back_all(unsettled_, Outcome::withdrawn);
}

// Goes on once nothing is being torn down any more.
void Session::advance() {
    if (state_ == SessionState::stopping || state_ == SessionState::stopped)
        give_back_all(waiting_, Outcome::withdrawn);  // submitted since
    pump();
    if (!all_quiet()) return;
    if (state_ == SessionState::stopping) {
        finish_stop();
    } else if (state_ == SessionState::draining) {
        for (auto& channel : channels_) channel->cancel();  // those that waited for their retry time
        if (retry_now_) {
            begin_login();
        } else {
            enter(SessionState::backing_off);
            executor_.start(backoff_timer_, backoff(std::max<std::uint32_t>(++login_failures_, 1)));
        }
    }
}

// --- Fences ---

// A weft target, some channels still live: ABORT TASK of each tag over one of them.
void Session::settle() {
    if (!live()) return;
    if (unsettled_.empty()) {
        if (settling_.empty()) fence_luns_.clear();
        return;
    }
    if (!weft_peer_) {
        begin_recovery("a lost channel leaves writes that only a new login can end");
        return;
    }
    for (auto& channel : channels_) {
        while (!unsettled_.empty() && channel->can_manage()) {
            Command& command = unsettled_.pop_front();
            channel->abort(command);
            settling_.push_back(command);
        }
    }
}

// A stock target after a SINGLE login: see session.h.
void Session::start_fence() {
    enter(SessionState::fencing);
    fence_next_ = 0;
    resets_in_flight_ = 0;
    continue_fence(*channels_[leader_]);
}

void Session::continue_fence(Channel& channel) {
    while (fence_next_ < fence_luns_.size() && channel.can_manage()) {
        channel.reset_unit(fence_luns_[fence_next_++]);
        ++resets_in_flight_;
    }
    if (resets_in_flight_ == 0) become_live();
}

void Session::on_reset_answered(Channel& channel, srp::ResponseCode code) {
    if (state_ != SessionState::fencing) return;
    WEFT_CHECK(resets_in_flight_ > 0);
    --resets_in_flight_;
    if (code != srp::ResponseCode::complete && ++counters_.weak_fences == 1) {
        log::warn(
            "target {}: LOGICAL UNIT RESET is refused: a write that was begun before the connection was lost "
            "may still land after its repetition",
            options_.target);
    }
    continue_fence(channel);
}

void Session::on_settling_lost(Command& command) {
    settling_.remove(command);
    command.enter(CommandState::unsettled);
    unsettled_.push_back(command);
}

void Session::on_task_answered(Channel& channel, const TaskAnswer& answer) {
    if (answer.command != nullptr) {
        Command& command = *answer.command;
        settling_.remove(command);
        if (answer.code == srp::ResponseCode::complete) {
            ++counters_.settled;
            give_back(command, Outcome::resend);
            settle();
        } else {
            command.enter(CommandState::unsettled);
            unsettled_.push_back(command);
            begin_recovery("the target does not know what became of a write on a lost channel");
        }
        return;
    }
    on_reset_answered(channel, answer.code);
}

}  // namespace weft::initiator
