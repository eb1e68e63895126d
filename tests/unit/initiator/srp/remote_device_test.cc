// SPDX-License-Identifier: Apache-2.0
#include "initiator/srp/remote_device.h"

#include <gtest/gtest.h>

#include "tests/unit/initiator/srp/bench.h"

namespace weft::test {
namespace {

using block::IoOp;
using block::IoStatus;
using config::LossPolicy;
using initiator::RemoteDeviceState;
using scsi::Sense;
using scsi::SenseCode;
using scsi::SenseKey;

TEST(RemoteDevice, reads_what_it_wrote) {
    for (const bool immediate : {true, false}) {
        Bench bench;
        bench.habits.immediate = immediate;
        ASSERT_TRUE(bench.open());
        for (const std::uint64_t blocks : {1U, 8U, 16U, 17U, 128U}) {
            bench.stamp(0, blocks, 40 + blocks);
            ASSERT_EQ(bench.run(IoOp::write, 100, blocks), IoStatus::ok);
            bench.stamp(0, blocks, 0);
            ASSERT_EQ(bench.run(IoOp::read, 100, blocks), IoStatus::ok);
            std::uint64_t version = 0;
            std::memcpy(&version, bench.buffer(0) + (blocks - 1) * 512, sizeof version);
            EXPECT_EQ(version, 40 + blocks);
        }
        EXPECT_EQ(bench.target->immediate_writes, immediate ? 3U : 0U);  // up to 8 KiB go in the SEND
    }
}

TEST(RemoteDevice, splits_what_the_unit_cannot_take_at_once) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    bench.target->opcodes.clear();
    std::fill(bench.medium.bytes.begin(), bench.medium.bytes.end(), std::byte{7});
    EXPECT_EQ(bench.run(IoOp::discard, 10, 200), IoStatus::ok);  // 64 blocks per UNMAP
    EXPECT_EQ(bench.target->opcodes.size(), 4U);
    EXPECT_EQ(bench.medium.bytes[10 * 512 - 1], std::byte{7});
    EXPECT_EQ(bench.medium.bytes[10 * 512], std::byte{0});
    EXPECT_EQ(bench.medium.bytes[210 * 512 - 1], std::byte{0});
    EXPECT_EQ(bench.medium.bytes[210 * 512], std::byte{7});
    bench.target->opcodes.clear();
    EXPECT_EQ(bench.run(IoOp::write_zeroes, 1000, 250), IoStatus::ok);  // 100 blocks per WRITE SAME
    EXPECT_EQ(bench.target->opcodes.size(), 3U);
    EXPECT_EQ(bench.target->ndob, 3U);
    EXPECT_EQ(bench.medium.bytes[1250 * 512 - 1], std::byte{0});
    EXPECT_EQ(bench.medium.bytes[1250 * 512], std::byte{7});
}

TEST(RemoteDevice, speaks_plainly_to_a_stock_unit) {
    for (const bool immediate : {true, false}) {
        Bench bench;
        bench.habits.weft = false;
        bench.habits.name.clear();
        bench.habits.immediate = immediate;
        ASSERT_TRUE(bench.open());
        std::fill(bench.medium.bytes.begin(), bench.medium.bytes.end(), std::byte{7});
        EXPECT_EQ(bench.run(IoOp::write_zeroes, 8, 8), IoStatus::ok);
        EXPECT_EQ(bench.target->ndob, 0U);
        EXPECT_EQ(bench.run(IoOp::discard, 32, 8), IoStatus::ok);
        EXPECT_EQ(bench.medium.bytes[8 * 512], std::byte{0});
        EXPECT_EQ(bench.medium.bytes[32 * 512], std::byte{0});
        EXPECT_EQ(bench.medium.bytes[0], std::byte{7});
    }
}

TEST(RemoteDevice, flush_and_fua_reach_the_unit) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    EXPECT_TRUE(bench.device->geometry().volatile_cache);
    EXPECT_EQ(bench.run(IoOp::flush), IoStatus::ok);
    EXPECT_EQ(bench.target->flushes, 1U);
    EXPECT_EQ(bench.run(IoOp::write, 0, 1, true), IoStatus::ok);
    EXPECT_EQ(bench.target->fua_writes, 1U);
    EXPECT_EQ(bench.target->flushes, 1U);
    EXPECT_EQ(bench.run(IoOp::write_zeroes, 0, 1, true), IoStatus::ok);  // WRITE SAME has no FUA bit
    EXPECT_EQ(bench.target->flushes, 2U);
}

