// SPDX-License-Identifier: Apache-2.0
// Set-up and end of a queue pair; the data path is queue_pair_io.cc.
#include "common/verbs/queue_pair.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace weft::verbs {

namespace {

// Enough for a response with sense or a command; more costs the device room per work request.
constexpr std::uint32_t kInlineBytes = 128;

// 7 is "for ever" on soft-RoCE, and the passive side is given what the initiator asked for.
constexpr std::uint8_t kRetryCountMax = 6;

// 0.64 ms (IBTA vol. 1, 9.7.5.2.8, table 45). RDMA/CM would say 0, which is 655 ms.
constexpr std::uint8_t kRnrTimer = 12;

// 4.096 us x 2^18 = 1.07 s: with the retries above a dead peer is noticed in some seconds on any fabric.
// 0 would be for ever.
constexpr std::uint8_t kAckTimeoutMax = 18;

// rdma_ucm reports attribute bits of the kernel's own that the verbs do not know.
constexpr int kKernelAttributes = 0xE00000;

const char* state_name(ibv_qp_state state) {
    switch (state) {
        case IBV_QPS_INIT: return "initialised";
        case IBV_QPS_RTR: return "ready to receive";
        case IBV_QPS_RTS: return "ready to send";
        default: return "another state";
    }
}

}  // namespace

Result<std::unique_ptr<QueuePair>> QueuePair::create(std::shared_ptr<Device> device, ibv_pd& domain,
                                                     rdma_cm_id& id, const rdma::Parameters& parameters,
                                                     QueuePairOwner& owner) {
    std::unique_ptr<QueuePair> queue_pair(new QueuePair(std::move(device), parameters, owner));
    if (auto made = queue_pair->make(domain); !made) return Failure(made.error());
    if (auto changed = queue_pair->modify(id, IBV_QPS_INIT); !changed) return Failure(changed.error());
    return queue_pair;
}

QueuePair::QueuePair(std::shared_ptr<Device> device, const rdma::Parameters& parameters,
                     QueuePairOwner& owner)
    : device_(std::move(device)), parameters_(parameters), owner_(owner) {}

QueuePair::~QueuePair() { destroy(); }

Result<void> QueuePair::make(ibv_pd& domain) {
    const rdma::QueueDepths& depths = parameters_.depths;
    const auto depth_max = static_cast<std::uint32_t>(device_->attributes().max_qp_wr);
    if (depths.send == 0 || depths.receive == 0 || depths.send > depth_max || depths.receive > depth_max) {
        return fail(fmt::format("queue depths {}+{} are not between 1 and {} (device {})", depths.send,
                                depths.receive, depth_max, device_->name()));
    }
    auto completions = device_->reserve_completions(depths.send + depths.receive);
    if (!completions) return Failure(completions.error());
    completions_ = *completions;
    auto place = device_->add(*this);
    if (!place) return Failure(place.error());
    place_ = *place;
    placed_ = true;
    if (!try_make(domain, kInlineBytes) && !try_make(domain, 0)) {
        return fail_errno(fmt::format("cannot create a queue pair of depths {}+{} on {}", depths.send,
                                      depths.receive, device_->name()),
                          errno);
    }
    number_ = handle_->qp_num;
    queues_ = std::make_unique<WorkQueues>(depths, limits_.inline_bytes, place_.slot, place_.generation);
    return {};
}

bool QueuePair::try_make(ibv_pd& domain, std::uint32_t inline_bytes) {
    ibv_qp_init_attr attributes{};
    attributes.qp_context = this;
    attributes.send_cq = completions_->handle();
    attributes.recv_cq = completions_->handle();
    attributes.cap.max_send_wr = parameters_.depths.send;
    attributes.cap.max_recv_wr = parameters_.depths.receive;
    attributes.cap.max_send_sge = rdma::kSendBuffersMax;
    attributes.cap.max_recv_sge = 1;
    attributes.cap.max_inline_data = inline_bytes;
    attributes.qp_type = IBV_QPT_RC;
    attributes.sq_sig_all = 0;
    handle_.reset(ibv_create_qp(&domain, &attributes));
    if (!handle_) return false;
    limits_.inline_bytes = std::min(attributes.cap.max_inline_data, inline_bytes);
    return true;
}

Result<void> QueuePair::make_ready(rdma_cm_id& id) {
    if (auto changed = modify(id, IBV_QPS_RTR); !changed) return changed;
    if (auto changed = modify(id, IBV_QPS_RTS); !changed) return changed;
    ready_ = true;
    return {};
}

Result<void> QueuePair::modify(rdma_cm_id& id, ibv_qp_state state) {
    ibv_qp_attr attributes{};
    attributes.qp_state = state;
    int mask = 0;
    if (rdma_init_qp_attr(&id, &attributes, &mask) != 0) {
        return fail_errno(fmt::format("RDMA/CM cannot tell how to make a queue pair {}", state_name(state)),
                          errno);
    }
    adjust(attributes, mask);
    if (const int rc = ibv_modify_qp(handle_.get(), &attributes, mask); rc != 0) {
        return fail_errno(
            fmt::format("cannot make a queue pair on {} {}", device_->name(), state_name(state)), rc);
    }
    return {};
}

void QueuePair::adjust(ibv_qp_attr& attributes, int& mask) {
    mask &= ~kKernelAttributes;
    switch (attributes.qp_state) {
        case IBV_QPS_INIT:
            attributes.qp_access_flags = IBV_ACCESS_REMOTE_WRITE;
            if (parameters_.responder_resources > 0) attributes.qp_access_flags |= IBV_ACCESS_REMOTE_READ;
            mask |= IBV_QP_ACCESS_FLAGS;
            break;
        case IBV_QPS_RTR:
            attributes.max_dest_rd_atomic =
                std::min(attributes.max_dest_rd_atomic, parameters_.responder_resources);
            attributes.min_rnr_timer = kRnrTimer;
            break;
        case IBV_QPS_RTS:
            attributes.max_rd_atomic = std::min(attributes.max_rd_atomic, parameters_.initiator_depth);
            limits_.reads_in_flight_max = attributes.max_rd_atomic;
            attributes.retry_cnt = std::min({attributes.retry_cnt, parameters_.retry_count, kRetryCountMax});
            attributes.timeout =
                attributes.timeout == 0 ? kAckTimeoutMax : std::min(attributes.timeout, kAckTimeoutMax);
            break;
        default: break;
    }
}

void QueuePair::stop() {
    ready_ = false;
    queues_->close();
    if (std::exchange(failed_, true) || !handle_) return;
    ibv_qp_attr attributes{};
    attributes.qp_state = IBV_QPS_ERR;
    // A device that cannot even do this has not stopped: only destroying the queue pair is sure to.
    if (ibv_modify_qp(handle_.get(), &attributes, IBV_QP_STATE) != 0) destroy();
}

void QueuePair::destroy() {
    ready_ = false;
    handle_.reset();
    if (queues_) queues_->abandon();
    if (placed_) {
        device_->remove(place_);
        placed_ = false;
    }
    if (completions_ != nullptr) {
        completions_->release(parameters_.depths.send + parameters_.depths.receive);
        completions_ = nullptr;
    }
}

}  // namespace weft::verbs
