// SPDX-License-Identifier: Apache-2.0
// Who may touch which blocks of a mirror at once. Legs are written at the same time but not in the same
// order; so what overlaps goes one after the other, in the order in which it came.
#pragma once

#include <cstdint>

#include "common/core/intrusive_list.h"

namespace weft::mirror {

enum class Touch : std::uint8_t {
    read,   // not while something is written there: what was read once, from whichever leg, stays so
    write,  // alone
    copy,   // from a leg in sync to one that is not: as a write, but reads go on
};

class RangeLock;

// A wish for blocks [first, first + count), and the right to them. Owner: a request's scratch, or whoever
// copies; it is neither moved nor destroyed while it waits or holds.
class RangeHold : public ListNode {
  public:
    RangeHold(Touch touch, std::uint64_t first, std::uint64_t count)
        : touch_(touch), first_(first), count_(count) {}
    // Another wish. REQUIRES: it neither waits nor holds.
    void set(Touch touch, std::uint64_t first, std::uint64_t count) {
        WEFT_CHECK(state_ == State::idle);
        touch_ = touch;
        first_ = first;
        count_ = count;
    }
    RangeHold(const RangeHold&) = delete;
    RangeHold& operator=(const RangeHold&) = delete;

    [[nodiscard]] Touch touch() const { return touch_; }
    [[nodiscard]] std::uint64_t first() const { return first_; }
    [[nodiscard]] std::uint64_t count() const { return count_; }

  protected:
    ~RangeHold() = default;

  private:
    friend class RangeLock;
    // It may go ahead. Called from release() of another, never from acquire().
    virtual void on_granted() = 0;

    enum class State : std::uint8_t { idle, waiting, held };
    Touch touch_;
    State state_ = State::idle;
    std::uint64_t first_;
    std::uint64_t count_;
};

// Thread: its owner's. Allocates nothing. Time: by the number of those that hold and wait, which are a
// queue's tags. REQUIRES: nobody holds or waits when it is destroyed.
class RangeLock {
  public:
    RangeLock() = default;
    RangeLock(const RangeLock&) = delete;
    RangeLock& operator=(const RangeLock&) = delete;
    ~RangeLock();

    // True: go ahead. False: on_granted() comes.
    [[nodiscard]] bool acquire(RangeHold& hold);
    // Gives back what was held, or the wish for it.
    void release(RangeHold& hold);
    // Whether somebody holds or waits for any of these blocks.
    [[nodiscard]] bool is_used(std::uint64_t first, std::uint64_t count);

    [[nodiscard]] bool idle() const { return held_.empty() && waiting_.empty(); }

  private:
    [[nodiscard]] static bool in_the_way(const RangeHold& one, const RangeHold& other);
    [[nodiscard]] bool must_wait(const RangeHold& hold);
    void hand_over();

    IntrusiveList<RangeHold> held_;
    IntrusiveList<RangeHold> waiting_;  // in the order in which they came
    bool handing_over_ = false;
    bool released_meanwhile_ = false;
};

}  // namespace weft::mirror
