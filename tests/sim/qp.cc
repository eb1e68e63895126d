// SPDX-License-Identifier: Apache-2.0
// The queue pair on the simulated wire: transmission, delivery, acknowledgement, errors, drain.
#include <algorithm>
#include <cstring>

#include "tests/sim/sim_connection.h"

namespace weft::sim {

namespace {
constexpr Duration kRetryInterval = 10ms;  // how often a cut wire is tried again
constexpr Duration kRnrInterval = 655ms;   // RDMA/CM's minimum RNR timer (srp.md 0.4)

const std::byte* local_pointer(std::uint64_t address) {
    return reinterpret_cast<const std::byte*>(address);  // NOLINT: an address that travelled on the wire
}
}  // namespace

const DomainState::Entry* DomainState::find(std::uint32_t key, std::uint64_t address,
                                            std::uint64_t length) const {
    const auto found = keys.find(key);
    if (found == keys.end()) return nullptr;
    const auto base = reinterpret_cast<std::uint64_t>(found->second.base);
    if (address < base || length > found->second.length || address - base > found->second.length - length)
        return nullptr;
    return &found->second;
}

Duration Qp::wire_delay() {
    return network->world().random().between(network->delay_min, network->delay_max);
}

void Qp::later(Duration delay, std::function<void(Qp&)> call) {
    network->world().after(delay, node, [self = weak_from_this(), call = std::move(call)] {
        if (const auto qp = self.lock()) call(*qp);
    });
}

void Qp::check_local(const rdma::LocalBuffer& buffer) const {
    WEFT_CHECK(domain->find(buffer.lkey, reinterpret_cast<std::uint64_t>(buffer.address), buffer.length) !=
               nullptr);
}

void Qp::post_send(const rdma::SendWork& work) {
    WEFT_CHECK(state == State::live || state == State::error);
    WEFT_CHECK(send_queue_.size() < parameters.depths.send);
    WEFT_CHECK(work.buffer_count <= rdma::kSendBuffersMax);
    if (fabric->on_post_send) fabric->on_post_send(work);
    Entry entry;
    entry.work = work;
    entry.sequence = next_sequence_++;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < work.buffer_count; ++i) {
        const auto& buffer = work.buffers[i];
        if (!work.inline_data) check_local(buffer);
        bytes += buffer.length;
        if (work.opcode != rdma::Opcode::read)
            entry.data.insert(entry.data.end(), buffer.address, buffer.address + buffer.length);
    }
    WEFT_CHECK(!work.inline_data || bytes <= 256);
    send_queue_.push_back(std::move(entry));
    if (state == State::error) {
        flush();
    } else if (!transmit_pending_) {
        transmit_pending_ = true;
        later(Duration{0}, [](Qp& qp) { qp.transmit(); });
    }
}

void Qp::post_receive(const rdma::ReceiveWork& work) {
    WEFT_CHECK(state != State::idle && state != State::drained && state != State::gone);
    WEFT_CHECK(receive_queue_.size() < parameters.depths.receive);
    check_local(work.buffer);
    receive_queue_.push_back(work);
    if (state == State::error) flush();
}

void Qp::transmit() {
    transmit_pending_ = false;
    if (state != State::live) return;
    for (Entry& entry : send_queue_) {
        if (entry.sent) continue;
        if (entry.work.opcode == rdma::Opcode::read) {
            if (reads_in_flight_ >= reads_max) break;  // the whole queue waits behind it, in order
            ++reads_in_flight_;
        }
        entry.sent = true;
        entry.sent_at = network->world().now();
        wire_clock_ = std::max(wire_clock_, entry.sent_at + wire_delay());
        wire_.push_back(Packet{entry, wire_clock_});
        network->world().after(wire_clock_ - entry.sent_at, nullptr,
                               [self = shared_from_this()] { self->pump_wire(); });
        const std::uint64_t sequence = entry.sequence;
        later(network->retry_timeout, [sequence](Qp& qp) { qp.check_retry(sequence); });
    }
}

void Qp::check_retry(std::uint64_t sequence) {
    if (state != State::live || send_queue_.empty() || send_queue_.front().sequence > sequence) return;
    if (send_queue_.front().sequence < sequence) return;  // the older one's own check decides
    const rdma::SendWork work = send_queue_.front().work;
    send_queue_.pop_front();
    network->world().trace(local + " -> " + remote + ": retries exceeded");
    complete(work, rdma::WorkStatus::retry_exceeded);
    fail(rdma::DisconnectReason::transport);
}

