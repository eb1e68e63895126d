// SPDX-License-Identifier: Apache-2.0
// Lost channels, hostile peers, and what may not happen then.
#include "tests/unit/target/srp/target_world.h"

namespace weft::test {
namespace {

using Loss = TargetWorld;

// Architecture, invariant 3: the old write lands before any command of the new login executes.
TEST_F(Loss, no_ghost_write_after_a_new_login) {
    ScriptedInitiator& first = logged_in();
    fill(first, 0, kBlock, 1);
    disk.hold = true;
    write(first, 1, 10, 1, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() == 1; }));
    ScriptedInitiator& second = logged_in();
    EXPECT_EQ(second.login->result, srp::MultiChannelResult::terminated);
    auto more = login_request();
    more.action = srp::MultiChannelAction::keep;
    ScriptedInitiator& third = logged_in(more);
    fill(second, 0, kBlock, 2);
    write(second, 2, 10, 1, 0);
    read(third, 3, 10, 1, 0);
    world.run_for(3s);
    EXPECT_EQ(disk.held(), 1U) << "a command of the new login was executed beside the old write";
    EXPECT_EQ(second.answer_to(2), nullptr);
    bool shown = false;
    const auto status = port->status();
    for (const auto& channel : status.nexuses[0].channels)
        for (const auto& wait : channel.waits)
            shown = shown || wait.reason.find("older login") != std::string::npos;
    EXPECT_TRUE(shown);
    disk.hold = false;
    disk.release_all();
    EXPECT_EQ(wait_for(second, 2)->status, 0);
    EXPECT_EQ(wait_for(third, 3)->status, 0);
    EXPECT_EQ(std::memcmp(disk.bytes.data() + 10 * kBlock, second.data.data(), kBlock), 0);
    EXPECT_EQ(disk.log.front(), "W 10");
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].channels.size() == 2; }));
}

TEST_F(Loss, backend_io_outlives_its_channel) {
    ScriptedInitiator& peer = logged_in();
    disk.hold = true;
    for (std::uint64_t tag = 1; tag <= 8; ++tag) {
        write(peer, tag, tag * 100, 8, tag * 8192);
        read(peer, 100 + tag, tag * 100, 8, tag * 8192);
        if (tag == 7) break;
    }
    ASSERT_TRUE(run_until([&] { return disk.held() == 14; }));
    initiators.clear();
    world.run_for(5s);
    const auto status = port->status();
    ASSERT_EQ(status.nexuses[0].channels.size(), 1U);
    EXPECT_EQ(status.nexuses[0].channels[0].state, "draining");
    EXPECT_GT(status.nexuses[0].buffer_bytes_lent, 0U);
    disk.hold = false;
    disk.release_all();
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    EXPECT_EQ(port->status().nexuses[0].buffer_bytes_lent, 0U);
}

// The connection ends at every step of a mixed load, in each of the ways it can.
TEST_F(Loss, cut_at_every_step) {
    for (int way = 0; way < 3; ++way) {
        for (int steps = 1; steps < 200; steps += 3) {
            ScriptedInitiator& peer = logged_in();
            for (std::uint64_t tag = 1; tag <= 5; ++tag) {
                write(peer, tag, tag * 64, 64, tag * 65536);
                read(peer, 10 + tag, tag * 64, 64, 512 * 1024 + tag * 65536);
                if (tag == 3) peer.abort_task(50, 2);
            }
            for (int i = 0; i < steps; ++i) world.step();
            switch (way) {
                case 0: peer.connection->disconnect(); break;
                case 1: initiators.clear(); break;
                default:
                    network.cut("*", "t");
                    network.cut("*", "i");
                    break;
            }
            ASSERT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }))
                << way << " " << steps << "\n"
                << world.recent();
            ASSERT_EQ(port->status().nexuses[0].buffer_bytes_lent, 0U);
            network.heal_all();
            initiators.clear();
            world.run_for(20s);
        }
    }
}

TEST_F(Loss, silent_peer_is_noticed) {
    ScriptedInitiator& peer = logged_in();
    network.retry_timeout = 3600s;  // as on soft-RoCE with a retry count of 7
    world.run_for(10s);
    EXPECT_EQ(peer.state, ScriptedInitiator::State::live) << "an idle peer that answers is kept";
    network.cut("i", "t");
    network.cut("t", "i");
    const Instant start = world.now();
    ASSERT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    EXPECT_LT(world.now() - start, 3s);
    EXPECT_GE(port->status().counters.probes_missed, 5U);
}

