// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstdint>
#include <memory>

#include "common/core/result.h"
#include "common/reactor/reactor.h"
#include "common/verbs/handle.h"

namespace weft::verbs {

// Where polled entries go. Called while the queue is polled, never from arm().
class CompletionDispatch {
  public:
    virtual ~CompletionDispatch() = default;
    virtual void on_entry(const ibv_wc& entry) = 0;
};

// A completion queue shared by the queue pairs of one reactor on one device. A queue pair reserves an entry
// for each work request it may have, so the queue cannot overflow (which would lose completions or break
// queue pairs).
// Owner: a Device. Thread: its reactor's.
class CompletionQueue final : private reactor::Sleeper::Watch {
  public:
    [[nodiscard]] static Result<std::unique_ptr<CompletionQueue>> create(ibv_context& context,
                                                                         std::uint32_t entries,
                                                                         reactor::Sleeper& sleeper);
    CompletionQueue(const CompletionQueue&) = delete;
    CompletionQueue& operator=(const CompletionQueue&) = delete;
    ~CompletionQueue() override;

    [[nodiscard]] ibv_cq* handle() const { return queue_.get(); }
    [[nodiscard]] bool failed() const { return failed_; }

    // Sets `count` entries aside; false if there are not that many.
    [[nodiscard]] bool reserve(std::uint32_t count);
    // Gives them back once the queue has been found empty, because entries of a destroyed queue pair may
    // still be in it.
    void release(std::uint32_t count) { releasing_ += count; }

    bool poll(CompletionDispatch& dispatch);
    [[nodiscard]] bool arm();

  private:
    static constexpr std::size_t kBatch = 32;
    static constexpr int kBatchesMax = 4;  // of one poll, so that no queue starves the rest of the turn
    static constexpr unsigned kAckBatch = 128;

    CompletionQueue(CompletionChannel channel, CompletionQueueHandle queue, reactor::Sleeper& sleeper);
    void on_readable() override;
    [[nodiscard]] std::size_t fetch();

    reactor::Sleeper& sleeper_;
    CompletionChannel channel_;
    CompletionQueueHandle queue_;
    const std::uint32_t capacity_;
    std::uint32_t reserved_ = 0;
    std::uint32_t releasing_ = 0;
    std::array<ibv_wc, kBatch> entries_{};
    std::size_t fetched_ = 0;  // entries found by arm(), not dispatched yet
    unsigned unacknowledged_ = 0;
    bool notify_requested_ = false;
    bool failed_ = false;
};

}  // namespace weft::verbs
