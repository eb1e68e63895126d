// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/range_lock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <vector>

namespace weft::mirror {
namespace {

class Wish final : public RangeHold {
  public:
    using RangeHold::RangeHold;
    bool has = false;
    std::function<void()> then = [] {};

  private:
    void on_granted() override {
        has = true;
        then();
    }
};

TEST(RangeLock, what_overlaps_goes_one_after_the_other) {
    RangeLock lock;
    Wish first(Touch::write, 0, 8);
    Wish beside(Touch::write, 8, 8);
    Wish across(Touch::write, 7, 2);
    EXPECT_TRUE(lock.acquire(first));
    EXPECT_TRUE(lock.acquire(beside));
    EXPECT_FALSE(lock.acquire(across));
    lock.release(first);
    EXPECT_FALSE(across.has);
    lock.release(beside);
    EXPECT_TRUE(across.has);
    lock.release(across);
    EXPECT_TRUE(lock.idle());
}

TEST(RangeLock, who_may_be_there_at_once) {
    const auto together = [](Touch one, Touch other) {
        RangeLock lock;
        Wish a(one, 0, 8);
        Wish b(other, 4, 8);
        EXPECT_TRUE(lock.acquire(a));
        const bool both = lock.acquire(b);
        lock.release(a);
        EXPECT_EQ(b.has, !both);
        lock.release(b);
        return both;
    };
    EXPECT_TRUE(together(Touch::read, Touch::read));
    EXPECT_TRUE(together(Touch::read, Touch::copy));
    EXPECT_TRUE(together(Touch::copy, Touch::read));
    EXPECT_FALSE(together(Touch::read, Touch::write));
    EXPECT_FALSE(together(Touch::write, Touch::read));
    EXPECT_FALSE(together(Touch::write, Touch::write));
    EXPECT_FALSE(together(Touch::write, Touch::copy));
    EXPECT_FALSE(together(Touch::copy, Touch::write));
    EXPECT_FALSE(together(Touch::copy, Touch::copy));
}

// Readers that come one after the other do not keep a writer out.
TEST(RangeLock, who_came_first_goes_first) {
    RangeLock lock;
    Wish reader(Touch::read, 0, 8);
    Wish writer(Touch::write, 0, 8);
    Wish late_reader(Touch::read, 0, 8);
    Wish elsewhere(Touch::read, 8, 8);
    EXPECT_TRUE(lock.acquire(reader));
    EXPECT_FALSE(lock.acquire(writer));
    EXPECT_FALSE(lock.acquire(late_reader));
    EXPECT_TRUE(lock.acquire(elsewhere));
    lock.release(reader);
    EXPECT_TRUE(writer.has);
    EXPECT_FALSE(late_reader.has);
    lock.release(writer);
    EXPECT_TRUE(late_reader.has);
    lock.release(late_reader);
    lock.release(elsewhere);
}

TEST(RangeLock, one_that_gives_up_lets_others_by) {
    RangeLock lock;
    Wish holder(Touch::read, 0, 8);
    Wish quitter(Touch::write, 0, 8);
    Wish reader(Touch::read, 0, 8);
    EXPECT_TRUE(lock.acquire(holder));
    EXPECT_FALSE(lock.acquire(quitter));
    EXPECT_FALSE(lock.acquire(reader));
    lock.release(quitter);
    EXPECT_TRUE(reader.has);
    EXPECT_FALSE(quitter.has);
    lock.release(reader);
    lock.release(holder);
}

TEST(RangeLock, may_be_used_while_it_grants) {
    RangeLock lock;
    std::deque<Wish> wishes;
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) {
        Wish& wish = wishes.emplace_back(Touch::write, 0, 1);
        wish.then = [&, i] {
            order.push_back(i);
            lock.release(wishes[static_cast<std::size_t>(i)]);
        };
    }
    for (int i = 0; i < 5; ++i) EXPECT_EQ(lock.acquire(wishes[static_cast<std::size_t>(i)]), i == 0);
    lock.release(wishes[0]);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
    EXPECT_TRUE(lock.idle());
}

// Against the plainest model: nobody is there together who must not be, nobody is forgotten, and the order is
// kept.
TEST(RangeLock, holds_whatever_comes) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        std::mt19937_64 chance(seed);
        RangeLock lock;
        std::deque<Wish> wishes;
        std::vector<Wish*> open;
        const auto clash = [](const Wish& a, const Wish& b) {
            const bool apart = a.first() + a.count() <= b.first() || b.first() + b.count() <= a.first();
            const bool reading = a.touch() == Touch::read || b.touch() == Touch::read;
            const bool writing = a.touch() == Touch::write || b.touch() == Touch::write;
            return !apart && (writing || !reading);
        };
        for (int step = 0; step < 300; ++step) {
            if (open.size() < 24 && chance() % 2 == 0) {
                Wish& wish =
                    wishes.emplace_back(static_cast<Touch>(chance() % 3), chance() % 32, 1 + chance() % 8);
                wish.has = lock.acquire(wish);
                open.push_back(&wish);
            } else if (!open.empty()) {
                const std::size_t at = chance() % open.size();
                if (!open[at]->has && chance() % 8 != 0) continue;
                Wish& wish = *open[at];
                open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
                lock.release(wish);
            }
            for (std::size_t i = 0; i < open.size(); ++i) {
                bool free = true;
                for (std::size_t j = 0; j < open.size(); ++j) {
                    if (i == j || !clash(*open[i], *open[j])) continue;
                    ASSERT_FALSE(open[i]->has && open[j]->has) << "seed " << seed;
                    if (j < i || open[j]->has) free = false;
                }
                ASSERT_TRUE(open[i]->has || !free) << "seed " << seed << ": it waits for nobody";
            }
        }
        for (std::size_t left = open.size(); left > 0; --left) {
            const auto holder =
                std::find_if(open.begin(), open.end(), [](const Wish* wish) { return wish->has; });
            ASSERT_NE(holder, open.end()) << "seed " << seed << ": nobody goes on";
            Wish& wish = **holder;
            open.erase(holder);
            lock.release(wish);
        }
        EXPECT_TRUE(lock.idle());
    }
}

}  // namespace
}  // namespace weft::mirror
