// SPDX-License-Identifier: Apache-2.0
// A target comes back, and with it the question whether what it had acknowledged is still there (VPD C0).
#include <gtest/gtest.h>

#include "tests/unit/initiator/srp/bench.h"

namespace weft::test {
namespace {

using block::IoOp;
using block::IoStatus;
using initiator::RemoteDeviceOptions;

class PowerLoss : public ::testing::Test {
  public:
    PowerLoss() { start_anew("1"); }

    void start_anew(const char* boot) {
        bench.kill_target();
        bench.habits.epoch.id = Uuid::from_name("boot", boot);
        bench.start_target();
    }
    void come_back(const char* boot) {
        start_anew(boot);
        ASSERT_TRUE(bench.world.run_until([&] { return bench.session->live(); }, 30s));
        ASSERT_TRUE(bench.all_live());
    }
    IoStatus write(bool fua = false) {
        bench.stamp(0, 8, 1);
        return bench.run(IoOp::write, 0, 8, fua);
    }
    IoStatus flush() {
        TestIo io;
        bench.device->submit(bench.prepare(io, IoOp::flush, 0, 0));
        EXPECT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 120s));
        if (io.status != IoStatus::ok) bench.device->on_failure_told(io.scratch);
        return io.status;
    }
    std::uint64_t lost_caches() { return bench.device->status().counters.lost_caches; }

    Bench bench{1, 1, 2, true};
};

TEST_F(PowerLoss, the_next_flush_fails_once_if_a_write_was_not_flushed) {
    ASSERT_TRUE(bench.open());
    ASSERT_EQ(write(), IoStatus::ok);
    come_back("2");
    EXPECT_EQ(write(), IoStatus::ok);
    EXPECT_EQ(flush(), IoStatus::io_error);
    EXPECT_EQ(flush(), IoStatus::ok);
    EXPECT_EQ(lost_caches(), 1U);
    ASSERT_EQ(write(), IoStatus::ok);
    come_back("3");
    EXPECT_EQ(flush(), IoStatus::io_error);
    EXPECT_EQ(flush(), IoStatus::ok);
    EXPECT_EQ(lost_caches(), 2U);
}

TEST_F(PowerLoss, every_flush_that_waited_meanwhile_fails) {
    ASSERT_TRUE(bench.open());
    ASSERT_EQ(write(), IoStatus::ok);
    bench.kill_target();
    std::array<TestIo, 2> flushes;
    for (TestIo& each : flushes) bench.device->submit(bench.prepare(each, IoOp::flush, 0, 0));
    bench.world.run_for(1s);
    bench.habits.epoch.id = Uuid::from_name("boot", "2");
    bench.start_target();
    for (TestIo& each : flushes) {
        ASSERT_TRUE(bench.world.run_until([&] { return each.completions == 1; }, 30s));
        EXPECT_EQ(each.status, IoStatus::io_error);
        bench.device->on_failure_told(each.scratch);
    }
    // They may not have covered everything that was acknowledged before the loss was seen.
    EXPECT_EQ(flush(), IoStatus::io_error);
    EXPECT_EQ(flush(), IoStatus::ok);
}

// A volume of two legs waits for the other one before it answers; who dies meanwhile has told nobody.
TEST_F(PowerLoss, flushes_fail_until_one_of_them_has_been_answered) {
    ASSERT_TRUE(bench.open());
    ASSERT_EQ(write(), IoStatus::ok);
    come_back("2");
    EXPECT_EQ(bench.run(IoOp::flush), IoStatus::io_error);
    EXPECT_EQ(bench.run(IoOp::flush), IoStatus::io_error);
    EXPECT_EQ(flush(), IoStatus::io_error);
    EXPECT_EQ(flush(), IoStatus::ok);
}