TEST(RemoteDevice, fua_is_a_flush_where_the_unit_knows_no_fua) {
    Bench bench;
    bench.habits.fua = false;
    ASSERT_TRUE(bench.open());
    EXPECT_EQ(bench.run(IoOp::write, 0, 1, true), IoStatus::ok);
    EXPECT_EQ(bench.target->fua_writes, 0U);
    EXPECT_EQ(bench.target->flushes, 1U);
}

TEST(RemoteDevice, a_flush_is_good_only_when_the_unit_says_so) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    bench.habits.senses.push_back({SenseKey::medium_error, SenseCode::write_error});
    EXPECT_EQ(bench.run(IoOp::flush), IoStatus::medium_error);
    bench.habits.senses.push_back({SenseKey::illegal_request, SenseCode::invalid_opcode});
    EXPECT_EQ(bench.run(IoOp::flush), IoStatus::not_supported);
}

TEST(RemoteDevice, tries_again_what_may_be_tried_again) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    bench.habits.senses = {{SenseKey::unit_attention, SenseCode::power_on},
                           {SenseKey::unit_attention, SenseCode::nexus_loss},
                           {SenseKey::aborted_command, SenseCode::crc_error},
                           {SenseKey::not_ready, SenseCode::becoming_ready}};
    bench.habits.statuses = {scsi::Status::busy, scsi::Status::task_set_full, scsi::Status::busy};
    EXPECT_EQ(bench.run(IoOp::write, 0, 8), IoStatus::ok);
    EXPECT_EQ(bench.device->status().counters.retries, 7U);
}

TEST(RemoteDevice, gives_up_what_does_not_get_better) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    for (int i = 0; i < 50; ++i)
        bench.habits.senses.push_back({SenseKey::aborted_command, SenseCode::crc_error});
    EXPECT_EQ(bench.run(IoOp::read, 0, 8), IoStatus::data_corrupt);
    bench.habits.senses = {{SenseKey::medium_error, SenseCode::unrecovered_read_error}};
    EXPECT_EQ(bench.run(IoOp::read, 0, 8), IoStatus::medium_error);
    bench.habits.senses = {{SenseKey::data_protect, SenseCode::space_allocation_failed}};
    EXPECT_EQ(bench.run(IoOp::write, 0, 8), IoStatus::no_space);
    EXPECT_EQ(bench.device->status().counters.errors, 3U);
}

TEST(RemoteDevice, a_short_read_is_an_error) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    bench.habits.short_by = 512;
    EXPECT_EQ(bench.run(IoOp::read, 0, 8), IoStatus::io_error);
}

TEST(RemoteDevice, waits_for_the_target_and_goes_on) {
    Bench bench;
    ASSERT_TRUE(bench.open({.name = "leg", .queue_timeout = 2s, .on_loss = LossPolicy::queue}));
    bench.kill_target();
    TestIo io;
    bench.device->submit(bench.prepare(io, IoOp::write, 0, 8));
    bench.world.run_for(60s);
    EXPECT_EQ(io.completions, 0);
    const auto status = bench.device->status();
    EXPECT_EQ(status.state, "disconnected");
    ASSERT_EQ(status.waits.size(), 1U);
    EXPECT_EQ(status.waits[0].requests, 1U);
    EXPECT_GT(status.waits[0].age, 50s);
    bench.start_target();
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 20s));
    EXPECT_EQ(io.status, IoStatus::ok);
    EXPECT_EQ(bench.device->state(), RemoteDeviceState::ready);
}

TEST(RemoteDevice, fails_after_queue_timeout_where_the_policy_says_so) {
    Bench bench;
    ASSERT_TRUE(bench.open({.name = "leg", .queue_timeout = 2s, .on_loss = LossPolicy::fail}));
    bench.habits.backend_min = bench.habits.backend_max = 10s;  // on its way when the target dies
    TestIo taken;
    bench.device->submit(bench.prepare(taken, IoOp::write, 0, 8, 0));
    bench.world.run_for(1ms);
    bench.kill_target();
    TestIo held;
    bench.device->submit(bench.prepare(held, IoOp::write, 8, 8, 1));
    bench.world.run_for(1s);
    EXPECT_EQ(taken.completions + held.completions, 0);
    bench.world.run_for(2s);
    EXPECT_EQ(taken.completions, 1);
    EXPECT_EQ(held.completions, 1);
    EXPECT_EQ(taken.status, IoStatus::connection_lost);
    EXPECT_EQ(held.status, IoStatus::connection_lost);
    EXPECT_EQ(bench.run(IoOp::read, 0, 1), IoStatus::connection_lost);  // at once
    bench.habits.backend_max = bench.habits.backend_min = 1ms;
    bench.start_target();
    ASSERT_TRUE(
        bench.world.run_until([&] { return bench.device->state() == RemoteDeviceState::ready; }, 20s));
    EXPECT_EQ(bench.run(IoOp::read, 0, 1), IoStatus::ok);
}

