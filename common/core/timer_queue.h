// SPDX-License-Identifier: Apache-2.0
// Armed timers ordered by deadline (a binary heap). Shared by the reactor and the simulator.
#pragma once

#include <optional>
#include <vector>

#include "common/core/executor.h"

namespace weft {

// Owner: one executor. Not thread-safe. Does not allocate once `reserve` timers were armed at once.
class TimerQueue {
  public:
    explicit TimerQueue(std::size_t reserve = 256) { heap_.reserve(reserve); }
    TimerQueue(const TimerQueue&) = delete;
    TimerQueue& operator=(const TimerQueue&) = delete;
    ~TimerQueue();

    void start(Timer& timer, Instant deadline);  // moves it if armed
    void cancel(Timer& timer);                   // no-op if idle
    [[nodiscard]] std::optional<Instant> next_deadline() const;
    // Disarms and runs each timer whose deadline is not after `now`; true if any ran. Timers started
    // meanwhile with a deadline not after `now` run in the next call, so a turn always ends.
    bool expire_until(Instant now);
    [[nodiscard]] bool empty() const { return heap_.empty(); }

  private:
    void place(std::size_t position, Timer* timer);
    void sift_up(std::size_t position);
    void sift_down(std::size_t position);

    std::vector<Timer*> heap_;
};

}  // namespace weft