TEST_F(PowerLoss, nothing_fails_if_nothing_can_be_lost) {
    ASSERT_TRUE(bench.open());
    ASSERT_EQ(write(), IoStatus::ok);
    come_back("1");  // only the process died
    EXPECT_EQ(flush(), IoStatus::ok);
    come_back("2");  // all was flushed
    EXPECT_EQ(flush(), IoStatus::ok);
    ASSERT_EQ(write(true), IoStatus::ok);
    come_back("3");  // all was written through
    EXPECT_EQ(flush(), IoStatus::ok);
    EXPECT_EQ(lost_caches(), 0U);
}

// A daemon that takes a disk over does not know what the last one had flushed.
TEST_F(PowerLoss, is_noticed_by_the_next_daemon) {
    std::vector<Uuid> told;
    RemoteDeviceOptions options{.name = "leg"};
    options.on_epoch = [&](const Uuid& epoch) { told.push_back(epoch); };
    options.heritage = RemoteDeviceOptions::Heritage{Uuid::from_name("boot", "1")};
    ASSERT_TRUE(bench.open(options));
    EXPECT_EQ(flush(), IoStatus::ok);
    EXPECT_TRUE(told.empty());
    bench.device->close();
    bench.device.reset();
    options.heritage = RemoteDeviceOptions::Heritage{Uuid::from_name("boot", "0")};
    bench.device =
        std::make_unique<initiator::RemoteDevice>(*bench.session, *bench.find(std::string("tank")), options);
    EXPECT_EQ(bench.run(IoOp::read, 0, 8), IoStatus::ok);
    EXPECT_TRUE(told.empty());  // before anybody was told of the loss
    EXPECT_EQ(flush(), IoStatus::io_error);
    bench.world.run_for(2ms);
    EXPECT_EQ(told, std::vector<Uuid>{Uuid::from_name("boot", "1")});
    EXPECT_EQ(flush(), IoStatus::ok);
}

TEST_F(PowerLoss, after_a_take_over_is_noticed_though_no_epoch_was_on_record) {
    RemoteDeviceOptions options{.name = "leg"};
    options.heritage = RemoteDeviceOptions::Heritage{};
    ASSERT_TRUE(bench.open(options));
    EXPECT_EQ(bench.run(IoOp::read, 0, 8), IoStatus::ok);
    come_back("2");
    EXPECT_EQ(bench.run(IoOp::read, 0, 8), IoStatus::ok);
    EXPECT_EQ(flush(), IoStatus::io_error);
    EXPECT_EQ(flush(), IoStatus::ok);
}

TEST_F(PowerLoss, is_not_remembered_by_a_volume_that_is_gone) {
    int told = 0;
    RemoteDeviceOptions options{.name = "leg"};
    options.on_epoch = [&](const Uuid&) { ++told; };
    ASSERT_TRUE(bench.open(options));
    ASSERT_EQ(write(), IoStatus::ok);
    come_back("2");
    EXPECT_EQ(bench.run(IoOp::read, 0, 8), IoStatus::ok);
    EXPECT_EQ(flush(), IoStatus::io_error);
    bench.device->close();
    bench.device.reset();
    bench.world.run_for(1s);
    EXPECT_EQ(told, 0);
}

TEST_F(PowerLoss, of_a_unit_in_memory_takes_everything_so_it_is_refused) {
    bench.habits.epoch.whole = true;
    start_anew("1");
    ASSERT_TRUE(bench.open());
    ASSERT_EQ(write(), IoStatus::ok);
    start_anew("2");
    TestIo read;
    bench.device->submit(bench.prepare(read, IoOp::read, 0, 8));
    bench.world.run_for(20s);
    EXPECT_EQ(read.completions, 0);
    EXPECT_EQ(bench.device->state(), initiator::RemoteDeviceState::refused);
    EXPECT_NE(bench.device->status().problem.find("in the memory of a target process"), std::string::npos);
    bench.device->close();
    ASSERT_TRUE(bench.world.run_until([&] { return read.completions == 1; }, 5s));
    EXPECT_EQ(read.status, IoStatus::connection_lost);
}

}  // namespace
}  // namespace weft::test