void Qp::pump_wire() {
    const Instant now = network->world().now();
    while (!wire_.empty() && wire_.front().at <= now) {
        const auto receiver = peer.lock();
        if (receiver == nullptr || receiver->state == State::gone || receiver->state == State::idle) {
            wire_.pop_front();  // nobody answers; the retry timer decides
            continue;
        }
        Packet& packet = wire_.front();
        if (network->is_cut(local, remote)) {
            if (state != State::live) {  // no one retransmits any more
                wire_.pop_front();
                continue;
            }
            packet.at = now + kRetryInterval;
            network->world().after(kRetryInterval, nullptr,
                                   [self = shared_from_this()] { self->pump_wire(); });
            return;
        }
        if (!deliver(*receiver, packet)) {
            packet.at = now + kRnrInterval;
            network->world().after(kRnrInterval, nullptr, [self = shared_from_this()] { self->pump_wire(); });
            return;
        }
        wire_.pop_front();
    }
}

bool Qp::deliver(Qp& receiver, Packet& packet) {
    if (receiver.state != State::live || !receiver.node->alive()) return true;  // dropped; no acknowledgement
    const rdma::SendWork& work = packet.entry.work;
    std::vector<std::byte>& data = packet.entry.data;
    // A retransmission reads the source again.
    if (state == State::live && !work.inline_data && work.opcode != rdma::Opcode::read &&
        network->world().random().chance(0.5)) {
        data.clear();
        for (std::size_t i = 0; i < work.buffer_count; ++i) {
            const auto& buffer = work.buffers[i];
            data.insert(data.end(), buffer.address, buffer.address + buffer.length);
        }
    }
    Ack ack{packet.entry.sequence, rdma::WorkStatus::ok, {}, {}};
    std::size_t length = data.size();
    if (work.opcode == rdma::Opcode::read) {
        length = 0;
        for (std::size_t i = 0; i < work.buffer_count; ++i) length += work.buffers[i].length;
    }
    bool receiver_fails = false;
    if (work.opcode == rdma::Opcode::send) {
        if (receiver.receive_queue_.empty()) {
            ++network->rnr_stalls;
            return false;
        }
        const rdma::ReceiveWork receive = receiver.receive_queue_.front();
        receiver.receive_queue_.pop_front();
        rdma::Completion completion{receive.id, rdma::Opcode::receive, true, rdma::WorkStatus::ok,
                                    static_cast<std::uint32_t>(length)};
        if (length > receive.buffer.length) {
            completion.status = rdma::WorkStatus::local_error;
            ack.status = rdma::WorkStatus::remote_invalid;
            receiver_fails = true;
        } else {
            std::memcpy(receive.buffer.address, data.data(), length);
        }
        receiver.later(Duration{0}, [completion](Qp& qp) {
            if (qp.handler != nullptr) qp.handler->on_completion(completion);
        });
    } else if (length > 0) {
        const auto* entry = receiver.domain->find(work.remote.rkey, work.remote.address, length);
        const bool write = work.opcode == rdma::Opcode::write;
        const bool allowed =
            entry != nullptr &&
            (entry->access == rdma::Access::remote_both ||
             entry->access == (write ? rdma::Access::remote_write : rdma::Access::remote_read));
        if (!allowed) {
            ack.status = rdma::WorkStatus::remote_access;
            receiver_fails = true;
        } else if (write) {
            std::memcpy(entry->base + (work.remote.address - reinterpret_cast<std::uint64_t>(entry->base)),
                        data.data(), length);
        } else {
            const std::byte* source = local_pointer(work.remote.address);
            ack.data.assign(source, source + length);
        }
    }
    ack_clock_ = std::max(ack_clock_, network->world().now() + wire_delay());
    ack.at = ack_clock_;
    acks_.push_back(std::move(ack));
    network->world().after(ack_clock_ - network->world().now(), nullptr,
                           [self = shared_from_this()] { self->pump_acks(); });
    if (receiver_fails)
        receiver.later(Duration{0}, [](Qp& qp) { qp.fail(rdma::DisconnectReason::transport); });
    return true;
}

