// SPDX-License-Identifier: Apache-2.0
#include "target/srp/command.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/srp/response.h"
#include "target/srp/channel.h"

namespace weft::target {
namespace {

std::uint32_t residual_bytes(std::uint64_t bytes) {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
}

// What the initiator's buffer holds beyond what was moved, or what there was to move beyond what it holds.
srp::Residual residual(std::uint64_t length, std::uint64_t done, std::uint64_t excess) {
    if (excess > 0) return {.kind = srp::Residual::Kind::over, .bytes = residual_bytes(excess)};
    if (done >= length) return {};
    return {.kind = srp::Residual::Kind::under, .bytes = residual_bytes(length - done)};
}

}  // namespace

std::string_view to_string(CommandState state) {
    switch (state) {
        case CommandState::idle: return "idle";
        case CommandState::fetching_table: return "fetching the descriptor table";
        case CommandState::executing: return "executing";
        case CommandState::responding: return "responding";
        case CommandState::ending: return "ending";
    }
    WEFT_UNREACHABLE("CommandState");
}

Command::Command(Channel& channel, std::uint32_t index, std::span<std::byte> scratch)
    : channel_(channel), index_(index) {
    task_.parameter = channel.memory().parameter(index);
    task_.parameter_region = channel.memory().region();
    task_.scratch = scratch;
    for (Transfer& transfer : transfers_) transfer.command = index;
}

Command::~Command() { WEFT_CHECK(!busy() && !waiting()); }

void Command::enter(CommandState next) {
    WEFT_CHECK(may_follow(state_, next));
    state_ = next;
}

std::size_t Command::token_of(const Transfer& transfer) const {
    return static_cast<std::size_t>(&transfer - transfers_.data());
}

std::string_view Command::waits_for() const {
    if (waiting()) return "a buffer";
    if (state_ == CommandState::executing) return task_.waits_for();
    return to_string(state_);
}

void Command::take(ReceiveSlot& slot, const srp::CommandView& view, std::uint64_t sequence) {
    WEFT_CHECK(!busy());
    slot_ = &slot;
    view_ = view;
    sequence_ = sequence;
    started_ = channel_.executor().now();
    withdrawn_ = reported_ = response_posted_ = response_done_ = false;
    unposted_ = 0;
}

void Command::refuse(ReceiveSlot& slot, const srp::CommandView& view, std::uint64_t sequence) {
    take(slot, view, sequence);
    withdrawn_ = reported_ = true;
    enter(CommandState::responding);
    send_response();
}

void Command::start(ReceiveSlot& slot, const srp::CommandView& view, std::uint64_t sequence) {
    take(slot, view, sequence);
    if (view.data_out.external() || view.data_in.external()) {
        enter(CommandState::fetching_table);
        fetch_table();
    } else {
        out_descriptors_ = srp::DescriptorTable(view.data_out.list);
        in_descriptors_ = srp::DescriptorTable(view.data_in.list);
        enter(CommandState::executing);
        execute();
    }
}

void Command::fetch_table() {
    const srp::DataBuffer& buffer = view_.data_out.external() ? view_.data_out : view_.data_in;
    table_ = channel_.pool().borrow(*this, buffer.table.length, buffer.table.length);
    if (table_.length == 0) return;  // on_buffer_free() tries again
    Transfer& transfer = transfers_[kTableToken];
    transfer.kind = Transfer::Kind::read;
    transfer.cursor = srp::DescriptorCursor(srp::DescriptorTable(buffer.table_bytes));
    start_transfer(transfer, 0, table_);
}

void Command::on_table_fetched(bool ok) {
    const srp::DataBuffer& buffer = view_.data_out.external() ? view_.data_out : view_.data_in;
    const srp::DescriptorTable table(std::span<const std::byte>(table_.base, table_.length));
    if (ok && !withdrawn_ && !table.holds(buffer.length)) {
        channel_.drop("a descriptor table that does not hold what it says");
        ok = false;
    }
    if (!ok || withdrawn_) {
        end_before_execution();
        return;
    }
    const bool out = view_.data_out.external();
    out_descriptors_ = out ? table : srp::DescriptorTable(view_.data_out.list);
    in_descriptors_ = out ? srp::DescriptorTable(view_.data_in.list) : table;
    enter(CommandState::executing);
    execute();
}

// Withdrawn, or its descriptor table could not be had. The caller calls end_if_over().
void Command::end_before_execution() {
    channel_.forget_tag(*this);
    if (reported_ && channel_.can_send()) {
        enter(CommandState::responding);
        send_response();
    } else {
        enter(CommandState::ending);
    }
}

void Command::execute() {
    task_.cdb = view_.cdb;
    task_.data_out_length = view_.data_out.length;
    task_.data_in_length = view_.data_in.length;
    task_.immediate = {};
    if (!view_.data_out.immediate.empty())
        task_.immediate = {.base = channel_.memory().local(view_.data_out.immediate).address,
                           .length = static_cast<std::uint32_t>(view_.data_out.immediate.size()),
                           .region = channel_.memory().region()};
    channel_.nexus().luns().execute(task_, view_.lun);
}

void Command::withdraw(Withdrawal why) {
    if (withdrawn_ || (state_ != CommandState::executing && state_ != CommandState::fetching_table)) return;
    withdrawn_ = true;
    reported_ = why == Withdrawal::reported;
    ++channel_.counters().aborted;
    if (state_ == CommandState::executing) {
        task_.abort();
    } else if (!transfers_[kTableToken].busy) {  // waits for a buffer
        channel_.pool().forget(*this);
        end_before_execution();
        end_if_over();
    }
}

Segment Command::borrow(lun::Task&, std::uint32_t least, std::uint32_t most) {
    return channel_.pool().borrow(*this, least, most);
}

void Command::give_back(lun::Task&, Segment buffer) { channel_.pool().give_back(buffer); }

void Command::on_buffer_free() {
    if (state_ == CommandState::fetching_table)
        fetch_table();
    else
        task_.on_buffer_free();
}

bool Command::reaches(RegionId region) const { return channel_.domain().find(region).has_value(); }

void Command::fetch(lun::Task&, std::uint32_t token, std::uint64_t offset, Segment into) {
    WEFT_CHECK(token < kTableToken && offset + into.length <= view_.data_out.length);
    WEFT_CHECK(view_.data_out.format != srp::BufferFormat::immediate);
    Transfer& transfer = transfers_[token];
    transfer.kind = Transfer::Kind::read;
    transfer.quiet = false;
    transfer.cursor = srp::DescriptorCursor(out_descriptors_);
    channel_.counters().bytes_out += into.length;
    start_transfer(transfer, offset, into);
}

void Command::deliver(lun::Task& task, std::uint32_t token, std::uint64_t offset, Segment from) {
    WEFT_CHECK(token < kTableToken && offset + from.length <= view_.data_in.length);
    Transfer& transfer = transfers_[token];
    transfer.kind = Transfer::Kind::write;
    transfer.quiet = task.concluding();
    transfer.cursor = srp::DescriptorCursor(in_descriptors_);
    channel_.counters().bytes_in += from.length;
    ++unposted_;
    start_transfer(transfer, offset, from);
}

void Command::start_transfer(Transfer& transfer, std::uint64_t offset, Segment local) {
    const auto lkey = channel_.domain().find(local.region);
    WEFT_CHECK(lkey.has_value());
    transfer.offset = offset;
    transfer.local = local;
    transfer.lkey = *lkey;
    channel_.start(transfer);
}

void Command::on_transfer_posted(Transfer& transfer) {
    if (transfer.kind != Transfer::Kind::write) return;
    WEFT_CHECK(unposted_ > 0);
    --unposted_;
    if (state_ == CommandState::responding && unposted_ == 0) send_response();
}

void Command::on_transfer_completed(Transfer& transfer, bool ok) {
    WEFT_CHECK(transfer.busy);
    transfer.busy = false;
    const std::size_t token = token_of(transfer);
    if (token == kTableToken)
        on_table_fetched(ok);
    else if (transfer.kind == Transfer::Kind::read)
        task_.on_fetched(static_cast<std::uint32_t>(token), ok);
    else
        task_.on_delivered(static_cast<std::uint32_t>(token), ok);
    end_if_over();
}

void Command::finished(lun::Task& task) {
    WEFT_CHECK(&task == &task_);
    channel_.pool().forget(*this);
    channel_.forget_tag(*this);
    if ((withdrawn_ && !reported_) || !channel_.can_send()) {
        enter(CommandState::ending);
        end_if_over();
        return;
    }
    enter(CommandState::responding);
    if (unposted_ == 0) send_response();
}

void Command::send_response() {
    srp::Response response{.tag = view_.tag};
    if (withdrawn_) {
        response.status = static_cast<std::uint8_t>(scsi::Status::task_aborted);
    } else {
        response.status = static_cast<std::uint8_t>(task_.status);
        response.data_out = residual(task_.data_out_length, task_.data_out_done, 0);
        response.data_in = residual(task_.data_in_length, task_.data_in_done, task_.data_in_excess);
        if (task_.status == scsi::Status::check_condition) {
            response.sense = std::as_bytes(std::span(task_.sense.bytes)).first(task_.sense.length);
            ++channel_.counters().check_conditions;
        }
    }
    response_posted_ = true;
    ReceiveSlot& slot = *std::exchange(slot_, nullptr);
    channel_.respond(*this, slot, response);
}

void Command::on_response_sent() {
    WEFT_CHECK(state_ == CommandState::responding && response_posted_ && !response_done_);
    response_done_ = true;
    for (Transfer& transfer : transfers_)
        if (transfer.busy && transfer.quiet) on_transfer_completed(transfer, true);
    end_if_over();
}

void Command::on_drained() {
    if (!busy()) return;
    response_done_ = true;
    if (state_ == CommandState::responding && unposted_ > 0) unposted_ = 0;
    for (Transfer& transfer : transfers_) {
        if (!transfer.busy) continue;
        channel_.forget(transfer);
        on_transfer_completed(transfer, false);
    }
    if (busy() && !withdrawn_) withdraw(Withdrawal::silent);
    end_if_over();
}

void Command::end_if_over() {
    const bool over =
        state_ == CommandState::ending || (state_ == CommandState::responding && response_done_);
    if (!over || task_.executing() || !task_.quiet()) return;
    for (const Transfer& transfer : transfers_)
        if (transfer.busy) return;
    if (table_.length > 0) channel_.pool().give_back(std::exchange(table_, Segment{}));
    enter(CommandState::idle);
    channel_.on_command_idle(*this, std::exchange(slot_, nullptr));
}

}  // namespace weft::target
