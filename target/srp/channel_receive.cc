// SPDX-License-Identifier: Apache-2.0
// What the initiator sends.
#include "common/srp/notice.h"
#include "target/srp/channel.h"
#include "target/srp/work_id.h"

namespace weft::target {

std::span<const std::byte> Channel::iu(const ReceiveSlot& slot) const {
    return std::span<const std::byte>(memory_->receive(slot.index)).first(slot.length);
}

void Channel::post(ReceiveSlot& slot) {
    connection_->post_receive({.id = WorkName{.kind = WorkKind::receive, .index = slot.index}.id(),
                               .buffer = memory_->local(memory_->receive(slot.index))});
}

void Channel::release(ReceiveSlot& slot) {
    credits_.release();
    post(slot);
}

void Channel::on_received(ReceiveSlot& slot, std::uint32_t length) {
    slot.length = length;
    if (state_ == ChannelState::connecting) on_established({});
    if (length == 0) {
        drop("an empty IU");
        return;
    }
    switch (srp::opcode_of(iu(slot))) {
        case srp::Opcode::command: on_command_received(slot); return;
        case srp::Opcode::task_management: on_task_management_received(slot); return;
        case srp::Opcode::credit_response:
        case srp::Opcode::event_response:
        case srp::Opcode::initiator_logout: on_notice_received(slot); return;
        default: drop("an IU of a type that no initiator sends"); return;
    }
}

void Channel::on_command_received(ReceiveSlot& slot) {
    if (!credits_.spend()) {
        drop("more requests than it has credits for");
        return;
    }
    if (state_ == ChannelState::leaving) {
        drop("a command after its logout");
        return;
    }
    slot.sequence = nexus_.port().next_sequence();
    slot.arrived = executor().now();
    if (waiting_.empty() && start_command(slot)) return;
    if (state_ >= ChannelState::draining) return;
    if (waiting_.empty()) oldest_waiting_ = slot.arrived;
    waiting_.push_back(slot);
}

// False: not now (or the channel was dropped). Commands are started in the order they came.
bool Channel::start_command(ReceiveSlot& slot) {
    const auto view = srp::decode_command(iu(slot), immediate_ ? login_.immediate_offset : 0);
    if (!view) {
        drop("a malformed command");
        return false;
    }
    if (view->data_out.external() && view->data_in.external()) {
        drop("a command with two external descriptor tables");
        return false;
    }
    if (tags_.find(view->tag) != nullptr) {
        drop("a command with the tag of another one");
        return false;
    }
    if (idle_commands_.empty() || !nexus_.open_for(generation_)) return false;
    Command& command = *idle_commands_.back();
    idle_commands_.pop_back();
    ++busy_commands_;
    ++counters_.commands;
    if (nexus_.was_aborted_ahead(view->tag, *this)) {
        command.refuse(slot, *view, slot.sequence);
        return true;
    }
    command.start(slot, *view, slot.sequence);
    if (can_receive()) tags_.insert(command);
    return true;
}

void Channel::pump() {
    while (!waiting_.empty() && can_receive()) {
        ReceiveSlot& slot = waiting_.pop_front();
        if (start_command(slot)) continue;
        if (state_ < ChannelState::draining) waiting_.push_front(slot);
        break;
    }
    if (!waiting_.empty()) oldest_waiting_ = waiting_.front().arrived;
}

void Channel::on_task_management_received(ReceiveSlot& slot) {
    const auto request = srp::decode_task_management(iu(slot));
    if (!request) {
        drop("a malformed task management request");
        return;
    }
    if (!credits_.spend()) {
        drop("more requests than it has credits for");
        return;
    }
    release(slot);
    ++counters_.task_management;
    for (const auto& function : functions_) {
        if (function->state() != TaskManagement::State::idle) continue;
        function->start(*request, nexus_.port().next_sequence());
        return;
    }
    drop("more task management functions at once than are served");
}

void Channel::on_notice_received(ReceiveSlot& slot) {
    const auto notice = srp::decode_notice(iu(slot));
    if (!notice) {
        drop("an IU that is too short");
        return;
    }
    if (notice->opcode == srp::Opcode::initiator_logout) {
        post(slot);
        if (state_ == ChannelState::live) enter(ChannelState::leaving);
        leave_if_over();
        return;
    }
    if (notice->opcode == srp::Opcode::event_response || !credit_request_out_) {
        drop("an answer to a request that was not made");
        return;
    }
    credit_request_out_ = false;
    post(slot);
    send_credits_if_stuck();
}

}  // namespace weft::target
