// SPDX-License-Identifier: Apache-2.0
#include "common/core/timer_queue.h"

namespace weft {

TimerQueue::~TimerQueue() { WEFT_CHECK(heap_.empty()); }

void TimerQueue::place(std::size_t position, Timer* timer) {
    heap_[position] = timer;
    timer->position_ = position;
}

void TimerQueue::sift_up(std::size_t position) {
    Timer* timer = heap_[position];
    while (position > 0) {
        const std::size_t parent = (position - 1) / 2;
        if (heap_[parent]->deadline_ <= timer->deadline_) break;
        place(position, heap_[parent]);
        position = parent;
    }
    place(position, timer);
}

void TimerQueue::sift_down(std::size_t position) {
    Timer* timer = heap_[position];
    for (;;) {
        std::size_t child = 2 * position + 1;
        if (child >= heap_.size()) break;
        if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
        if (timer->deadline_ <= heap_[child]->deadline_) break;
        place(position, heap_[child]);
        position = child;
    }
    place(position, timer);
}

void TimerQueue::start(Timer& timer, Instant deadline) {
    cancel(timer);
    timer.deadline_ = deadline;
    heap_.push_back(&timer);
    timer.position_ = heap_.size() - 1;
    sift_up(timer.position_);
}

void TimerQueue::cancel(Timer& timer) {
    if (!timer.armed()) return;
    const std::size_t position = timer.position_;
    WEFT_CHECK(position < heap_.size() && heap_[position] == &timer);
    timer.position_ = Timer::kIdle;
    Timer* last = heap_.back();
    heap_.pop_back();
    if (last == &timer) return;
    place(position, last);
    sift_up(position);
    sift_down(last->position_);
}

std::optional<Instant> TimerQueue::next_deadline() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front()->deadline_;
}

bool TimerQueue::expire_until(Instant now) {
    bool any = false;
    // A timer that restarts itself for `now` must not keep this turn going for ever.
    std::size_t budget = heap_.size();
    while (budget-- > 0 && !heap_.empty() && heap_.front()->deadline_ <= now) {
        Timer& timer = *heap_.front();
        cancel(timer);
        timer.expire();
        any = true;
    }
    return any;
}

}  // namespace weft
