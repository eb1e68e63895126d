// SPDX-License-Identifier: Apache-2.0
// The data path of a channel: commands out, responses in. Nothing here allocates.
//
// A command's buffers are its user's again only when both have come back: the response (the target is done
// with them) and the completion of the SEND (our device is done with them).
#include <cstring>

#include "common/core/log.h"
#include "common/srp/command.h"
#include "common/srp/notice.h"
#include "initiator/srp/channel.h"

namespace weft::initiator {

namespace {

// Work identifiers: purpose in the high half, index in the low.
constexpr unsigned kPurposeShift = 32;
constexpr std::uint64_t kIndexMask = 0xFFFFFFFF;
// Tags: a number never repeated in the session above, the slot below.
constexpr unsigned kSequenceShift = 16;
constexpr std::uint64_t kSlotMask = 0xFFFF;

std::uint64_t address_of(const std::byte* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);  // NOLINT: an address for the peer's use
}

}  // namespace

static_assert(Channel::kCommands + Channel::kTasks <= kSlotMask);
static_assert(Channel::kImmediateOffset + kParameterBytesMax <= Channel::kTransmitBytes);
static_assert(Channel::kCommandIuBytes <= Channel::kImmediateOffset);

std::size_t Channel::position(Work work, std::size_t index) {
    switch (work) {
        case Work::command: return index;
        case Work::task: return kCommands + index;
        case Work::answer: return std::size_t{kCommands} + kTasks + index;
        case Work::probe:
        case Work::receive: break;
    }
    WEFT_UNREACHABLE("no IU of that kind");
}

std::span<std::byte> Channel::transmit_iu(std::size_t index) const {
    WEFT_CHECK(index < kSendDepth);
    return {slab_.data() + index * kTransmitBytes, kTransmitBytes};
}

std::span<std::byte> Channel::receive_iu(std::size_t index) const {
    WEFT_CHECK(index < kReceiveDepth);
    return {slab_.data() + std::size_t{kSendDepth} * kTransmitBytes + index * kReceiveBytes, kReceiveBytes};
}

void Channel::reset_traffic() {
    WEFT_CHECK(in_flight_ == 0 && tasks_in_flight_ == 0);
    for (std::size_t i = 0; i < kCommands; ++i) {
        slots_[i] = Slot{};
        free_[i] = static_cast<std::uint16_t>(kCommands - 1 - i);
    }
    free_count_ = kCommands;
    answering_.fill(false);
    probing_ = false;
    credits_.assign(0);
}

Channel::Fit Channel::fit(const Command& command) const {
    if (!live() || free_count_ == 0 || !credits_.allows_command()) return Fit::full;
    if (command.data.length == 0) return Fit::yes;
    switch (memory_->state(command.data.region)) {
        case DeviceMemory::State::ready: return Fit::yes;
        case DeviceMemory::State::pending: return Fit::memory_pending;
        case DeviceMemory::State::absent:  // not in the directory of regions
        case DeviceMemory::State::failed: return Fit::memory_failed;
    }
    WEFT_UNREACHABLE("DeviceMemory::State");
}

void Channel::send(Command& command) {
    WEFT_CHECK(fit(command) == Fit::yes);
    const std::size_t index = free_[--free_count_];
    Slot& slot = slots_[index];
    WEFT_CHECK(slot.command == nullptr);
    slot = Slot{.command = &command,
                .tag = owner_.next_sequence() << kSequenceShift | index,
                .sent = executor_.now(),
                .sending = true};
    command.enter(CommandState::sent);
    command.tag = slot.tag;
    credits_.take();
    ++in_flight_;
    ++counters_.commands;
    if (relaxed()) hurry();
    rdma::LocalBuffer immediate;
    const std::size_t length = fill(command, slot.tag, index, immediate);
    post(Work::command, index, length, immediate);
}

