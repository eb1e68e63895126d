// SPDX-License-Identifier: Apache-2.0
#include "common/block/linear_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>

#include "common/block/null_device.h"
#include "tests/support/io_slot.h"
#include "tests/support/manual_executor.h"

namespace weft::block {
namespace {

// A disk that works when it is told to, on a request that chance picks, and fails where it is told to.
class ChanceDisk final : public BlockDevice {
  public:
    ChanceDisk(Executor& executor, const Geometry& geometry, std::mt19937_64& chance)
        : BlockDevice(executor), geometry_(geometry), chance_(chance), content_(geometry.bytes()) {}
    [[nodiscard]] const Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 48; }

    bool work() {
        if (waiting_.empty()) return false;
        const std::size_t which = chance_() % waiting_.size();
        IoRequest& io = *waiting_[which];
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(which));
        std::byte* at = content_.data() + io.lba * geometry_.block_size;
        if (fail_with == IoStatus::ok) {
            if (io.op == IoOp::read) std::memcpy(io.data.base, at, io.data.length);
            if (io.op == IoOp::write) std::memcpy(at, io.data.base, io.data.length);
            if (io.op == IoOp::discard || io.op == IoOp::write_zeroes)
                std::memset(at, 0, io.blocks * geometry_.block_size);
            if (io.op == IoOp::flush) ++flushes;
            if (io.fua) ++fuas;
        }
        complete(io, fail_with);
        return true;
    }

    IoStatus fail_with = IoStatus::ok;
    int flushes = 0;
    int fuas = 0;

  private:
    void do_submit(IoRequest& io) override {
        std::memset(io.scratch, 0xA5, scratch_bytes());  // all of it is ours
        waiting_.push_back(&io);
    }
    Geometry geometry_;
    std::mt19937_64& chance_;
    std::vector<std::byte> content_;
    std::vector<IoRequest*> waiting_;
};

struct Tree {
    Tree(std::uint64_t seed, std::size_t leg_count, std::uint64_t blocks_max) : chance(seed) {
        for (std::size_t i = 0; i < leg_count; ++i) {
            legs.emplace_back(executor,
                              Geometry{.block_size = 512,
                                       .physical_block_size = 512,
                                       .blocks = 1 + chance() % blocks_max,
                                       .discard_granularity = 1,
                                       .write_zeroes = true,
                                       .volatile_cache = chance() % 2 == 0},
                              chance);
        }
        std::vector<BlockDevice*> devices;
        for (auto& leg : legs) devices.push_back(&leg);
        device = std::move(*LinearDevice::create(executor, devices));
    }
    bool step() {
        if (executor.run()) return true;
        const std::size_t first = chance() % legs.size();
        for (std::size_t i = 0; i < legs.size(); ++i) {
            if (legs[(first + i) % legs.size()].work()) return true;
        }
        return false;
    }

    std::mt19937_64 chance;
    test::ManualExecutor executor;
    std::deque<ChanceDisk> legs;
    std::unique_ptr<LinearDevice> device;
};

// Several requests at once, none overlapping another in flight, against one flat array.
void run_property(std::uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " (replay: WEFT_SEED=" + std::to_string(seed) + ")");
    std::mt19937_64 chance(seed ^ 0x5DEECE66DU);
    Tree tree(seed, 1 + chance() % 6, 40);
    const std::uint64_t blocks = tree.device->geometry().blocks;
    std::vector<std::byte> flat(blocks * 512);
    std::deque<test::IoSlot> slots;
    for (int i = 0; i < 4; ++i) slots.emplace_back(*tree.device, flat.size());
    for (int round = 0; round < 60; ++round) {
        // Slot i owns every request inside its quarter of the device; slot 0 sometimes takes it all.
        const bool whole = chance() % 4 == 0;
        std::vector<std::vector<std::byte>> expected(slots.size());
        for (std::size_t i = 0; i < (whole ? 1 : slots.size()); ++i) {
            const std::uint64_t from = whole ? 0 : blocks * i / slots.size();
            const std::uint64_t to = whole ? blocks : blocks * (i + 1) / slots.size();
            if (from == to) continue;
            const std::uint64_t lba = from + chance() % (to - from);
            const std::uint64_t count = 1 + chance() % (to - lba);
            const auto op = static_cast<IoOp>(chance() % 5);
            auto& io = slots[i];
            io.set(*tree.device, op, op == IoOp::flush ? 0 : lba, op == IoOp::flush ? 0 : count);
            std::byte* at = flat.data() + lba * 512;
            if (op == IoOp::write) {
                for (std::size_t b = 0; b < count * 512; ++b) io.buffer[b] = static_cast<std::byte>(chance());
                std::memcpy(at, io.buffer, count * 512);
            }
            if (op == IoOp::discard || op == IoOp::write_zeroes) std::memset(at, 0, count * 512);
            if (op == IoOp::read) expected[i].assign(at, at + count * 512);
            tree.device->submit(io);
            ASSERT_EQ(io.completions, 0);
        }
        while (tree.step()) {
        }
        ASSERT_EQ(tree.device->in_flight(), 0U);
        for (std::size_t i = 0; i < slots.size(); ++i) {
            ASSERT_LE(slots[i].completions, 1);
            ASSERT_EQ(slots[i].status, IoStatus::ok);
            ASSERT_TRUE(std::equal(expected[i].begin(), expected[i].end(), slots[i].buffer));
            slots[i].completions = 0;
        }
    }
}

TEST(LinearDevicePropertyTest, behaves_like_one_flat_disk) {
    if (const char* replay = std::getenv("WEFT_SEED")) {
        run_property(std::strtoull(replay, nullptr, 10));
        return;
    }
    for (std::uint64_t seed = 1; seed <= 200 && !::testing::Test::HasFatalFailure(); ++seed)
        run_property(seed);
}

