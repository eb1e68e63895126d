// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/work_queues.h"

#include <cstring>

#include "common/core/check.h"

namespace weft::verbs {

namespace {

ibv_wr_opcode to_verbs(rdma::Opcode opcode) {
    switch (opcode) {
        case rdma::Opcode::send: return IBV_WR_SEND;
        case rdma::Opcode::write: return IBV_WR_RDMA_WRITE;
        case rdma::Opcode::read: return IBV_WR_RDMA_READ;
        case rdma::Opcode::receive: break;
    }
    WEFT_UNREACHABLE("a receive on the send queue");
}

ibv_sge to_verbs(const rdma::LocalBuffer& buffer) {
    return {.addr = reinterpret_cast<std::uint64_t>(buffer.address),
            .length = buffer.length,
            .lkey = buffer.lkey};
}

// How many of a chain the device took before the one it names.
template <class Request>
std::uint32_t taken(const std::vector<Request>& chain, std::uint32_t count, const Request* bad) {
    if (bad == nullptr || bad < chain.data() || bad >= chain.data() + count) return 0;
    return static_cast<std::uint32_t>(bad - chain.data());
}

}  // namespace

rdma::WorkStatus to_work_status(ibv_wc_status status) {
    using rdma::WorkStatus;
    switch (status) {
        case IBV_WC_SUCCESS: return WorkStatus::ok;
        case IBV_WC_WR_FLUSH_ERR: return WorkStatus::flushed;
        case IBV_WC_REM_ACCESS_ERR: return WorkStatus::remote_access;
        case IBV_WC_REM_INV_REQ_ERR:
        case IBV_WC_REM_OP_ERR: return WorkStatus::remote_invalid;
        case IBV_WC_RETRY_EXC_ERR:
        case IBV_WC_RESP_TIMEOUT_ERR: return WorkStatus::retry_exceeded;
        case IBV_WC_RNR_RETRY_EXC_ERR: return WorkStatus::rnr_exceeded;
        case IBV_WC_LOC_LEN_ERR:
        case IBV_WC_LOC_QP_OP_ERR:
        case IBV_WC_LOC_PROT_ERR:
        case IBV_WC_LOC_ACCESS_ERR: return WorkStatus::local_error;
        default: return WorkStatus::other;
    }
}

WorkQueues::WorkQueues(const rdma::QueueDepths& depths, std::uint32_t inline_bytes, std::uint16_t slot,
                       std::uint16_t generation)
    : inline_bytes_(inline_bytes),
      key_{.slot = slot, .generation = generation},
      sends_(depths.send),
      receives_(depths.receive),
      send_chain_(depths.send),
      send_buffers_(std::size_t{depths.send} * rdma::kSendBuffersMax),
      inline_area_(std::size_t{depths.send} * inline_bytes),
      receive_chain_(depths.receive),
      receive_buffers_(depths.receive) {}

void WorkQueues::post_send(const rdma::SendWork& work) {
    const std::uint32_t index =
        sends_.push({.id = work.id, .opcode = work.opcode, .signaled = work.signaled});
    if (closed_) return;
    ibv_send_wr& request = send_chain_[send_count_];
    request = {};
    WorkKey key = key_;
    key.index = index;
    request.wr_id = key.encode();
    request.opcode = to_verbs(work.opcode);
    if (work.signaled) request.send_flags |= IBV_SEND_SIGNALED;
    if (work.opcode != rdma::Opcode::send) {
        request.wr.rdma.remote_addr = work.remote.address;
        request.wr.rdma.rkey = work.remote.rkey;
    }
    fill_buffers(work, request);
    if (send_count_ > 0) send_chain_[send_count_ - 1].next = &request;
    ++send_count_;
}

void WorkQueues::fill_buffers(const rdma::SendWork& work, ibv_send_wr& request) {
    WEFT_CHECK(work.buffer_count <= rdma::kSendBuffersMax);
    ibv_sge* buffers = &send_buffers_[std::size_t{send_count_} * rdma::kSendBuffersMax];
    request.sg_list = buffers;
    if (!work.inline_data) {
        for (std::size_t i = 0; i < work.buffer_count; ++i) buffers[i] = to_verbs(work.buffers[i]);
        request.num_sge = work.buffer_count;
        return;
    }
    // Copied now, not when the chain is posted: the caller may change its buffer at once.
    std::byte* area = inline_area_.data() + std::size_t{send_count_} * inline_bytes_;
    std::uint32_t length = 0;
    for (std::size_t i = 0; i < work.buffer_count; ++i) {
        const rdma::LocalBuffer& buffer = work.buffers[i];
        WEFT_CHECK(buffer.length <= inline_bytes_ - length);
        std::memcpy(area + length, buffer.address, buffer.length);
        length += buffer.length;
    }
    buffers[0] = {.addr = reinterpret_cast<std::uint64_t>(area), .length = length, .lkey = 0};
    request.num_sge = length > 0 ? 1 : 0;
    if (length > 0) request.send_flags |= IBV_SEND_INLINE;
}

void WorkQueues::post_receive(const rdma::ReceiveWork& work) {
    const std::uint32_t index =
        receives_.push({.id = work.id, .opcode = rdma::Opcode::receive, .signaled = true});
    if (closed_) return;
    ibv_recv_wr& request = receive_chain_[receive_count_];
    WorkKey key = key_;
    key.receive = true;
    key.index = index;
    receive_buffers_[receive_count_] = to_verbs(work.buffer);
    request = {
        .wr_id = key.encode(), .next = nullptr, .sg_list = &receive_buffers_[receive_count_], .num_sge = 1};
    if (receive_count_ > 0) receive_chain_[receive_count_ - 1].next = &request;
    ++receive_count_;
}

int WorkQueues::flush(ibv_qp& queue_pair, bool sends) {
    WEFT_CHECK(!closed_);
    if (receive_count_ > 0) {
        if (const int rc = post_receives(queue_pair); rc != 0) return rc;
    }
    return sends && send_count_ > 0 ? post_sends(queue_pair) : 0;
}

int WorkQueues::post_sends(ibv_qp& queue_pair) {
    ibv_send_wr* bad = nullptr;
    const int rc = ibv_post_send(&queue_pair, send_chain_.data(), &bad);
    sends_.mark_posted(rc == 0 ? send_count_ : taken(send_chain_, send_count_, bad));
    send_count_ = 0;
    return rc;
}

int WorkQueues::post_receives(ibv_qp& queue_pair) {
    ibv_recv_wr* bad = nullptr;
    const int rc = ibv_post_recv(&queue_pair, receive_chain_.data(), &bad);
    receives_.mark_posted(rc == 0 ? receive_count_ : taken(receive_chain_, receive_count_, bad));
    receive_count_ = 0;
    return rc;
}

void WorkQueues::close() {
    closed_ = true;
    send_count_ = 0;
    receive_count_ = 0;
}

void WorkQueues::abandon() {
    close();
    sends_.hold_all();
    receives_.hold_all();
}

bool WorkQueues::complete(const WorkKey& key, const ibv_wc& entry, CompletionSink& sink) {
    WorkRing& ring = key.receive ? receives_ : sends_;
    if (!ring.is_posted(key.index)) return true;
    while (ring.front_index() != key.index) {
        const WorkRing::Entry skipped = ring.pop();
        if (!skipped.signaled) continue;
        // The device finished a later one first. What became of this one it did not say.
        const rdma::Completion unknown{.id = skipped.id,
                                       .opcode = skipped.opcode,
                                       .receive = key.receive,
                                       .status = rdma::WorkStatus::other};
        if (!sink.on_finished(unknown)) return false;
    }
    const WorkRing::Entry done = ring.pop();
    if (!done.signaled) return true;
    rdma::Completion completion{
        .id = done.id, .opcode = done.opcode, .receive = key.receive, .status = to_work_status(entry.status)};
    if (key.receive && entry.status == IBV_WC_SUCCESS) completion.length = entry.byte_len;
    return sink.on_finished(completion);
}

bool WorkQueues::can_flush_held() const {
    return (sends_.held() > 0 && sends_.posted() == 0) || (receives_.held() > 0 && receives_.posted() == 0);
}

bool WorkQueues::flush_held(CompletionSink& sink) {
    WEFT_CHECK(closed_);
    return flush_ring(receives_, true, sink) && flush_ring(sends_, false, sink);
}

bool WorkQueues::flush_ring(WorkRing& ring, bool receive, CompletionSink& sink) {
    if (ring.posted() > 0) return true;
    // Work that the sink posts in answer waits for the next call.
    for (std::uint32_t count = ring.held(); count > 0; --count) {
        const WorkRing::Entry entry = ring.pop();
        if (!entry.signaled) continue;
        const rdma::Completion completion{
            .id = entry.id, .opcode = entry.opcode, .receive = receive, .status = rdma::WorkStatus::flushed};
        if (!sink.on_finished(completion)) return false;
    }
    return true;
}

}  // namespace weft::verbs
