// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/range_lock.h"

namespace weft::mirror {

RangeLock::~RangeLock() { WEFT_CHECK(idle()); }

bool RangeLock::in_the_way(const RangeHold& one, const RangeHold& other) {
    if (one.touch_ != Touch::write && other.touch_ != Touch::write &&
        (one.touch_ == Touch::read || other.touch_ == Touch::read))
        return false;
    return one.first_ < other.first_ + other.count_ && other.first_ < one.first_ + one.count_;
}

// Whoever came before it and still waits is in its way, too: nobody waits for ever behind a stream of others.
bool RangeLock::must_wait(const RangeHold& hold) {
    bool wait = false;
    held_.for_each([&](const RangeHold& other) { wait = wait || in_the_way(other, hold); });
    bool earlier = true;
    waiting_.for_each([&](const RangeHold& other) {
        earlier = earlier && &other != &hold;
        wait = wait || (earlier && in_the_way(other, hold));
    });
    return wait;
}

bool RangeLock::acquire(RangeHold& hold) {
    WEFT_CHECK(hold.state_ == RangeHold::State::idle && hold.count_ > 0);
    if (must_wait(hold)) {
        hold.state_ = RangeHold::State::waiting;
        waiting_.push_back(hold);
        return false;
    }
    hold.state_ = RangeHold::State::held;
    held_.push_back(hold);
    return true;
}

void RangeLock::release(RangeHold& hold) {
    WEFT_CHECK(hold.state_ != RangeHold::State::idle);
    (hold.state_ == RangeHold::State::held ? held_ : waiting_).remove(hold);
    hold.state_ = RangeHold::State::idle;
    released_meanwhile_ = true;
    if (!handing_over_) hand_over();
}

bool RangeLock::is_used(std::uint64_t first, std::uint64_t count) {
    bool used = false;
    const auto look = [&](const RangeHold& hold) {
        used = used || (hold.first_ < first + count && first < hold.first_ + hold.count_);
    };
    held_.for_each(look);
    waiting_.for_each(look);
    return used;
}

void RangeLock::hand_over() {
    handing_over_ = true;
    while (released_meanwhile_) {
        released_meanwhile_ = false;
        RangeHold* next = nullptr;
        waiting_.for_each([&](RangeHold& hold) {
            if (next == nullptr && !must_wait(hold)) next = &hold;
        });
        if (next == nullptr) continue;
        waiting_.remove(*next);
        next->state_ = RangeHold::State::held;
        held_.push_back(*next);
        released_meanwhile_ = true;  // there may be others
        next->on_granted();
    }
    handing_over_ = false;
}

}  // namespace weft::mirror