// Writes the IU; returns how much of it is in the slot. `immediate` is set if the data follows.
std::size_t Channel::fill(const Command& command, std::uint64_t tag, std::size_t index,
                          rdma::LocalBuffer& immediate) {
    const std::span<std::byte> iu = transmit_iu(position(Work::command, index));
    srp::CommandContent content;
    content.tag = srp::Tag::of(tag);
    content.lun = command.lun;
    content.cdb = command.cdb;
    content.immediate_offset = kImmediateOffset;
    srp::MemoryDescriptor descriptor;
    if (!command.parameter.empty()) {
        WEFT_CHECK(command.direction == Direction::out && command.data.length == 0);
        const std::size_t length = command.parameter.size();
        WEFT_CHECK(length <= kParameterBytesMax);
        const std::span<std::byte> place = iu.subspan(kImmediateOffset, length);
        std::memcpy(place.data(), command.parameter.data(), length);
        if (length <= immediate_max_) {
            content.data_out.format = srp::BufferFormat::immediate;
            content.data_out.length = static_cast<std::uint32_t>(length);
            return srp::encode(iu, content) + length;
        }
        descriptor = {address_of(place.data()), transmit_keys_.rkey, static_cast<std::uint32_t>(length)};
        content.data_out = srp::BufferContent::direct(descriptor);
        return srp::encode(iu, content);
    }
    if (command.data.length == 0) {
        WEFT_CHECK(command.direction == Direction::none);
        return srp::encode(iu, content);
    }
    const rdma::Keys keys = memory_->keys(command.data.region);
    if (command.direction == Direction::out && command.data.length <= immediate_max_) {
        ++counters_.immediate;
        content.data_out.format = srp::BufferFormat::immediate;
        content.data_out.length = command.data.length;
        immediate = {command.data.base, command.data.length, keys.lkey};
        return srp::encode(iu, content);
    }
    descriptor = {address_of(command.data.base), keys.rkey, command.data.length};
    (command.direction == Direction::out ? content.data_out : content.data_in) =
        srp::BufferContent::direct(descriptor);
    return srp::encode(iu, content);
}

void Channel::post(Work work, std::size_t index, std::size_t length, rdma::LocalBuffer second) {
    WEFT_CHECK(connection_ != nullptr && length <= kTransmitBytes);
    rdma::SendWork send;
    send.id = static_cast<std::uint64_t>(work) << kPurposeShift | index;
    send.buffers[0] = {transmit_iu(position(work, index)).data(), static_cast<std::uint32_t>(length),
                       transmit_keys_.lkey};
    send.buffer_count = 1;
    if (second.length > 0) {
        send.buffers[1] = second;
        send.buffer_count = 2;
    }
    send.inline_data = length + second.length <= inline_max_;
    connection_->post_send(send);
}

void Channel::post_probe() {
    // Length 0: no key is looked at, nothing is written; its completion shows that the other end answers.
    rdma::SendWork probe;
    probe.id = static_cast<std::uint64_t>(Work::probe) << kPurposeShift;
    probe.opcode = rdma::Opcode::write;
    probing_ = true;
    ++counters_.probes;
    connection_->post_send(probe);
}

void Channel::post_receive(std::size_t index) {
    connection_->post_receive({.id = static_cast<std::uint64_t>(Work::receive) << kPurposeShift | index,
                               .buffer = {receive_iu(index).data(), kReceiveBytes, receive_keys_.lkey}});
}

void Channel::on_completion(const rdma::Completion& completion) {
    const auto work = static_cast<Work>(completion.id >> kPurposeShift);
    const auto index = static_cast<std::size_t>(completion.id & kIndexMask);
    if (completion.status != rdma::WorkStatus::ok) {
        // What it was for stays outstanding until the queue pair has drained; on_disconnected follows.
        if (completion.status != rdma::WorkStatus::flushed && live())
            log::warn("{}: {} of an IU failed: {}", path_, completion.receive ? "receipt" : "sending",
                      rdma::to_string(completion.status));
        return;
    }
    heard_ = true;
    if (work == Work::receive) {
        WEFT_CHECK(index < kReceiveDepth);
        on_received(index, completion.length);
    } else {
        on_sent(work, index);
    }
}

void Channel::on_sent(Work work, std::size_t index) {
    switch (work) {
        case Work::command: {
            Slot& slot = slots_.at(index);
            WEFT_CHECK(slot.command != nullptr && slot.sending);
            slot.sending = false;
            if (slot.answered && live()) finish(slot, Outcome::answered);
            return;
        }
        case Work::task: {
            Task& task = tasks_.at(index);
            WEFT_CHECK(task.purpose != Task::Purpose::none && task.sending);
            task.sending = false;
            if (task.answered && live()) finish_task(task);
            return;
        }
        case Work::answer: answering_.at(index) = false; return;
        case Work::probe: probing_ = false; return;
        case Work::receive: break;
    }
    WEFT_UNREACHABLE("work of a send queue");
}

void Channel::on_received(std::size_t index, std::uint32_t length) {
    if (state_ == ChannelState::connecting) {
        fail_attempt("the target spoke before the login was answered");
        return;
    }
    if (length == 0 || length > kReceiveBytes) {
        drop("an empty IU");
        return;
    }
    const std::span<const std::byte> iu = receive_iu(index).first(length);
    const srp::Opcode opcode = srp::opcode_of(iu);
    // On a lost connection responses still count: what they answer need not be settled (see collect()).
    if (opcode == srp::Opcode::response)
        on_response(iu);
    else if (live())
        on_request(opcode, iu);
    if (!live()) return;
    post_receive(index);
    owner_.on_room(*this);
}

