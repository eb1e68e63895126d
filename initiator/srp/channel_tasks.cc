// SPDX-License-Identifier: Apache-2.0
// Task management, and what becomes of the commands of a lost connection.
#include <cstring>

#include "common/core/log.h"
#include "common/srp/task_management.h"
#include "initiator/srp/channel.h"

namespace weft::initiator {

bool Channel::can_manage() const {
    return live() && tasks_in_flight_ < kTasks && credits_.allows_task_management();
}

void Channel::abort(Command& command) {
    command.enter(CommandState::settling);
    send_task(Task::Purpose::settle, command.lun, command.tag, &command);
}

void Channel::reset_unit(const srp::Lun& lun) { send_task(Task::Purpose::reset, lun, 0, nullptr); }

void Channel::send_task(Task::Purpose purpose, const srp::Lun& lun, std::uint64_t subject, Command* command) {
    WEFT_CHECK(can_manage());
    std::size_t index = 0;
    while (tasks_[index].purpose != Task::Purpose::none) ++index;
    Task& task = tasks_[index];
    task = Task{.purpose = purpose,
                .tag = owner_.next_sequence() << 16U | (kCommands + index),
                .subject = subject,
                .command = command,
                .lun = lun,
                .sent = executor_.now(),
                .sending = true};
    credits_.take();
    ++tasks_in_flight_;
    srp::TaskManagement request;
    request.tag = srp::Tag::of(task.tag);
    request.lun = lun;
    request.function = srp::TaskFunction::lun_reset;
    if (purpose != Task::Purpose::reset) {
        request.function = srp::TaskFunction::abort_task;
        request.task = srp::Tag::of(subject);
        ++counters_.aborts;
    }
    const auto bytes = srp::encode(request);
    std::memcpy(transmit_iu(position(Work::task, index)).data(), bytes.data(), bytes.size());
    post(Work::task, index, bytes.size());
}

void Channel::release(Task& task) {
    WEFT_CHECK(task.purpose != Task::Purpose::none && tasks_in_flight_ > 0);
    task = Task{};
    --tasks_in_flight_;
}

void Channel::finish_task(Task& task) {
    const Task done = task;
    release(task);
    if (done.purpose != Task::Purpose::timeout) {
        owner_.on_task_answered(*this, {.command = done.command, .lun = done.lun, .code = done.code});
        return;
    }
    Slot& slot = slots_[static_cast<std::size_t>(done.subject & 0xFFFF)];
    if (slot.command == nullptr || slot.tag != done.subject || slot.answered) return;  // answered after all
    // Its own answer would have come before this one on the same connection. So either it was withdrawn, or
    // the target does not know what became of it.
    if (done.code != srp::ResponseCode::complete) {
        drop("a command was not answered, and ABORT TASK of it was refused");
        return;
    }
    WEFT_CHECK(!slot.sending);  // the SEND of the task followed it in the same queue
    finish(slot, Outcome::timed_out);
}

void Channel::collect(IntrusiveList<Command>& outstanding) {
    WEFT_CHECK(state_ == ChannelState::idle && connection_ == nullptr);
    for (Slot& slot : slots_) {
        if (slot.command == nullptr) continue;
        Command& command = *slot.command;
        slot.sending = false;  // the queue pair is gone
        if (slot.answered) {
            finish(slot, Outcome::answered);
        } else {
            release(slot);
            outstanding.push_back(command);
        }
    }
    for (Task& task : tasks_) {
        if (task.purpose == Task::Purpose::none) continue;
        Command* const command = task.purpose == Task::Purpose::settle ? task.command : nullptr;
        release(task);
        if (command != nullptr) owner_.on_settling_lost(*command);
    }
    reset_traffic();
}

}  // namespace weft::initiator
