// SPDX-License-Identifier: Apache-2.0
#include "target/srp/buffer_pool.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "common/core/slab.h"
#include "tests/support/manual_executor.h"

namespace weft::target {
namespace {

struct Borrower final : BufferPool::Waiter {
    std::function<void()> called;
    void on_buffer_free() override { called(); }
};

struct Pool : ::testing::Test {
    static constexpr std::size_t kBytes = std::size_t{1} << 20U;
    test::ManualExecutor executor;
    Slab slab{std::move(*Slab::allocate(kBytes))};
    BufferPool pool{executor, {.base = slab.data(), .length = kBytes, .id = RegionId{3}}};
    Borrower borrower;
};

TEST_F(Pool, lends_as_near_to_most_as_there_is) {
    const Segment a = pool.borrow(borrower, 4096, 1U << 20U);
    EXPECT_EQ(a.length, BufferPool::kBlockBytesMax);
    const Segment b = pool.borrow(borrower, 512, 512);
    EXPECT_EQ(b.length, 512U);
    EXPECT_EQ(b.region, RegionId{3});
    EXPECT_EQ(pool.bytes_lent(), BufferPool::kBlockBytesMax + 4096U);
    const Segment c = pool.borrow(borrower, 512, 200 * 1024);
    EXPECT_EQ(c.length, 200U * 1024U);
    const Segment d = pool.borrow(borrower, 512, 256 * 1024);
    EXPECT_EQ(d.length, 256U * 1024U);
    const Segment e = pool.borrow(borrower, 512, 256 * 1024);
    EXPECT_EQ(e.length, 128U * 1024U) << "no whole block is left";
    for (const Segment& segment : {a, b, c, d, e}) pool.give_back(segment);
    EXPECT_EQ(pool.bytes_lent(), 0U);
    // All merged again.
    std::vector<Segment> whole;
    for (int i = 0; i < 4; ++i) {
        whole.push_back(pool.borrow(borrower, BufferPool::kBlockBytesMax, BufferPool::kBlockBytesMax));
        EXPECT_EQ(whole.back().length, BufferPool::kBlockBytesMax);
    }
    for (const Segment& segment : whole) pool.give_back(segment);
}

TEST_F(Pool, nobody_overtakes) {
    std::vector<Segment> all;
    for (int i = 0; i < 4; ++i) all.push_back(pool.borrow(borrower, 4096, 1U << 20U));
    Borrower large;
    Borrower small;
    std::vector<std::string> order;
    Segment got_large;
    Segment got_small;
    large.called = [&] {
        order.emplace_back("large");
        got_large = pool.borrow(large, BufferPool::kBlockBytesMax, BufferPool::kBlockBytesMax);
    };
    small.called = [&] {
        order.emplace_back("small");
        got_small = pool.borrow(small, 4096, 4096);
    };
    EXPECT_EQ(pool.borrow(large, BufferPool::kBlockBytesMax, BufferPool::kBlockBytesMax).length, 0U);
    EXPECT_EQ(pool.borrow(small, 4096, 4096).length, 0U);
    pool.give_back(all.back());
    all.pop_back();
    executor.run();
    EXPECT_EQ(got_large.length, BufferPool::kBlockBytesMax);
    EXPECT_EQ(got_small.length, 0U);
    EXPECT_EQ(pool.waiters(), 1U);
    pool.give_back(got_large);
    executor.run();
    EXPECT_EQ(got_small.length, 4096U);
    EXPECT_EQ(order, (std::vector<std::string>{"large", "small", "small"}));
    pool.give_back(got_small);
    for (const Segment& segment : all) pool.give_back(segment);
    executor.run();
    EXPECT_TRUE(pool.quiet());
}

TEST_F(Pool, forgotten_waiter_is_not_called) {
    std::vector<Segment> all;
    for (int i = 0; i < 4; ++i) all.push_back(pool.borrow(borrower, 4096, 1U << 20U));
    borrower.called = [] { FAIL(); };
    EXPECT_EQ(pool.borrow(borrower, 4096, 4096).length, 0U);
    pool.forget(borrower);
    for (const Segment& segment : all) pool.give_back(segment);
    executor.run();
}

TEST_F(Pool, never_lends_a_byte_twice) {
    std::mt19937 random(7);
    std::vector<Segment> lent;
    std::vector<bool> used(kBytes / BufferPool::kUnitBytes);
    const auto mark = [&](const Segment& segment, bool value) {
        const auto first = static_cast<std::size_t>(segment.base - slab.data()) / BufferPool::kUnitBytes;
        const std::size_t units = (segment.length + BufferPool::kUnitBytes - 1) / BufferPool::kUnitBytes;
        for (std::size_t i = first; i < first + units; ++i) {
            ASSERT_NE(used[i], value);
            used[i] = value;
        }
    };
    for (int step = 0; step < 20000; ++step) {
        if (random() % 2 == 0) {
            const auto most = static_cast<std::uint32_t>(random() % (300 * 1024) + 512);
            const Segment segment = pool.borrow(borrower, 512, most);
            if (segment.length == 0) {
                pool.forget(borrower);
                continue;
            }
            ASSERT_LE(segment.length, most);
            mark(segment, true);
            lent.push_back(segment);
        } else if (!lent.empty()) {
            std::swap(lent[random() % lent.size()], lent.back());
            mark(lent.back(), false);
            pool.give_back(lent.back());
            lent.pop_back();
        }
    }
    for (const Segment& segment : lent) pool.give_back(segment);
    executor.run();
    EXPECT_TRUE(pool.quiet());
}

}  // namespace
}  // namespace weft::target
