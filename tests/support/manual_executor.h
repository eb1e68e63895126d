// SPDX-License-Identifier: Apache-2.0
// An Executor that runs only when told to, in time that moves only when told to.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "common/core/executor.h"
#include "common/core/timer_queue.h"

namespace weft::test {

class ManualExecutor : public Executor {
  public:
    [[nodiscard]] Instant now() const override { return now_; }
    void defer(Deferred& call) override { deferred_.push_back(call); }
    void start(Timer& timer, Duration after) override { timers_.start(timer, now_ + after); }
    void cancel(Timer& timer) override { timers_.cancel(timer); }
    void post(std::function<void()> call) override { mail_.push_back(std::move(call)); }
    [[nodiscard]] bool is_current() const override { return true; }

    // Runs everything that is ready now; returns whether anything ran.
    bool run() {
        bool any = false;
        while (step()) any = true;
        return any;
    }
    // Moves time forward, running each timer at its own time.
    void advance(Duration by) {
        const Instant end = now_ + by;
        run();
        while (timers_.next_deadline() && *timers_.next_deadline() <= end) {
            now_ = std::max(now_, *timers_.next_deadline());
            timers_.expire_until(now_);
            run();
        }
        now_ = end;
    }

  private:
    bool step() {
        if (!deferred_.empty()) {
            deferred_.pop_front().run();
            return true;
        }
        if (!mail_.empty()) {
            auto mail = std::exchange(mail_, {});
            for (auto& call : mail) call();
            return true;
        }
        return timers_.expire_until(now_);
    }

    Instant now_{};
    IntrusiveList<Deferred> deferred_;
    TimerQueue timers_;
    std::vector<std::function<void()>> mail_;
};

}  // namespace weft::test