void Qp::pump_acks() {
    const Instant now = network->world().now();
    while (!acks_.empty() && acks_.front().at <= now) {
        if (network->is_cut(remote, local) && state == State::live) {
            acks_.front().at = now + kRetryInterval;
            network->world().after(kRetryInterval, nullptr,
                                   [self = shared_from_this()] { self->pump_acks(); });
            return;
        }
        Ack ack = std::move(acks_.front());
        acks_.pop_front();
        later(Duration{0}, [ack = std::move(ack)](Qp& qp) { qp.acknowledged(ack); });
    }
}

void Qp::acknowledged(const Ack& ack) {
    if (state != State::live || send_queue_.empty()) return;
    Entry& entry = send_queue_.front();
    if (entry.sequence != ack.sequence) return;
    const rdma::SendWork work = entry.work;
    if (work.opcode == rdma::Opcode::read) {
        --reads_in_flight_;
        std::size_t offset = 0;
        for (std::size_t i = 0; ack.status == rdma::WorkStatus::ok && i < work.buffer_count; ++i) {
            std::memcpy(work.buffers[i].address, ack.data.data() + offset, work.buffers[i].length);
            offset += work.buffers[i].length;
        }
    }
    send_queue_.pop_front();
    // The next in line may have waited long for this one; give it the time it would have had.
    if (!send_queue_.empty() && send_queue_.front().sent) {
        const std::uint64_t sequence = send_queue_.front().sequence;
        later(network->retry_timeout, [sequence](Qp& qp) { qp.check_retry(sequence); });
    }
    complete(work, ack.status);
    if (ack.status != rdma::WorkStatus::ok) {
        fail(rdma::DisconnectReason::transport);
    } else if (state == State::live) {
        transmit();
    }
}

void Qp::complete(const rdma::SendWork& work, rdma::WorkStatus status) {
    if (!work.signaled || handler == nullptr) return;
    handler->on_completion(rdma::Completion{work.id, work.opcode, false, status, 0});
}

void Qp::fail(rdma::DisconnectReason reason) {
    if (state != State::live && state != State::connecting) return;
    state = State::error;
    network->world().trace(local + " -> " + remote + ": " + std::string(rdma::to_string(reason)));
    later(Duration{0}, [reason](Qp& qp) {
        if (qp.handler == nullptr || qp.disconnect_reported_) return;
        qp.disconnect_reported_ = true;
        qp.handler->on_disconnected(reason);
    });
    flush();
}

void Qp::fail_connect(rdma::ConnectFailure failure, int reason, std::span<const std::byte> data) {
    if (handler == nullptr || state != State::connecting) return;
    state = State::error;
    disconnect_reported_ = true;  // a failed attempt reports no disconnect
    handler->on_connect_failed(failure, reason, data, std::string(rdma::to_string(failure)));
    flush();
}

void Qp::flush() {
    if (flush_pending_) return;
    flush_pending_ = true;
    later(wire_delay(), [](Qp& qp) {
        qp.flush_pending_ = false;
        if (qp.state != State::error) return;
        while (qp.handler != nullptr && (!qp.send_queue_.empty() || !qp.receive_queue_.empty())) {
            if (!qp.send_queue_.empty()) {
                const rdma::SendWork work = qp.send_queue_.front().work;
                qp.send_queue_.pop_front();
                qp.complete(work, rdma::WorkStatus::flushed);
            } else {
                const rdma::WorkId id = qp.receive_queue_.front().id;
                qp.receive_queue_.pop_front();
                qp.handler->on_completion(
                    rdma::Completion{id, rdma::Opcode::receive, true, rdma::WorkStatus::flushed, 0});
            }
        }
        if (qp.handler == nullptr) return;
        qp.state = State::drained;
        qp.handler->on_drained();
    });
}

void Qp::send_disconnect() {
    network->world().after(
        wire_delay(), nullptr, [weak = peer, network = network, from = local, to = remote] {
            const auto other = weak.lock();
            if (other == nullptr || network->is_cut(from, to)) return;
            other->later(Duration{0}, [](Qp& qp) { qp.fail(rdma::DisconnectReason::peer); });
        });
}

void Qp::abandon() {
    if (state == State::gone) return;
    const bool connected = state == State::live || state == State::error || state == State::connecting;
    state = State::gone;
    handler = nullptr;
    if (connected) send_disconnect();
}

}  // namespace weft::sim
