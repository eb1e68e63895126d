// SPDX-License-Identifier: Apache-2.0
// What the target sends, and how that ends.
#include "common/core/log.h"
#include "common/srp/notice.h"
#include "target/srp/channel.h"
#include "target/srp/work_id.h"

namespace weft::target {

rdma::WorkId Channel::name(const Transfer& transfer, std::uint32_t retired) {
    // The transfers of a command are an array in it: its index and the token find one again.
    return WorkName{.kind = WorkKind::transfer,
                    .index = transfer.command,
                    .token = static_cast<std::uint16_t>(commands_[transfer.command]->token_of(transfer)),
                    .retired = static_cast<std::uint16_t>(retired)}
        .id();
}

void Channel::on_posted(Transfer& transfer) { commands_[transfer.command]->on_transfer_posted(transfer); }

void Channel::start(Transfer& transfer) {
    if (state_ >= ChannelState::draining) {  // on_drained() fails it; if that was already, a call of our own
        transfer.busy = true;
        transfer.failed = true;
        if (drained_ && !fail_transfers_.pending()) executor().defer(fail_transfers_);
        return;
    }
    if (transfer.kind == Transfer::Kind::read && !transfers_.can_read()) {
        transfer.busy = true;
        drop("a request for data out of memory that it does not let us read");
        return;
    }
    transfers_.start(transfer);
}

void Channel::send(rdma::WorkId id, std::span<const std::byte> iu) {
    rdma::SendWork work{.id = id, .opcode = rdma::Opcode::send, .buffer_count = 1};
    work.buffers[0] = memory_->local(iu);
    work.inline_data = iu.size() <= inline_bytes_;
    connection_->post_send(work);
}

void Channel::respond(Command& command, ReceiveSlot& slot, srp::Response& response) {
    tags_.remove(command);  // from now on the initiator may use the tag again
    release(slot);          // the receive is posted before the credit for it is sent
    response.request_limit_delta = credits_.collect();
    const auto into = memory_->transmit(command.index());
    const std::size_t bytes = srp::encode(into, response);
    send(WorkName{.kind = WorkKind::command_response,
                  .index = command.index(),
                  .retired = static_cast<std::uint16_t>(transfers_.take_unretired())}
             .id(),
         into.first(bytes));
}

void Channel::respond(TaskManagement& function, srp::Response& response) {
    WEFT_CHECK(can_send());
    response.request_limit_delta = credits_.collect();
    const auto into = memory_->transmit(credits_.limit() + function.index());
    const std::size_t bytes = srp::encode(into, response);
    send(WorkName{.kind = WorkKind::function_response,
                  .index = function.index(),
                  .retired = static_cast<std::uint16_t>(transfers_.take_unretired())}
             .id(),
         into.first(bytes));
}

void Channel::probe() {
    probe_out_ = true;
    connection_->post_send({.id = WorkName{.kind = WorkKind::probe,
                                           .retired = static_cast<std::uint16_t>(transfers_.take_unretired())}
                                      .id(),
                            .opcode = rdma::Opcode::write});
}

// Credits of commands that ended without a response go with the next one. If none is to come, with a
// CRED_REQ.
void Channel::send_credits_if_stuck() {
    if (state_ != ChannelState::live || credits_.owed() == 0 || credits_.in_use() > 0) return;
    if (credit_request_out_ || credit_request_sending_) return;
    for (const auto& function : functions_)
        if (function->state() == TaskManagement::State::waiting) return;  // its answer takes them
    credit_request_out_ = true;
    credit_request_sending_ = true;
    const auto iu = srp::encode(srp::Notice{.opcode = srp::Opcode::credit_request,
                                            .tag = srp::Tag::of(next_notice_tag_++),
                                            .request_limit_delta = credits_.collect()});
    const auto into = memory_->transmit(credits_.limit() + kTaskManagementMax);
    std::copy(iu.begin(), iu.end(), into.begin());
    send(
        WorkName{.kind = WorkKind::notice, .retired = static_cast<std::uint16_t>(transfers_.take_unretired())}
            .id(),
        into.first(iu.size()));
}

void Channel::on_completion(const rdma::Completion& completion) {
    if (state_ >= ChannelState::draining) return;
    if (completion.status != rdma::WorkStatus::ok) {
        // The queue pair is in error. on_disconnected() follows by itself in most cases; this makes it sure.
        ++counters_.transport_errors;
        terminate("a work request failed: " + std::string(rdma::to_string(completion.status)));
        return;
    }
    heard_ = true;
    if (!completion.receive) {
        on_work_done(completion);
        return;
    }
    on_received(receives_[WorkName::of(completion.id).index], completion.length);
}

void Channel::on_work_done(const rdma::Completion& completion) {
    const WorkName name = WorkName::of(completion.id);
    switch (name.kind) {
        case WorkKind::receive: WEFT_UNREACHABLE("a receive on the send queue");
        case WorkKind::transfer: {
            Command& command = *commands_[name.index];
            Transfer& transfer = command.transfer(name.token);
            if (transfers_.on_completed(transfer, name.retired))
                command.on_transfer_completed(transfer, true);
            return;
        }
        case WorkKind::command_response:
            transfers_.on_retired(name.retired);
            commands_[name.index]->on_response_sent();
            break;
        case WorkKind::function_response:
            transfers_.on_retired(name.retired);
            functions_[name.index]->on_response_sent();
            break;
        case WorkKind::notice:
            transfers_.on_retired(name.retired);
            credit_request_sending_ = false;
            send_credits_if_stuck();
            break;
        case WorkKind::probe:
            transfers_.on_retired(name.retired);
            probe_out_ = false;
            break;
    }
    leave_if_over();
}

void Channel::on_command_idle(Command& command, ReceiveSlot* slot) {
    idle_commands_.push_back(&command);
    --busy_commands_;
    if (slot != nullptr && can_receive()) {
        release(*slot);
        send_credits_if_stuck();
    }
    nexus_.on_command_ended(*this);
    go_on();
    leave_if_over();
    close_if_over();
}

void Channel::leave_if_over() {
    if (state_ != ChannelState::leaving || busy_commands_ > 0 || !waiting_.empty()) return;
    for (const auto& function : functions_)
        if (function->state() != TaskManagement::State::idle) return;
    terminate("the initiator logged out");
}

}  // namespace weft::target