TEST(LinearDeviceTest, flush_goes_to_legs_with_a_cache_only) {
    Tree tree(7, 6, 10);
    test::IoSlot io(*tree.device, 512);
    tree.device->submit(io.set(*tree.device, IoOp::flush, 0, 0));
    while (tree.step()) {
    }
    EXPECT_EQ(io.completions, 1);
    for (const auto& leg : tree.legs) EXPECT_EQ(leg.flushes, leg.geometry().volatile_cache ? 1 : 0);
}

TEST(LinearDeviceTest, fua_goes_to_every_leg_of_a_write) {
    Tree tree(9, 4, 10);
    const std::uint64_t blocks = tree.device->geometry().blocks;
    test::IoSlot io(*tree.device, blocks * 512);
    io.set(*tree.device, IoOp::write, 0, blocks);
    io.fua = true;
    tree.device->submit(io);
    while (tree.step()) {
    }
    for (const auto& leg : tree.legs) EXPECT_EQ(leg.fuas, 1);
}

TEST(LinearDeviceTest, one_failing_leg_fails_the_request_after_all_legs_are_done) {
    for (std::size_t failing = 0; failing < 3; ++failing) {
        Tree tree(11 + failing, 3, 10);
        tree.legs[failing].fail_with = IoStatus::medium_error;
        const std::uint64_t blocks = tree.device->geometry().blocks;
        test::IoSlot io(*tree.device, blocks * 512);
        tree.device->submit(io.set(*tree.device, IoOp::read, 0, blocks));
        for (int step = 0; io.completions == 0; ++step) {
            EXPECT_EQ(io.status, IoStatus::ok);
            ASSERT_TRUE(tree.step());
        }
        EXPECT_EQ(io.status, IoStatus::medium_error);
        for (const auto& leg : tree.legs) EXPECT_EQ(leg.in_flight(), 0U);
    }
}

TEST(LinearDeviceTest, its_geometry_is_what_every_leg_can) {
    test::ManualExecutor executor;
    NullDevice a(executor, {.block_size = 4096,
                            .physical_block_size = 4096,
                            .blocks = 10,
                            .transfer_blocks_max = 0,
                            .discard_granularity = 4,
                            .discard_blocks_max = 100,
                            .write_zeroes = true,
                            .discard_zeroes = true});
    NullDevice b(executor, {.block_size = 4096,
                            .physical_block_size = 8192,
                            .blocks = 5,
                            .transfer_blocks_max = 64,
                            .discard_granularity = 6,
                            .write_zeroes = true,
                            .volatile_cache = true,
                            .rotational = true});
    NullDevice c(executor, {.block_size = 4096, .blocks = 1, .read_only = true});
    const auto two = std::move(*LinearDevice::create(executor, {&a, &b}));
    EXPECT_EQ(two->geometry().blocks, 15U);
    EXPECT_EQ(two->geometry().physical_block_size, 8192U);
    EXPECT_EQ(two->geometry().transfer_blocks_max, 64U);
    EXPECT_EQ(two->geometry().discard_granularity, 12U);
    EXPECT_EQ(two->geometry().discard_blocks_max, 100U);
    EXPECT_TRUE(two->geometry().write_zeroes);
    EXPECT_FALSE(two->geometry().discard_zeroes);
    EXPECT_TRUE(two->geometry().volatile_cache);
    EXPECT_TRUE(two->geometry().rotational);
    EXPECT_FALSE(two->geometry().read_only);
    const auto three = std::move(*LinearDevice::create(executor, {&a, &b, &c}));
    EXPECT_EQ(three->geometry().discard_granularity, 0U);
    EXPECT_FALSE(three->geometry().write_zeroes);
    EXPECT_TRUE(three->geometry().read_only);
    EXPECT_EQ(three->scratch_bytes() % 16, 0U);
}

TEST(LinearDeviceTest, nests) {
    test::ManualExecutor executor;
    NullDevice leaf(executor, {.block_size = 512, .blocks = 4});
    const auto inner = std::move(*LinearDevice::create(executor, {&leaf, &leaf}));
    const auto outer = std::move(*LinearDevice::create(executor, {inner.get(), inner.get(), &leaf}));
    EXPECT_EQ(outer->geometry().blocks, 20U);
    test::IoSlot io(*outer, 20 * 512);
    outer->submit(io.set(*outer, IoOp::write, 1, 19));
    executor.run();
    EXPECT_EQ(io.completions, 1);
    EXPECT_EQ(io.status, IoStatus::ok);
}

TEST(LinearDeviceTest, refuses_legs_that_do_not_fit_together) {
    test::ManualExecutor executor;
    NullDevice small(executor, {.block_size = 512, .physical_block_size = 512, .blocks = 8});
    NullDevice large(executor, {.block_size = 4096, .blocks = 8});
    NullDevice empty(executor, {.block_size = 512, .blocks = 0});
    NullDevice huge(executor, {.block_size = 512, .blocks = std::uint64_t{1} << 54U});
    EXPECT_FALSE(LinearDevice::create(executor, {}));
    EXPECT_EQ(LinearDevice::create(executor, {&large, &small}).error().what,
              "leg 2 of a linear volume has blocks of 512 bytes, leg 1 of 4096: they must be the same");
    EXPECT_FALSE(LinearDevice::create(executor, {&small, &empty}));
    EXPECT_FALSE(LinearDevice::create(executor, {&huge, &huge}));
}

}  // namespace
}  // namespace weft::block
