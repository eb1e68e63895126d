// SPDX-License-Identifier: Apache-2.0
#include "common/core/timer_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace weft {
namespace {

struct Recorded final : Timer {
    void expire() override {
        EXPECT_FALSE(armed());
        expired->push_back(this);
        if (then) then();
    }
    std::vector<Recorded*>* expired = nullptr;
    std::function<void()> then;
};

TEST(TimerQueueTest, behaves_like_a_sorted_map) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 chance(seed);
        std::vector<Recorded*> expired;
        std::vector<std::unique_ptr<Recorded>> timers;
        for (int i = 0; i < 40; ++i) {
            timers.push_back(std::make_unique<Recorded>());
            timers.back()->expired = &expired;
        }
        TimerQueue queue(4);
        std::map<Recorded*, Instant> oracle;
        Instant now{};
        for (int step = 0; step < 600; ++step) {
            Recorded* timer = timers[chance() % timers.size()].get();
            switch (chance() % 4) {
                case 0:
                case 1: {
                    const Instant deadline = now + Duration(chance() % 50);
                    queue.start(*timer, deadline);
                    oracle[timer] = deadline;
                    break;
                }
                case 2:
                    queue.cancel(*timer);
                    oracle.erase(timer);
                    break;
                case 3: {
                    now += Duration(chance() % 20);
                    expired.clear();
                    const bool any = queue.expire_until(now);
                    ASSERT_EQ(any, !expired.empty());
                    Instant last{};
                    for (Recorded* each : expired) {
                        ASSERT_TRUE(oracle.contains(each));
                        ASSERT_LE(oracle[each], now);
                        ASSERT_GE(oracle[each], last);
                        last = oracle[each];
                        oracle.erase(each);
                    }
                    for (const auto& [each, deadline] : oracle) ASSERT_GT(deadline, now);
                    break;
                }
            }
            std::optional<Instant> next;
            for (const auto& [each, deadline] : oracle) {
                ASSERT_TRUE(each->armed());
                if (!next || deadline < *next) next = deadline;
            }
            ASSERT_EQ(queue.next_deadline(), next);
        }
        for (auto& timer : timers) queue.cancel(*timer);
        ASSERT_TRUE(queue.empty());
    }
}

TEST(TimerQueueTest, a_timer_may_restart_itself_and_cancel_others) {
    std::vector<Recorded*> expired;
    TimerQueue queue;
    Recorded first;
    Recorded second;
    first.expired = second.expired = &expired;
    const Instant now{100ns};
    first.then = [&] {
        queue.start(first, now);
        queue.cancel(second);
    };
    queue.start(first, now - 2ns);
    queue.start(second, now - 1ns);
    EXPECT_TRUE(queue.expire_until(now));
    EXPECT_FALSE(second.armed());
    EXPECT_TRUE(first.armed());
    EXPECT_LE(expired.size(), 2U);  // it ends although the first is due again
    queue.cancel(first);
}

}  // namespace
}  // namespace weft
