// SPDX-License-Identifier: Apache-2.0
// Connections are lost at every moment while writes are in flight; no write is lost, none lands late.
#include <gtest/gtest.h>

#include "tests/unit/initiator/srp/torture.h"

namespace weft::test {
namespace {

using block::IoOp;
using block::IoStatus;

struct Case {
    Faults faults;
    Duration backend_max;
    bool weft = true;
};

void try_seeds(const Case& scenario) {
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Bench bench(seed, 2, 2);
        bench.habits.weft = scenario.weft;
        bench.habits.backend_max = scenario.backend_max;
        torture(bench, scenario.faults);
        if (::testing::Test::HasFailure()) return;
    }
}

TEST(Failover, weft_target_channels_cut) { try_seeds({{}, 5ms}); }
TEST(Failover, weft_target_slow_medium) { try_seeds({{}, 300ms}); }
TEST(Failover, weft_target_wires_cut) { try_seeds({{.cut_wires = true}, 50ms}); }
TEST(Failover, weft_target_loses_acknowledgements) { try_seeds({{.one_way = true}, 50ms}); }
TEST(Failover, weft_target_killed) { try_seeds({{.cut_wires = true, .kill = true}, 50ms}); }
TEST(Failover, stock_target) { try_seeds({{.cut_wires = true, .kill = true}, 300ms, false}); }

TEST(Failover, goes_on_over_the_other_channels_without_a_new_login) {
    Bench bench(3, 2, 2);
    bench.habits.backend_max = 20ms;
    ASSERT_TRUE(bench.open());
    Load load(bench);
    bench.world.run_for(50ms);
    ASSERT_TRUE(bench.session->drop_channel(1));
    const std::uint64_t before = load.done;
    bench.world.run_for(100ms);  // shorter than the pause before the lost channel is tried again
    EXPECT_GT(load.done, before + 50);
    const auto status = bench.session->status();
    EXPECT_EQ(status.counters.recoveries, 0U);
    EXPECT_EQ(status.counters.failovers, 1U);
    EXPECT_GT(status.counters.settled, 0U);
    EXPECT_GT(bench.target->aborts_of_others, 0U);
    EXPECT_TRUE(bench.all_live());
    load.stop();
    ASSERT_TRUE(bench.world.run_until([&] { return load.in_flight() == 0; }, 10s));
    EXPECT_EQ(bench.target->single_logins, 1U);
}

TEST(Failover, resends_reads_of_a_stock_target_without_a_new_login) {
    Bench bench(3, 2, 1);
    bench.habits.weft = false;
    bench.habits.backend_min = 20ms;
    bench.habits.backend_max = 30ms;
    ASSERT_TRUE(bench.open());
    std::array<TestIo, 8> ios;
    for (std::size_t i = 0; i < ios.size(); ++i)
        bench.device->submit(bench.prepare(ios[i], IoOp::read, i, 1, i));
    bench.world.run_for(5ms);
    ASSERT_TRUE(bench.session->drop_channel(0));
    bench.world.run_for(100ms);
    for (const TestIo& io : ios) EXPECT_EQ(io.completions, 1);
    EXPECT_EQ(bench.target->single_logins, 1U);
    EXPECT_EQ(bench.session->status().counters.recoveries, 0U);
}

TEST(Failover, asks_a_stock_target_to_reset_the_unit_before_it_repeats_writes) {
    Bench bench(3, 2, 1);
    bench.habits.weft = false;
    bench.habits.backend_min = 400ms;
    bench.habits.backend_max = 600ms;
    ASSERT_TRUE(bench.open());
    TestIo io;
    bench.stamp(0, 8, 1);
    bench.device->submit(bench.prepare(io, IoOp::write, 0, 8));
    bench.world.run_for(100ms);
    const std::size_t busy = bench.session->status().channels[0].in_flight == 1 ? 0 : 1;
    ASSERT_TRUE(bench.session->drop_channel(busy));
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 10s));
    EXPECT_EQ(io.status, IoStatus::ok);
    EXPECT_EQ(bench.target->single_logins, 2U);
    EXPECT_EQ(bench.target->resets, 1U);
    EXPECT_EQ(bench.ghosts(), 0U);
    EXPECT_EQ(bench.session->status().counters.weak_fences, 0U);
}