TEST(RemoteDevice, a_target_that_never_answers_ends_by_policy) {
    Bench bench;
    ASSERT_TRUE(bench.open({.name = "leg", .queue_timeout = 10s, .on_loss = LossPolicy::fail}));
    bench.habits.mute = true;  // but it aborts
    EXPECT_EQ(bench.run(IoOp::write, 0, 8), IoStatus::timed_out);
    EXPECT_EQ(bench.ghosts(), 0U);
}

TEST(RemoteDevice, refuses_a_unit_that_came_back_smaller) {
    Bench bench;
    ASSERT_TRUE(bench.open({.name = "leg", .queue_timeout = 3s, .on_loss = LossPolicy::queue}));
    bench.kill_target();
    bench.habits.blocks = 2048;
    bench.start_target();
    TestIo io;
    bench.device->submit(bench.prepare(io, IoOp::write, 0, 8));
    bench.world.run_for(10s);
    EXPECT_EQ(bench.device->state(), RemoteDeviceState::refused);
    EXPECT_NE(bench.device->status().problem.find("smaller than it was"), std::string::npos);
    EXPECT_EQ(io.completions, 0);
    EXPECT_TRUE(bench.medium.landed.empty());
    bench.habits.blocks = 4096;  // somebody has corrected it
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 20s));
    EXPECT_EQ(io.status, IoStatus::ok);
}

TEST(RemoteDevice, refuses_another_medium) {
    Bench bench;
    ASSERT_TRUE(bench.open({.name = "leg", .queue_timeout = 3s, .on_loss = LossPolicy::fail}));
    bench.kill_target();
    bench.habits.uuid = Uuid::from_name("test", "another");
    bench.start_target();
    EXPECT_EQ(bench.run(IoOp::write, 0, 8), IoStatus::connection_lost);
    EXPECT_NE(bench.device->status().problem.find("another medium"), std::string::npos);
    EXPECT_TRUE(bench.medium.landed.empty());
}

TEST(RemoteDevice, looks_again_when_the_unit_says_it_changed) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    bench.habits.blocks = 2048;
    bench.habits.senses = {{SenseKey::unit_attention, SenseCode::capacity_changed}};
    TestIo io;
    bench.device->submit(bench.prepare(io, IoOp::write, 0, 8));
    bench.world.run_for(1s);
    EXPECT_EQ(bench.device->state(), RemoteDeviceState::refused);
    EXPECT_EQ(io.completions, 0);
    bench.habits.blocks = 8192;  // larger is no reason
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 20s));
    EXPECT_EQ(bench.device->geometry().blocks, 4096U);
}

TEST(RemoteDevice, closing_ends_everything) {
    for (const Duration when : {0us, 10us, 100us, 20000us}) {
        Bench bench;
        ASSERT_TRUE(bench.open());
        bench.habits.backend_min = bench.habits.backend_max = 10ms;
        std::array<TestIo, 8> ios;
        for (std::size_t i = 0; i < ios.size(); ++i)
            bench.device->submit(bench.prepare(ios[i], IoOp::write, i * 8, 8, i));
        bench.world.run_for(when);
        bench.device->close();
        bench.stop();
        bench.world.run_for(1ms);
        for (const TestIo& io : ios) EXPECT_EQ(io.completions, 1);
        EXPECT_EQ(bench.run(IoOp::read, 0, 1), IoStatus::connection_lost);
    }
}

TEST(RemoteDevice, stopping_the_session_alone_ends_everything_too) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    bench.habits.backend_min = bench.habits.backend_max = 10ms;
    std::array<TestIo, 8> ios;
    for (std::size_t i = 0; i < ios.size(); ++i)
        bench.device->submit(bench.prepare(ios[i], IoOp::write, i * 8, 8, i));
    bench.world.run_for(50us);
    bench.stop();
    bench.world.run_for(1ms);
    for (const TestIo& io : ios) EXPECT_EQ(io.completions, 1);
}

}  // namespace
}  // namespace weft::test
