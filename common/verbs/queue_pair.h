// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <memory>
#include <string>

#include "common/core/result.h"
#include "common/rdma/connection.h"
#include "common/verbs/device.h"
#include "common/verbs/handle.h"
#include "common/verbs/work_queues.h"

namespace weft::verbs {

// What a queue pair tells its connection. Only on_finished() may destroy the queue pair.
class QueuePairOwner : public CompletionSink {
  public:
    // The queue pair is, or has to go, in error: `why` for the log.
    virtual void on_queue_pair_error(const std::string& why) = 0;
    virtual void on_device_removed() = 0;
    // Work came back after the queues were closed: see whether that was all.
    virtual void on_progress() = 0;
};

// A reliable-connected queue pair and its share of a completion queue.
// Owner: a Connection. Thread: its reactor's. REQUIRES: destroyed before the protection domain.
class QueuePair {
  public:
    // Makes it and brings it to the state in which receives can be posted. `id` is bound to the device.
    [[nodiscard]] static Result<std::unique_ptr<QueuePair>> create(std::shared_ptr<Device> device,
                                                                   ibv_pd& domain, rdma_cm_id& id,
                                                                   const rdma::Parameters& parameters,
                                                                   QueuePairOwner& owner);
    QueuePair(const QueuePair&) = delete;
    QueuePair& operator=(const QueuePair&) = delete;
    ~QueuePair();

    // Ready to receive and to send, with what the CM has negotiated, clipped to the parameters.
    [[nodiscard]] Result<void> make_ready(rdma_cm_id& id);
    [[nodiscard]] bool ready() const { return ready_; }

    // Queued work goes to the device (sends only when ready). False: the device refused some of it.
    [[nodiscard]] bool flush();
    // Stops it: the device flushes what it has; nothing more is posted. Idempotent.
    void stop();
    // Ends every access of the device now; what it had counts as not done. Idempotent.
    void destroy();

    // From the device.
    void on_entry(const WorkKey& key, const ibv_wc& entry);
    void on_device_error(const std::string& why);
    void on_device_removed() { owner_.on_device_removed(); }

    [[nodiscard]] WorkQueues& queues() { return *queues_; }
    [[nodiscard]] std::uint32_t number() const { return number_; }
    [[nodiscard]] rdma::Limits limits() const { return limits_; }

  private:
    QueuePair(std::shared_ptr<Device> device, const rdma::Parameters& parameters, QueuePairOwner& owner);
    [[nodiscard]] Result<void> make(ibv_pd& domain);
    [[nodiscard]] bool try_make(ibv_pd& domain, std::uint32_t inline_bytes);
    [[nodiscard]] Result<void> modify(rdma_cm_id& id, ibv_qp_state state);
    void adjust(ibv_qp_attr& attributes, int& mask);

    const std::shared_ptr<Device> device_;
    const rdma::Parameters parameters_;
    QueuePairOwner& owner_;
    Device::Place place_;
    bool placed_ = false;
    CompletionQueue* completions_ = nullptr;
    QueuePairHandle handle_;
    std::unique_ptr<WorkQueues> queues_;
    rdma::Limits limits_;
    std::uint32_t number_ = 0;
    bool ready_ = false;
    bool failed_ = false;
};

}  // namespace weft::verbs