// Where the target has no such function the promise is weaker, and that is what we say; the oracle sees it
// too.
TEST(Failover, a_target_that_refuses_the_reset_makes_the_fence_weak) {
    std::uint64_t ghosts = 0;
    std::uint64_t weak = 0;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        Bench bench(seed, 1, 2);
        bench.habits.weft = false;
        bench.habits.refuse_reset = true;
        bench.habits.backend_max = 500ms;
        ASSERT_TRUE(bench.open());
        Load load(bench);
        for (int round = 0; round < 6; ++round) {
            bench.world.run_for(300ms);
            bench.target->disconnect_all();
        }
        load.stop();
        ASSERT_TRUE(bench.world.run_until([&] { return load.in_flight() == 0; }, 60s));
        ghosts += bench.ghosts();
        weak += bench.session->status().counters.weak_fences;
    }
    EXPECT_GT(weak, 0U);
    EXPECT_GT(ghosts, 0U) << "the oracle is blind";
}

TEST(Failover, a_refused_abort_leads_to_a_new_login) {
    Bench bench(3, 2, 1);
    bench.habits.refuse_abort = true;
    bench.habits.backend_min = 50ms;
    bench.habits.backend_max = 60ms;
    ASSERT_TRUE(bench.open());
    TestIo io;
    bench.stamp(0, 8, 1);
    bench.device->submit(bench.prepare(io, IoOp::write, 0, 8));
    bench.world.run_for(10ms);
    ASSERT_TRUE(bench.session->drop_channel(bench.session->status().channels[0].in_flight == 1 ? 0 : 1));
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 10s));
    EXPECT_EQ(io.status, IoStatus::ok);
    EXPECT_EQ(bench.session->status().counters.recoveries, 1U);
    EXPECT_EQ(bench.ghosts(), 0U);
}

// The kernel waits with a device's removal until everything on it has been closed.
TEST(Failover, a_device_that_is_removed_is_let_go_and_used_again_when_it_is_back) {
    Bench bench(3, 2, 2, true);
    ASSERT_TRUE(bench.open());
    Load load(bench);
    for (sim::SimFabric* side : {bench.initiator_fabric.get(), bench.target_fabric}) {
        const std::string address = side == bench.target_fabric ? "t0" : "i0";
        bench.world.run_for(50ms);
        ASSERT_EQ(side->domains_on(address), 1U);
        side->take_device_away(address);
        ASSERT_TRUE(bench.world.run_until([&] { return side->domains_on(address) == 0; }, 5s)) << address;
        const std::uint64_t before = load.done;
        bench.world.run_for(200ms);
        EXPECT_GT(load.done, before + 50);
        side->bring_device_back(address);
        ASSERT_TRUE(bench.all_live());
    }
    load.stop();
    ASSERT_TRUE(bench.world.run_until([&] { return load.in_flight() == 0; }, 10s));
    EXPECT_EQ(load.failed, 0U);
    EXPECT_EQ(load.wrong, 0U);
}

TEST(Failover, a_device_whose_channels_were_lost_before_is_let_go_as_well) {
    Bench bench(4, 1, 2);
    ASSERT_TRUE(bench.open());
    bench.network.cut("i0", "*");
    bench.network.cut("*", "i0");
    // Whatever the channels are doing then: being lost, waiting for the next attempt, trying.
    for (const Duration pause : {100ms, 2000ms, 3500ms, 700ms}) {
        bench.world.run_for(pause);
        bench.initiator_fabric->take_device_away("i0");
        ASSERT_TRUE(bench.world.run_until([&] { return bench.initiator_fabric->domains_on("i0") == 0; }, 5s));
        bench.initiator_fabric->bring_device_back("i0");
        if (pause == 2000ms) {
            ASSERT_TRUE(bench.all_live());
        }
        bench.network.cut("i0", "*");
    }
    bench.network.heal_all();
    ASSERT_TRUE(bench.all_live());
    EXPECT_EQ(bench.run(IoOp::read, 0, 1), IoStatus::ok);
}

TEST(Failover, a_target_that_was_started_anew_is_logged_in_to_from_scratch) {
    Bench bench(5, 2, 1);
    ASSERT_TRUE(bench.open());
    bench.network.cut("t1", "i1");  // the death is not seen on this path
    bench.network.cut("i1", "t1");
    bench.kill_target();
    bench.start_target();
    bench.network.heal_all();
    ASSERT_TRUE(bench.world.run_until([&] { return bench.target->single_logins == 1; }, 20s));
    ASSERT_TRUE(bench.all_live());
    EXPECT_EQ(bench.run(IoOp::read, 0, 1), IoStatus::ok);
}

}  // namespace
}  // namespace weft::test