TEST_F(Loss, wrong_key_costs_only_the_channel) {
    ScriptedInitiator& peer = logged_in();
    ScriptedInitiator& other = logged_in(login_request("j"));
    auto where = peer.at(0, 512);
    where.rkey ^= 0x40000000;
    peer.send(srp::CommandContent{.tag = srp::Tag::of(1),
                                  .cdb = scsi::encode_inquiry(96),
                                  .data_in = srp::BufferContent::direct(where)});
    ASSERT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::live; }));
    read(other, 1, 0, 1, 0);
    EXPECT_EQ(wait_for(other, 1)->status, 0);
    ASSERT_TRUE(run_until([&] { return port->status().counters.transport_errors == 1; }));
}

// Each of these costs its sender the channel, and nobody else anything.
TEST_F(Loss, protocol_errors_drop_the_channel) {
    ScriptedInitiator& other = logged_in(login_request("j"));
    std::vector<std::vector<std::byte>> bad;
    for (const unsigned opcode : {0x00U, 0x05U, 0x80U, 0xC0U, 0xC1U, 0xFFU})
        bad.emplace_back(64, static_cast<std::byte>(opcode));
    bad.emplace_back(20, std::byte{0x02});  // commands cut short
    bad.emplace_back(47, std::byte{0x02});
    bad.emplace_back(47, std::byte{0x01});
    bad.emplace_back(15, std::byte{0x41});
    bad.emplace_back(16, std::byte{0x41});  // an answer to nothing
    bad.emplace_back(16, std::byte{0x42});
    bad.emplace_back(64, std::byte{0x02});  // formats and counts of nonsense
    for (std::size_t i = 0; i < bad.size(); ++i) {
        ScriptedInitiator& peer = logged_in();
        peer.send(bad[i]);
        ASSERT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::live; })) << i;
        EXPECT_EQ(port->status().counters.protocol_errors, i + 1);
    }
    read(other, 1, 0, 1, 0);
    EXPECT_EQ(wait_for(other, 1)->status, 0);
}

TEST_F(Loss, duplicate_tag_and_overspent_credits) {
    ScriptedInitiator& peer = logged_in();
    disk.hold = true;
    read(peer, 1, 0, 1, 0);
    read(peer, 1, 0, 1, 0);
    ASSERT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::live; }));
    ScriptedInitiator& greedy = logged_in(login_request("j"));
    for (std::uint64_t tag = 1; tag <= 17; ++tag) read(greedy, tag, 0, 1, 0);
    ASSERT_TRUE(run_until([&] { return greedy.state != ScriptedInitiator::State::live; }));
    EXPECT_EQ(port->status().counters.protocol_errors, 2U);
}

TEST_F(Loss, iu_longer_than_agreed) {
    auto request = login_request();
    request.immediate_data = false;
    request.it_iu_length = 128;
    ScriptedInitiator& peer = logged_in(request);
    peer.send(std::vector<std::byte>(129, std::byte{0x02}));
    ASSERT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::live; }));
}

TEST_F(Loss, logout_finishes_first) {
    ScriptedInitiator& peer = logged_in();
    disk.hold = true;
    write(peer, 1, 0, 1, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() == 1; }));
    peer.send(srp::encode(srp::Notice{.opcode = srp::Opcode::initiator_logout, .tag = srp::Tag::of(9)}));
    world.run_for(100ms);
    EXPECT_EQ(peer.state, ScriptedInitiator::State::live);
    disk.hold = false;
    disk.release_all();
    EXPECT_EQ(wait_for(peer, 1)->status, 0);
    EXPECT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::live; }));
    EXPECT_EQ(port->status().counters.protocol_errors, 0U);
}

TEST_F(Loss, peer_that_serves_no_rdma_read) {
    ScriptedInitiator& peer = initiator();
    const auto bytes = srp::encode(login_request());
    peer.connect({bytes.begin(), bytes.end()}, 0);
    ASSERT_TRUE(run_until([&] { return peer.state == ScriptedInitiator::State::live; }));
    read(peer, 1, 0, 1, 0);
    EXPECT_EQ(wait_for(peer, 1)->status, 0);
    write(peer, 2, 0, 1, 0);
    EXPECT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::live; }));
}

TEST_F(Loss, many_logins) {
    for (int i = 0; i < 100; ++i) {
        logged_in();
        if (i % 3 == 0) initiators.clear();
        if (i % 7 == 0) initiators.erase(initiators.begin(), initiators.end());
    }
    initiators.clear();
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
}

}  // namespace
}  // namespace weft::test
