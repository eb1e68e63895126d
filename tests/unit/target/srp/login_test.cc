// SPDX-License-Identifier: Apache-2.0
// Logging in: what is accepted, what is refused and how it is said.
#include "tests/support/golden.h"
#include "tests/unit/target/srp/target_world.h"

namespace weft::test {
namespace {

using Login = TargetWorld;

TEST_F(Login, accepted) {
    ScriptedInitiator& peer = logged_in();
    ASSERT_TRUE(peer.login);
    EXPECT_EQ(peer.login->request_limit_delta, 16);
    EXPECT_EQ(peer.login->it_iu_length, 8260U);
    EXPECT_TRUE(peer.login->immediate_data);
    EXPECT_EQ(peer.login->result, srp::MultiChannelResult::none_existed);
    EXPECT_FALSE(peer.login->extension) << "a plain peer is answered plainly";
    for (std::size_t i = 52; i < peer.login_bytes.size(); ++i) EXPECT_EQ(peer.login_bytes[i], std::byte{0});
    const auto status = port->status();
    ASSERT_EQ(status.nexuses.size(), 1U);
    EXPECT_EQ(status.nexuses[0].channels.size(), 1U);
    EXPECT_EQ(status.nexuses[0].luns, (std::vector<std::uint32_t>{0, 5}));
}

TEST_F(Login, weft_peers_recognise_each_other) {
    auto request = login_request();
    request.extension = srp::Extension{.version = 7, .features = 0xFFFF};
    ScriptedInitiator& peer = logged_in(request);
    ASSERT_TRUE(peer.login->extension);
    EXPECT_EQ(*peer.login->extension, srp::agree(*request.extension));
}

TEST_F(Login, request_of_linux_is_taken) {
    const auto bytes = golden("srp/login_request_linux.hex");
    stop_port();
    std::copy_n(bytes.begin() + 32, 16, settings.port_id.begin());
    start_port();
    ScriptedInitiator& peer = initiator();
    peer.connect(bytes);
    ASSERT_TRUE(run_until([&] { return peer.state == ScriptedInitiator::State::live; }));
    EXPECT_EQ(peer.login_bytes[0], std::byte{0xC0});
    EXPECT_EQ(peer.login_bytes[7], std::byte{16});
    EXPECT_EQ(peer.login_bytes[25], std::byte{0x06});
    EXPECT_EQ(peer.login_bytes[26], std::byte{0x80});
}

TEST_F(Login, refused_with_the_reason) {
    auto request = login_request();
    request.target_port[0] ^= std::byte{1};
    expect_reject(request, srp::RejectReason::cannot_associate);
    request = login_request();
    request.it_iu_length = 63;
    expect_reject(request, srp::RejectReason::iu_length);
    request.it_iu_length = target::kItIuBytesMax + 1;
    expect_reject(request, srp::RejectReason::iu_length);
    request = login_request();
    request.buffer_formats = 0x0008;
    expect_reject(request, srp::RejectReason::buffer_format);
    expect_reject(login_request("stranger"), srp::RejectReason::channel_limit);
    std::vector<std::byte> garbage(56, std::byte{0xA5});
    expect_reject(garbage, srp::RejectReason::cannot_establish);
    EXPECT_EQ(port->status().rejected, 6U);
    EXPECT_EQ(port->status().nexuses.size(), 0U);
}

TEST_F(Login, immediate_data_needs_a_sane_offset) {
    for (const std::uint16_t offset : std::vector<std::uint16_t>{0, 48, 51, 8260}) {
        auto request = login_request("i" + std::to_string(offset));
        request.immediate_offset = offset;
        EXPECT_FALSE(logged_in(request).login->immediate_data) << offset;
    }
}

TEST_F(Login, limits) {
    stop_port();
    settings.channels_per_nexus = 2;
    settings.nexuses_max = 2;
    start_port();
    auto request = login_request();
    logged_in(request);
    request.action = srp::MultiChannelAction::keep;
    EXPECT_EQ(logged_in(request).login->result, srp::MultiChannelResult::kept);
    expect_reject(request, srp::RejectReason::channel_limit);
    logged_in(login_request("j"));
    expect_reject(login_request("k"), srp::RejectReason::insufficient_resources);
}

TEST_F(Login, a_nexus_without_channels_makes_room) {
    stop_port();
    settings.nexuses_max = 1;
    start_port();
    ScriptedInitiator& first = logged_in();
    first.connection->disconnect();
    ASSERT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    logged_in(login_request("j"));
    EXPECT_EQ(port->status().nexuses.size(), 1U);
}

TEST_F(Login, a_nexus_is_forgotten_after_its_grace_time) {
    ScriptedInitiator& first = logged_in();
    first.connection->disconnect();
    ASSERT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    world.run_for(settings.nexus_grace - 1s);
    EXPECT_EQ(port->status().nexuses.size(), 1U);
    world.run_for(2s);
    EXPECT_EQ(port->status().nexuses.size(), 0U);
}

TEST_F(Login, single_takes_the_place_of_the_old_channels) {
    ScriptedInitiator& first = logged_in();
    auto more = login_request();
    more.action = srp::MultiChannelAction::keep;
    ScriptedInitiator& second = logged_in(more);
    ScriptedInitiator& third = logged_in();
    EXPECT_EQ(third.login->result, srp::MultiChannelResult::terminated);
    EXPECT_TRUE(run_until([&] {
        return first.state == ScriptedInitiator::State::drained &&
               second.state == ScriptedInitiator::State::drained;
    }));
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].channels.size() == 1; }));
    EXPECT_EQ(third.state, ScriptedInitiator::State::live);
}

// Registration takes its time; whichever of two logins at once is answered last, exactly one of them lives.
TEST_F(Login, two_at_once) {
    for (int round = 0; round < 20; ++round) {
        ScriptedInitiator& first = initiator();
        ScriptedInitiator& second = initiator();
        const auto bytes = srp::encode(login_request());
        first.connect({bytes.begin(), bytes.end()});
        second.connect({bytes.begin(), bytes.end()});
        world.run_for(5s);
        const bool first_lives = first.state == ScriptedInitiator::State::live;
        const bool second_lives = second.state == ScriptedInitiator::State::live;
        EXPECT_NE(first_lives, second_lives) << round;
        initiators.clear();
        world.run_for(1s);
    }
}

TEST_F(Login, an_initiator_that_dies_while_logging_in_leaves_nothing) {
    for (int steps = 0; steps < 40; ++steps) {
        ScriptedInitiator& peer = initiator();
        const auto bytes = srp::encode(login_request());
        peer.connect({bytes.begin(), bytes.end()});
        for (int i = 0; i < steps && peer.state != ScriptedInitiator::State::live; ++i) world.step();
        initiators.pop_back();
        world.run_for(40s);
        const auto status = port->status();
        for (const auto& nexus : status.nexuses) EXPECT_TRUE(nexus.channels.empty()) << steps;
    }
}

}  // namespace
}  // namespace weft::test
