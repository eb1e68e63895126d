// SPDX-License-Identifier: Apache-2.0
// Task management: an answer means that nothing of the commands is left.
#include "tests/unit/target/srp/target_world.h"

namespace weft::test {
namespace {

using Abort = TargetWorld;

srp::TaskManagement function(std::uint64_t tag, srp::TaskFunction what, std::uint16_t number) {
    return {.tag = srp::Tag::of(tag), .lun = scsi::encode_lun({.number = number}), .function = what};
}

TEST_F(Abort, abort_waits_for_the_disk_and_returns_the_credit) {
    ScriptedInitiator& peer = logged_in();
    disk.hold = true;
    write(peer, 1, 10, 4, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() == 1; }));
    peer.abort_task(0x80000001, 1);
    world.run_for(200ms);
    EXPECT_EQ(peer.answer_to(0x80000001), nullptr) << "answered while the write may still land";
    bool shown = false;
    const auto status = port->status();
    for (const auto& wait : status.nexuses[0].channels[0].waits)
        shown = shown || wait.reason.find("ABORT TASK") != std::string::npos;
    EXPECT_TRUE(shown);
    disk.release_all();
    const auto* answer = wait_for(peer, 0x80000001);
    ASSERT_NE(answer, nullptr);
    EXPECT_EQ(answer->code, srp::ResponseCode::complete);
    EXPECT_EQ(answer->delta, 2) << "its own credit and the command's";
    EXPECT_EQ(peer.answer_to(1), nullptr);
    EXPECT_EQ(port->status().nexuses[0].channels[0].granted, 16U);
}

TEST_F(Abort, no_rdma_after_the_answer) {
    ScriptedInitiator& peer = logged_in();
    disk.hold = true;
    read(peer, 1, 0, 64, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() > 0; }));
    peer.abort_task(2, 1);
    world.run_for(1ms);
    disk.release_all();
    ASSERT_NE(wait_for(peer, 2), nullptr);
    std::fill(peer.data.begin(), peer.data.begin() + 64 * kBlock, std::byte{0x77});
    world.run_for(1s);
    for (std::size_t i = 0; i < 64 * kBlock; ++i) ASSERT_EQ(peer.data[i], std::byte{0x77});
}

TEST_F(Abort, of_what_is_not_there) {
    ScriptedInitiator& peer = logged_in();
    peer.abort_task(2, 77);
    EXPECT_EQ(wait_for(peer, 2)->code, srp::ResponseCode::complete);
    peer.send(srp::encode(function(3, static_cast<srp::TaskFunction>(0x20), 0)));
    EXPECT_EQ(wait_for(peer, 3)->code, srp::ResponseCode::not_supported);
    peer.send(srp::encode(function(4, srp::TaskFunction::clear_aca, 0)));
    EXPECT_EQ(wait_for(peer, 4)->code, srp::ResponseCode::not_supported);
    peer.send(srp::encode(function(5, srp::TaskFunction::lun_reset, 44)));
    EXPECT_EQ(wait_for(peer, 5)->code, srp::ResponseCode::fields_invalid);
    EXPECT_EQ(port->status().nexuses[0].channels[0].granted, 16U);
}

TEST_F(Abort, task_set_is_one_nexus_and_one_unit) {
    ScriptedInitiator& peer = logged_in();
    ScriptedInitiator& other = logged_in(login_request("j"));
    disk.hold = true;
    read(peer, 1, 0, 1, 0);
    read(peer, 2, 1, 1, 1024);
    read(other, 3, 2, 1, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() == 3; }));
    peer.send(srp::encode(function(9, srp::TaskFunction::abort_task_set, kDiskLun)));
    world.run_for(10ms);
    EXPECT_EQ(peer.answer_to(9), nullptr);
    disk.hold = false;
    disk.release_all();
    EXPECT_EQ(wait_for(peer, 9)->delta, 3);
    EXPECT_EQ(peer.answer_to(1), nullptr);
    EXPECT_EQ(peer.answer_to(2), nullptr);
    EXPECT_EQ(wait_for(other, 3)->status, 0);
}

