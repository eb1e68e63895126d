// SPDX-License-Identifier: Apache-2.0
#include "target/srp/buffer_pool.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace weft::target {

namespace {

// The smallest order whose block holds `bytes`, or the largest there is.
unsigned order_of(std::uint32_t bytes) {
    const std::uint32_t units =
        (std::min(bytes, BufferPool::kBlockBytesMax) + BufferPool::kUnitBytes - 1) / BufferPool::kUnitBytes;
    return static_cast<unsigned>(std::bit_width(units - 1));
}

}  // namespace

BufferPool::BufferPool(Executor& executor, const Region& memory) : executor_(executor), memory_(memory) {
    const std::size_t units = memory.length / kUnitBytes;
    WEFT_CHECK(units >= (1U << (kOrders - 1)) && units < std::numeric_limits<std::uint32_t>::max());
    orders_.assign(units, kInside);
    next_.assign(units, kNone);
    previous_.assign(units, kNone);
    free_.fill(kNone);
    const auto end = static_cast<std::uint32_t>(units);
    for (std::uint32_t unit = 0; unit < end;) {
        unsigned order = kOrders - 1;
        while (unit + (1U << order) > end) --order;
        push_free(unit, order);
        unit += 1U << order;
    }
}

BufferPool::~BufferPool() {
    WEFT_CHECK(units_lent_ == 0);  // quiet(), said in parts
    WEFT_CHECK(waiters_.empty());
    WEFT_CHECK(!serve_.pending());
}

void BufferPool::push_free(std::uint32_t unit, unsigned order) {
    orders_[unit] = static_cast<std::uint8_t>(order);
    previous_[unit] = kNone;
    next_[unit] = free_[order];
    if (free_[order] != kNone) previous_[free_[order]] = unit;
    free_[order] = unit;
}

void BufferPool::remove_free(std::uint32_t unit, unsigned order) {
    WEFT_CHECK(orders_[unit] == order);
    if (previous_[unit] != kNone)
        next_[previous_[unit]] = next_[unit];
    else
        free_[order] = next_[unit];
    if (next_[unit] != kNone) previous_[next_[unit]] = previous_[unit];
    orders_[unit] = kInside;
}

std::uint32_t BufferPool::take(unsigned order) {
    unsigned from = order;
    while (from < kOrders && free_[from] == kNone) ++from;
    if (from == kOrders) return kNone;
    const std::uint32_t unit = free_[from];
    remove_free(unit, from);
    while (from > order) {
        --from;
        push_free(unit + (1U << from), from);
    }
    orders_[unit] = static_cast<std::uint8_t>(kLent | order);
    units_lent_ += 1U << order;
    return unit;
}

Segment BufferPool::borrow(Waiter& waiter, std::uint32_t least, std::uint32_t most) {
    WEFT_CHECK(least > 0 && least <= most && least <= kBlockBytesMax);
    WEFT_CHECK(!waiter.waiting());
    if (waiters_.empty() || &waiter == served_) {
        for (unsigned order = order_of(most);; --order) {
            const std::uint32_t block = kUnitBytes << order;
            if (block < least) break;
            const std::uint32_t unit = take(order);
            if (unit != kNone)
                return {.base = memory_.base + std::size_t{unit} * kUnitBytes,
                        .length = std::min(block, most),
                        .region = memory_.id};
            if (order == 0) break;
        }
    }
    waiter.since_ = executor_.now();
    if (&waiter == served_)
        waiters_.push_front(waiter);
    else
        waiters_.push_back(waiter);
    return {};
}

void BufferPool::give_back(const Segment& buffer) {
    WEFT_CHECK(buffer.region == memory_.id && buffer.base >= memory_.base);
    const auto offset = static_cast<std::size_t>(buffer.base - memory_.base);
    auto unit = static_cast<std::uint32_t>(offset / kUnitBytes);
    WEFT_CHECK(offset % kUnitBytes == 0 && unit < orders_.size());
    const std::uint8_t mark = orders_[unit];
    WEFT_CHECK(mark != kInside && (mark & kLent) != 0);
    unsigned order = mark & ~unsigned{kLent};
    units_lent_ -= 1U << order;
    orders_[unit] = kInside;
    for (; order + 1 < kOrders; ++order) {
        const std::uint32_t buddy = unit ^ (1U << order);
        if (buddy >= orders_.size() || orders_[buddy] != order) break;
        remove_free(buddy, order);
        unit = std::min(unit, buddy);
    }
    push_free(unit, order);
    if (!waiters_.empty() && served_ == nullptr && !serve_.pending()) executor_.defer(serve_);
}

void BufferPool::forget(Waiter& waiter) {
    if (waiter.waiting()) waiters_.remove(waiter);
}

Instant BufferPool::oldest_wait() const { return waiters_.front().since_; }

// Goes on for as long as those served find something: one that does not is back at the head of the queue.
void BufferPool::serve() {
    while (!waiters_.empty()) {
        Waiter& waiter = waiters_.pop_front();
        served_ = &waiter;
        const Instant since = waiter.since_;
        waiter.on_buffer_free();
        served_ = nullptr;
        if (!waiter.waiting()) continue;
        waiter.since_ = since;
        // It asked again and got nothing more; whether it got something first makes no difference: what is
        // left is too little for it, and nobody overtakes.
        return;
    }
}

}  // namespace weft::target
