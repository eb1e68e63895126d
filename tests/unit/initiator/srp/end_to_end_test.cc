// SPDX-License-Identifier: Apache-2.0
// weft's initiator and weft's target, over the simulated fabric.
#include <gtest/gtest.h>

#include "tests/unit/initiator/srp/torture.h"

namespace weft::test {
namespace {

using block::IoOp;
using block::IoStatus;

TEST(EndToEnd, both_recognise_each_other_and_move_data) {
    Bench bench(1, 2, 2, true);
    bench.habits.lun = 3;
    ASSERT_TRUE(bench.open({.name = "leg"}));
    EXPECT_TRUE(bench.session->weft_peer());
    EXPECT_EQ(bench.device->unit().name, "tank");
    EXPECT_EQ(bench.device->unit().uuid, bench.habits.uuid);
    EXPECT_EQ(bench.device->geometry().blocks, bench.habits.blocks);
    EXPECT_TRUE(bench.device->geometry().volatile_cache);
    for (const std::uint64_t blocks : {1U, 8U, 16U, 17U, 128U}) {
        bench.stamp(0, blocks, 40 + blocks);
        ASSERT_EQ(bench.run(IoOp::write, 100, blocks, true), IoStatus::ok);
        bench.stamp(0, blocks, 0);
        ASSERT_EQ(bench.run(IoOp::read, 100, blocks), IoStatus::ok);
        std::uint64_t version = 0;
        std::memcpy(&version, bench.buffer(0) + (blocks - 1) * 512, sizeof version);
        EXPECT_EQ(version, 40 + blocks);
    }
    EXPECT_EQ(bench.run(IoOp::flush), IoStatus::ok);
    EXPECT_EQ(bench.run(IoOp::discard, 100, 64), IoStatus::ok);
    EXPECT_EQ(bench.version_on_medium(100), 0U);
    std::fill(bench.medium.bytes.begin(), bench.medium.bytes.end(), std::byte{7});
    EXPECT_EQ(bench.run(IoOp::write_zeroes, 100, 64), IoStatus::ok);
    EXPECT_EQ(bench.version_on_medium(163), 0U);
    EXPECT_NE(bench.version_on_medium(164), 0U);
    EXPECT_EQ(bench.device->status().counters.errors, 0U);
}

TEST(EndToEnd, a_lost_channel_is_settled_by_abort_task) {
    Bench bench(1, 2, 2, true);
    bench.habits.backend_max = 20ms;
    ASSERT_TRUE(bench.open());
    Load load(bench);
    bench.world.run_for(50ms);
    ASSERT_TRUE(bench.session->drop_channel(1));
    const std::uint64_t before = load.done;
    bench.world.run_for(100ms);
    EXPECT_GT(load.done, before + 50);
    EXPECT_EQ(bench.session->status().counters.recoveries, 0U) << bench.session->status().problem;
    EXPECT_GT(bench.session->status().counters.settled, 0U);
    EXPECT_TRUE(bench.all_live());
    load.stop();
    ASSERT_TRUE(bench.world.run_until([&] { return load.in_flight() == 0; }, 10s));
    EXPECT_EQ(bench.ghosts(), 0U);
    EXPECT_EQ(load.wrong, 0U);
}

// Zeros have no FUA bit: they are written, then the cache is flushed. The target that flushes may be another
// one than the one that wrote, whose cache was lost with the power.
TEST(EndToEnd, zeroes_with_fua_outlive_a_power_loss_before_their_flush) {
    Bench bench(1, 1, 1, true);
    ASSERT_TRUE(bench.open());
    bench.habits.backend_min = bench.habits.backend_max = 50ms;
    std::fill(bench.medium.bytes.begin(), bench.medium.bytes.end(), std::byte{7});
    const std::uint64_t before = bench.version_on_medium(100);
    TestIo io;
    bench.prepare(io, IoOp::write_zeroes, 100, 8);
    io.fua = true;
    bench.device->submit(io);
    ASSERT_TRUE(bench.world.run_until([&] { return bench.version_on_medium(107) == 0; }, 1s));
    bench.world.run_for(10ms);
    ASSERT_EQ(io.completions, 0);  // the flush is under way
    std::fill(bench.medium.bytes.begin(), bench.medium.bytes.end(), std::byte{7});
    bench.kill_target();
    bench.start_target();
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 60s));
    EXPECT_EQ(io.status, IoStatus::ok);
    EXPECT_EQ(bench.version_on_medium(100), 0U);
    EXPECT_EQ(bench.version_on_medium(107), 0U);
    EXPECT_EQ(bench.version_on_medium(108), before);
}

void try_seeds(const Faults& faults, Duration backend_max) {
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Bench bench(seed, 2, 2, true);
        bench.habits.backend_max = backend_max;
        torture(bench, faults);
        if (::testing::Test::HasFailure()) return;
    }
}

TEST(EndToEnd, channels_cut) { try_seeds({}, 5ms); }
TEST(EndToEnd, slow_medium) { try_seeds({}, 300ms); }
TEST(EndToEnd, wires_cut) { try_seeds({.cut_wires = true}, 50ms); }
TEST(EndToEnd, acknowledgements_lost) { try_seeds({.one_way = true}, 50ms); }
TEST(EndToEnd, target_killed) { try_seeds({.cut_wires = true, .kill = true}, 50ms); }

}  // namespace
}  // namespace weft::test
