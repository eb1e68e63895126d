// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/completion_queue.h"

#include <cerrno>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/file_flags.h"

namespace weft::verbs {

Result<std::unique_ptr<CompletionQueue>> CompletionQueue::create(ibv_context& context, std::uint32_t entries,
                                                                 reactor::Sleeper& sleeper) {
    CompletionChannel channel(ibv_create_comp_channel(&context));
    if (!channel) return fail_errno("cannot create a completion channel", errno);
    if (auto set = set_nonblocking(channel->fd); !set) return Failure(set.error());
    CompletionQueueHandle queue(
        ibv_create_cq(&context, static_cast<int>(entries), nullptr, channel.get(), 0));
    if (!queue) return fail_errno("cannot create a completion queue", errno);
    return std::unique_ptr<CompletionQueue>(
        new CompletionQueue(std::move(channel), std::move(queue), sleeper));
}

CompletionQueue::CompletionQueue(CompletionChannel channel, CompletionQueueHandle queue,
                                 reactor::Sleeper& sleeper)
    : sleeper_(sleeper),
      channel_(std::move(channel)),
      queue_(std::move(queue)),
      capacity_(static_cast<std::uint32_t>(queue_->cqe)) {
    sleeper_.watch(channel_->fd, *this);
}

CompletionQueue::~CompletionQueue() {
    sleeper_.ignore(channel_->fd);
    on_readable();  // destroying the queue waits for the acknowledgement of every event
    if (unacknowledged_ > 0) ibv_ack_cq_events(queue_.get(), unacknowledged_);
}

bool CompletionQueue::reserve(std::uint32_t count) {
    if (count > capacity_ - reserved_) return false;
    reserved_ += count;
    return true;
}

void CompletionQueue::on_readable() {
    ibv_cq* queue = nullptr;
    void* context = nullptr;
    while (ibv_get_cq_event(channel_.get(), &queue, &context) == 0) {
        notify_requested_ = false;
        ++unacknowledged_;
    }
    if (unacknowledged_ >= kAckBatch) {
        ibv_ack_cq_events(queue_.get(), unacknowledged_);
        unacknowledged_ = 0;
    }
}

std::size_t CompletionQueue::fetch() {
    if (fetched_ > 0) return std::exchange(fetched_, 0);
    const int count = ibv_poll_cq(queue_.get(), static_cast<int>(kBatch), entries_.data());
    if (count < 0) {
        if (!failed_) log::error("polling an RDMA completion queue failed; its connections end");
        failed_ = true;
        return 0;
    }
    return static_cast<std::size_t>(count);
}

bool CompletionQueue::poll(CompletionDispatch& dispatch) {
    if (reserved_ == 0) return false;
    bool any = false;
    for (int batch = 0; batch < kBatchesMax; ++batch) {
        const bool fresh = fetched_ == 0;
        const std::uint32_t releasing = releasing_;
        const std::size_t count = fetch();
        for (std::size_t i = 0; i < count; ++i) dispatch.on_entry(entries_[i]);
        any = any || count > 0;
        if (fresh && count < kBatch) {  // it was empty when we looked
            reserved_ -= releasing;
            releasing_ -= releasing;
            break;
        }
    }
    return any;
}

bool CompletionQueue::arm() {
    if (reserved_ == 0) return true;
    if (fetched_ > 0) return false;
    if (!notify_requested_) {
        // Every completion wakes us: those of flushed work are never "solicited".
        if (ibv_req_notify_cq(queue_.get(), 0) != 0) {
            if (!failed_) log::error("arming an RDMA completion queue failed; its connections end");
            failed_ = true;
            return false;
        }
        notify_requested_ = true;
    }
    // A completion that came before the request raises no event.
    fetched_ = fetch();
    return fetched_ == 0;
}

}  // namespace weft::verbs
