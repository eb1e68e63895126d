// SPDX-License-Identifier: Apache-2.0
// The data buffers of one I_T nexus: a buddy allocator over registered memory, with a queue for those that
// find it empty.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/core/executor.h"
#include "common/core/intrusive_list.h"
#include "common/core/region.h"

namespace weft::target {

// Owner: the nexus. Thread: the reactor's. Allocates nothing after construction.
class BufferPool {
  public:
    static constexpr std::uint32_t kUnitBytes = 4096;
    static constexpr unsigned kOrders = 7;
    static constexpr std::uint32_t kBlockBytesMax = kUnitBytes << (kOrders - 1);  // 256 KiB

    // One who waits for a buffer. REQUIRES: not waiting when destroyed.
    class Waiter : public ListNode {
      public:
        [[nodiscard]] bool waiting() const { return linked(); }
        [[nodiscard]] Instant waiting_since() const { return since_; }

      protected:
        ~Waiter() = default;

      private:
        friend class BufferPool;
        virtual void on_buffer_free() = 0;  // borrow again: now, or it is the next one's turn
        Instant since_{};
    };

    // REQUIRES: `memory` is aligned to kUnitBytes, holds at least kBlockBytesMax, outlives the pool
    BufferPool(Executor& executor, const Region& memory);
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool();  // REQUIRES: quiet()

    // Everything was given back, nobody waits, no call of ours is pending.
    [[nodiscard]] bool quiet() const { return units_lent_ == 0 && waiters_.empty() && !serve_.pending(); }

    // Between `least` and `most` bytes, as near to `most` as there is; or nothing, then `waiter` is queued
    // and called once when its turn comes. Nobody overtakes those who wait. REQUIRES: 0 < least <= most,
    // least <= kBlockBytesMax
    [[nodiscard]] Segment borrow(Waiter& waiter, std::uint32_t least, std::uint32_t most);
    void give_back(const Segment& buffer);
    void forget(Waiter& waiter);  // no-op if it does not wait

    [[nodiscard]] std::uint64_t bytes() const { return std::uint64_t{orders_.size()} * kUnitBytes; }
    [[nodiscard]] std::uint64_t bytes_lent() const { return std::uint64_t{units_lent_} * kUnitBytes; }
    [[nodiscard]] std::size_t waiters() const { return waiters_.size(); }
    [[nodiscard]] Instant oldest_wait() const;  // REQUIRES: waiters() > 0

  private:
    static constexpr std::uint32_t kNone = 0xFFFFFFFF;
    static constexpr std::uint8_t kLent = 0x80;    // ored to the order of a lent block
    static constexpr std::uint8_t kInside = 0xFF;  // not the first unit of a block

    [[nodiscard]] std::uint32_t take(unsigned order);  // first unit of a free block, or kNone
    void push_free(std::uint32_t unit, unsigned order);
    void remove_free(std::uint32_t unit, unsigned order);
    void serve();

    Executor& executor_;
    Region memory_;
    // By unit: kInside, the order of a free block, or kLent | order.
    std::vector<std::uint8_t> orders_;
    std::vector<std::uint32_t> next_;  // free lists, by first unit
    std::vector<std::uint32_t> previous_;
    std::array<std::uint32_t, kOrders> free_{};
    std::uint32_t units_lent_ = 0;
    IntrusiveList<Waiter> waiters_;
    Waiter* served_ = nullptr;
    DeferredCall<BufferPool, &BufferPool::serve> serve_{*this};
};

}  // namespace weft::target