TEST_F(Abort, lun_reset_tells_the_others) {
    ScriptedInitiator& peer = logged_in();
    ScriptedInitiator& other = logged_in(login_request("j"));
    disk.hold = true;
    read(peer, 1, 0, 1, 0);
    read(other, 3, 2, 1, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() == 2; }));
    peer.send(srp::encode(function(9, srp::TaskFunction::lun_reset, kDiskLun)));
    world.run_for(10ms);
    EXPECT_EQ(peer.answer_to(9), nullptr);
    disk.hold = false;
    disk.release_all();
    EXPECT_EQ(wait_for(peer, 9)->code, srp::ResponseCode::complete);
    EXPECT_EQ(wait_for(other, 3)->status, static_cast<std::uint8_t>(scsi::Status::task_aborted));
    read(other, 4, 2, 1, 0);
    EXPECT_EQ(wait_for(other, 4)->sense[12], std::byte{0x29});
    read(other, 5, 2, 1, 0);
    EXPECT_EQ(wait_for(other, 5)->status, 0);
    read(peer, 6, 2, 1, 0);
    EXPECT_EQ(wait_for(peer, 6)->status, 0);
}

// An initiator that lost one channel asks on another about a command of the lost one.
TEST_F(Abort, over_another_channel_waits_too) {
    ScriptedInitiator& first = logged_in();
    auto more = login_request();
    more.action = srp::MultiChannelAction::keep;
    ScriptedInitiator& second = logged_in(more);
    disk.hold = true;
    write(first, 1, 10, 1, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() == 1; }));
    first.connection->disconnect();
    second.abort_task(100, 1);
    world.run_for(100ms);
    EXPECT_EQ(second.answer_to(100), nullptr);
    disk.hold = false;
    disk.release_all();
    EXPECT_EQ(wait_for(second, 100)->code, srp::ResponseCode::complete);
}

// Nothing else is to come on the first channel that could carry the aborted command's credit.
TEST_F(Abort, credit_of_a_silent_end_comes_with_a_credit_request) {
    ScriptedInitiator& first = logged_in();
    auto more = login_request();
    more.action = srp::MultiChannelAction::keep;
    ScriptedInitiator& second = logged_in(more);
    disk.hold = true;
    for (int round = 1; round <= 3; ++round) {
        const auto tag = static_cast<std::uint64_t>(round);
        --first.credits;
        write(first, tag, 10, 1, 0);
        ASSERT_TRUE(run_until([&] { return disk.held() == 1; }));
        second.abort_task(100 + tag, tag);
        world.run_for(1ms);
        disk.release_all();
        EXPECT_EQ(wait_for(second, 100 + tag)->code, srp::ResponseCode::complete);
        EXPECT_EQ(first.answer_to(tag), nullptr);
        EXPECT_TRUE(run_until([&] { return first.credits == 16; }));
        EXPECT_EQ(first.notices.size(), tag);
    }
    // At most one request of the target is outstanding, whatever happens.
    first.answer_credit_requests = false;
    for (std::uint64_t tag = 10; tag < 12; ++tag) {
        --first.credits;
        write(first, tag, 10, 1, 0);
        ASSERT_TRUE(run_until([&] { return disk.held() == 1; }));
        second.abort_task(100 + tag, tag);
        world.run_for(1ms);
        disk.release_all();
        ASSERT_NE(wait_for(second, 100 + tag), nullptr);
        world.run_for(100ms);
    }
    EXPECT_EQ(first.notices.size(), 4U);
    first.send(
        srp::encode(srp::Notice{.opcode = srp::Opcode::credit_response, .tag = first.notices.back().tag}));
    EXPECT_TRUE(run_until([&] { return first.credits == 16; }));
    EXPECT_EQ(first.state, ScriptedInitiator::State::live);
}

// The command is slower than the abort on the other channel: it must not be executed any more.
TEST_F(Abort, overtakes_the_command_on_another_channel) {
    ScriptedInitiator& first = logged_in();
    auto more = login_request();
    more.action = srp::MultiChannelAction::keep;
    ScriptedInitiator& second = logged_in(more);
    second.abort_task(100, 1);
    EXPECT_EQ(wait_for(second, 100)->code, srp::ResponseCode::complete);
    write(first, 1, 10, 1, 0);
    EXPECT_EQ(wait_for(first, 1)->status, static_cast<std::uint8_t>(scsi::Status::task_aborted));
    EXPECT_TRUE(disk.log.empty());
    write(first, 2, 10, 1, 0);
    EXPECT_EQ(wait_for(first, 2)->status, 0);
}

}  // namespace
}  // namespace weft::test