void Channel::on_response(std::span<const std::byte> iu) {
    const auto response = srp::decode_response(iu);
    if (!response || !credits_.add(response->request_limit_delta)) {
        drop("a malformed response");
        return;
    }
    const std::uint64_t tag = response->tag.value();
    const auto index = static_cast<std::size_t>(tag & kSlotMask);
    if (index < kCommands && slots_[index].command != nullptr && slots_[index].tag == tag &&
        !slots_[index].answered) {
        on_command_response(slots_[index], *response);
        return;
    }
    if (index >= kCommands && index < kCommands + kTasks) {
        Task& task = tasks_[index - kCommands];
        if (task.purpose != Task::Purpose::none && task.tag == tag && !task.answered) {
            task.answered = true;
            task.code = response->code.value_or(srp::ResponseCode::failed);
            if (!task.sending && live()) finish_task(task);
            return;
        }
    }
    // Legal for a command that was aborted: the credit counts, the answer does not.
    if (++counters_.strays == 1) log::warn("{}: a response to nothing we asked", path_);
}

void Channel::on_command_response(Slot& slot, const srp::Response& response) {
    Command& command = *slot.command;
    if (response.code && *response.code != srp::ResponseCode::complete) {
        drop("the target found a request malformed");
        return;
    }
    command.status = static_cast<scsi::Status>(response.status);
    const std::size_t sense = std::min(response.sense.size(), scsi::SenseData::kBytesMax);
    command.sense.length = static_cast<std::uint8_t>(sense);
    if (sense > 0) std::memcpy(command.sense.bytes.data(), response.sense.data(), sense);
    const srp::Residual& residual =
        command.direction == Direction::out ? response.data_out : response.data_in;
    command.residual = residual.kind == srp::Residual::Kind::under ? residual.bytes : 0;
    command.overflow = residual.kind == srp::Residual::Kind::over;
    slot.answered = true;
    if (!slot.sending && live()) finish(slot, Outcome::answered);
}

void Channel::finish(Slot& slot, Outcome outcome) {
    Command& command = *slot.command;
    WEFT_CHECK(!slot.sending);
    command.outcome = outcome;
    if (outcome == Outcome::answered && command.status == scsi::Status::good) {
        const std::uint64_t moved = command.data.length + command.parameter.size();
        (command.direction == Direction::out ? counters_.bytes_out : counters_.bytes_in) += moved;
    }
    release(slot);
    owner_.on_command_finished(command);
}

void Channel::release(Slot& slot) {
    WEFT_CHECK(slot.command != nullptr && in_flight_ > 0);
    free_[free_count_++] = static_cast<std::uint16_t>(&slot - slots_.data());
    slot = Slot{};
    --in_flight_;
}

void Channel::on_request(srp::Opcode opcode, std::span<const std::byte> iu) {
    switch (opcode) {
        case srp::Opcode::credit_request: {
            const auto notice = srp::decode_notice(iu);
            if (!notice || !credits_.add(notice->request_limit_delta)) {
                drop("a malformed credit request");
                return;
            }
            answer(notice->tag, srp::Opcode::credit_response);
            return;
        }
        case srp::Opcode::event_request: on_event_request(iu); return;
        case srp::Opcode::target_logout: drop("the target logged us out"); return;
        default:
            log::warn("{}: an IU of unknown kind {:#x} ignored", path_, static_cast<unsigned>(opcode));
            return;
    }
}

// What an event says of a unit is news at best: only one without tag and credits costs the channel.
void Channel::on_event_request(std::span<const std::byte> iu) {
    const auto event = srp::decode_event_request(iu);
    if (!event || !credits_.add(event->request_limit_delta)) {
        drop("a malformed event request");
        return;
    }
    ++counters_.events;
    answer(event->tag, srp::Opcode::event_response);
    if (!live() || owner_.on_event(event->lun, event->sense)) return;
    if (++counters_.ignored == 1) log::warn("{}: an asynchronous event that says nothing to us", path_);
}

void Channel::answer(const srp::Tag& tag, srp::Opcode opcode) {
    for (std::size_t i = 0; i < answering_.size(); ++i) {
        if (answering_[i]) continue;
        answering_[i] = true;
        const auto bytes = srp::encode(srp::Notice{.opcode = opcode, .tag = tag});
        std::memcpy(transmit_iu(position(Work::answer, i)).data(), bytes.data(), bytes.size());
        post(Work::answer, i, bytes.size());
        return;
    }
    drop("more requests at once than SRP allows a target");
}

}  // namespace weft::initiator
