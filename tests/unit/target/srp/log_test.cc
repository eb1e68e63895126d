// SPDX-License-Identifier: Apache-2.0
// What the log says of peers, and how often they can make it say so.
#include <array>

#include "tests/support/log_lines.h"
#include "tests/unit/target/srp/target_world.h"

namespace weft::test {
namespace {

using log::Level;

class Log : public TargetWorld {
  protected:
    static constexpr const char* kFault = "dropped: the initiator sent";

    void send_garbage(ScriptedInitiator& peer) {
        const std::array<std::byte, 16> garbage{std::byte{0x77}};
        peer.send(garbage);
    }
    // Logs in, sends garbage, loses the channel for it.
    void misbehave() {
        ScriptedInitiator& peer = logged_in();
        send_garbage(peer);
        ASSERT_TRUE(run_until([&] { return peer.state == ScriptedInitiator::State::drained; }));
        initiators.clear();
        ASSERT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    }

    LogLines lines;
};

TEST_F(Log, a_peer_that_breaks_the_protocol_is_one_warning) {
    ScriptedInitiator& peer = logged_in();
    send_garbage(peer);
    send_garbage(peer);
    send_garbage(peer);
    ASSERT_TRUE(run_until([&] { return peer.state == ScriptedInitiator::State::drained; }));
    world.run_for(1s);
    EXPECT_EQ(lines.count(Level::warn, ""), 1U);
    EXPECT_EQ(lines.count(Level::warn, srp::to_string(srp::port_id_of_initiator("i")) +
                                           " from i:0 dropped: the initiator sent an IU of a type that no "
                                           "initiator sends"),
              1U);
    EXPECT_EQ(lines.count(Level::info, "ends"), 0U) << "the warning says it";
    EXPECT_EQ(lines.count(Level::info, "lost"), 0U);
    EXPECT_EQ(port->status().counters.protocol_errors, 1U);
}

TEST_F(Log, an_ordinary_end_is_no_warning) {
    logged_in().connection->disconnect();
    ASSERT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    EXPECT_EQ(lines.count(Level::info, "lost"), 1U);
    ScriptedInitiator& leaving = logged_in();
    leaving.send(srp::encode(srp::Notice{.opcode = srp::Opcode::initiator_logout}));
    ASSERT_TRUE(run_until([&] { return leaving.state == ScriptedInitiator::State::drained; }));
    logged_in();
    ASSERT_TRUE(port->drop_channel(srp::port_id_of_initiator("i"), 0));
    EXPECT_EQ(lines.count(Level::info, "ends: cut on request"), 1U);
    EXPECT_EQ(lines.count(Level::warn, ""), 0U);
    EXPECT_EQ(lines.count(Level::error, ""), 0U);
    EXPECT_EQ(port->status().counters.protocol_errors, 0U);
}

TEST_F(Log, peers_that_break_the_protocol_over_and_over_do_not_fill_it) {
    const Instant begun = world.now();
    for (int i = 0; i < 30; ++i) ASSERT_NO_FATAL_FAILURE(misbehave());
    ASSERT_LT(world.now() - begun, 10s);
    EXPECT_EQ(lines.count(Level::warn, kFault), 10U);
    EXPECT_EQ(port->status().counters.protocol_errors, 30U) << "all are counted";
    world.run_for(10s);
    lines.clear();
    ASSERT_NO_FATAL_FAILURE(misbehave());
    EXPECT_EQ(lines.count(Level::warn, kFault), 1U);
    EXPECT_EQ(lines.count(Level::warn, "20 more were, without a line each"), 1U);
}

// A login that a later one overtakes is refused once its memory is registered: any peer can cause that.
TEST_F(Log, logins_that_fail_over_and_over_do_not_fill_it) {
    const Instant begun = world.now();
    const auto bytes = srp::encode(login_request());
    for (int i = 0; i < 200 && port->status().rejected < 20; ++i) {
        ScriptedInitiator& first = initiator();
        ScriptedInitiator& second = initiator();
        first.connect({bytes.begin(), bytes.end()});
        second.connect({bytes.begin(), bytes.end()});
        ASSERT_TRUE(run_until([&] {
            return first.state != ScriptedInitiator::State::connecting &&
                   second.state != ScriptedInitiator::State::connecting;
        }));
        initiators.clear();
        ASSERT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    }
    ASSERT_LT(world.now() - begun, 10s);
    ASSERT_GE(port->status().rejected, 20U);
    EXPECT_EQ(lines.count(Level::error, "was faster"), 10U);
    EXPECT_EQ(lines.count(Level::error, ""), 10U);
}

}  // namespace
}  // namespace weft::test
