// SPDX-License-Identifier: Apache-2.0
// The data path of one queue pair: what is queued for the device, what the device has, and what comes back.
// Knows a queue pair only through ibv_post_send and ibv_post_recv.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <vector>

#include "common/rdma/connection.h"
#include "common/rdma/work.h"
#include "common/verbs/work_key.h"
#include "common/verbs/work_ring.h"

namespace weft::verbs {

[[nodiscard]] rdma::WorkStatus to_work_status(ibv_wc_status status);

// Takes what has finished.
class CompletionSink {
  public:
    virtual ~CompletionSink() = default;
    // Returns false if the queues were destroyed meanwhile: the caller must not touch them again.
    [[nodiscard]] virtual bool on_finished(const rdma::Completion& completion) = 0;
};

// Owner: a QueuePair. Thread: its reactor's. Allocates at construction only.
class WorkQueues {
  public:
    WorkQueues(const rdma::QueueDepths& depths, std::uint32_t inline_bytes, std::uint16_t slot,
               std::uint16_t generation);
    WorkQueues(const WorkQueues&) = delete;
    WorkQueues& operator=(const WorkQueues&) = delete;

    // Queue work for flush(). REQUIRES: the depth is not exceeded, inline data fits (both checked).
    void post_send(const rdma::SendWork& work);
    void post_receive(const rdma::ReceiveWork& work);

    [[nodiscard]] bool has_queued() const { return send_count_ > 0 || receive_count_ > 0; }
    // Posts what is queued, one chain per queue, receives first; sends only if `sends`. Returns 0 or the
    // device's errno; what it refused stays held. REQUIRES: !closed().
    [[nodiscard]] int flush(ibv_qp& queue_pair, bool sends);

    // From now on nothing goes to the device; what is queued, and comes, can only be flushed.
    void close();
    // As close(), and what the device had will not come back either.
    void abandon();
    [[nodiscard]] bool closed() const { return closed_; }

    // One entry of a completion queue: retires its work request and the unsignalled ones before it.
    // Returns what the sink returned. An index the device cannot know is ignored: true.
    [[nodiscard]] bool complete(const WorkKey& key, const ibv_wc& entry, CompletionSink& sink);
    // Passes on as flushed what never reached the device, once everything before it has come back.
    // REQUIRES: closed().
    [[nodiscard]] bool flush_held(CompletionSink& sink);
    // Whether flush_held() would do something.
    [[nodiscard]] bool can_flush_held() const;
    // Whether everything has come back.
    [[nodiscard]] bool idle() const { return sends_.empty() && receives_.empty(); }
    [[nodiscard]] std::uint32_t outstanding() const { return sends_.size() + receives_.size(); }

  private:
    [[nodiscard]] int post_sends(ibv_qp& queue_pair);
    [[nodiscard]] int post_receives(ibv_qp& queue_pair);
    void fill_buffers(const rdma::SendWork& work, ibv_send_wr& request);
    [[nodiscard]] bool flush_ring(WorkRing& ring, bool receive, CompletionSink& sink);

    const std::uint32_t inline_bytes_;
    WorkKey key_;  // slot and generation
    WorkRing sends_;
    WorkRing receives_;
    std::vector<ibv_send_wr> send_chain_;  // the first send_count_ are queued
    std::vector<ibv_sge> send_buffers_;
    std::vector<std::byte> inline_area_;
    std::vector<ibv_recv_wr> receive_chain_;
    std::vector<ibv_sge> receive_buffers_;
    std::uint32_t send_count_ = 0;
    std::uint32_t receive_count_ = 0;
    bool closed_ = false;
};

}  // namespace weft::verbs
