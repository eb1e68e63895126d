// SPDX-License-Identifier: Apache-2.0
// Liveness of a channel. RC retries alone do not tell: on soft-RoCE they may go on for ever, and a peer that
// is there but does nothing acknowledges all the same.
#include <algorithm>

#include "common/core/log.h"
#include "initiator/srp/channel.h"

namespace weft::initiator {

namespace {
constexpr std::uint32_t kQuietTicks = 10;  // without a command: then nobody is in a hurry to know
constexpr int kIdlePace = 5;               // how much slower the watch is then
}  // namespace

Duration Channel::tick_interval() const {
    Duration interval = std::min(timing_.command_timeout, timing_.task_timeout) / 8;
    if (timing_.heartbeat > Duration{0}) interval = std::min(interval, timing_.heartbeat);
    return std::max<Duration>(interval, 1ms);
}

// A volume that nobody uses costs next to nothing. The first command after that restores the pace.
void Channel::next_tick() {
    const bool busy = in_flight_ > 0 || tasks_in_flight_ > 0 || misses_ > 0 || owner_.has_waiting();
    quiet_ticks_ = busy ? 0 : std::min(quiet_ticks_ + 1, kQuietTicks);
    executor_.start(tick_timer_, relaxed() ? tick_interval() * kIdlePace : tick_interval());
}

bool Channel::relaxed() const { return quiet_ticks_ >= kQuietTicks; }

void Channel::hurry() {
    quiet_ticks_ = 0;
    executor_.start(tick_timer_, tick_interval());
}

void Channel::tick() {
    if (!live()) return;
    watch_heartbeat();
    if (live()) watch_commands();
    if (live()) next_tick();
}

void Channel::watch_heartbeat() {
    const Instant now = executor_.now();
    if (timing_.heartbeat <= Duration{0} || now < next_beat_) return;
    next_beat_ = now + timing_.heartbeat;
    if (heard_) {
        heard_ = false;
        misses_ = 0;
        return;  // something came back since the last beat: no need to ask
    }
    if (!probing_) {
        post_probe();
        return;
    }
    if (++misses_ >= timing_.heartbeat_misses) drop("the heartbeat is not answered");
}

void Channel::watch_commands() {
    const Instant now = executor_.now();
    for (Task& task : tasks_) {
        if (task.purpose == Task::Purpose::none || now - task.sent < timing_.task_timeout) continue;
        drop("a task management function is not answered");
        return;
    }
    for (Slot& slot : slots_) {
        if (slot.command == nullptr || slot.aborting || slot.answered) continue;
        if (now - slot.sent < timing_.command_timeout) continue;
        if (!can_manage() && tasks_in_flight_ > 0)
            break;  // its answer brings the credit, or it is not answered in time
        if (++counters_.timeouts == 1) log::warn("{}: a command is not answered in time", path_);
        if (!can_manage()) {
            drop("a command is not answered, and there is no credit for ABORT TASK");
            return;
        }
        slot.aborting = true;
        send_task(Task::Purpose::timeout, slot.command->lun, slot.tag, nullptr);
    }
    // Credits that nothing in flight can bring back are lost; only a new login gives new ones.
    const bool starving = in_flight_ == 0 && !credits_.allows_command() && owner_.has_waiting();
    if (!starving) {
        starving_ = false;
    } else if (!starving_) {
        starving_ = true;
        starving_since_ = now;
    } else if (now - starving_since_ >= timing_.command_timeout) {
        drop("the target gives no credits");
    }
}

}  // namespace weft::initiator
