// SPDX-License-Identifier: Apache-2.0
// Properties of the transition functions: every state can be reached and, but for the last ones, left.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "initiator/srp/remote_device.h"
#include "initiator/srp/session.h"

namespace weft::initiator {
namespace {

template <class State>
std::set<State> reachable(State start, State last) {
    std::set<State> seen{start};
    std::vector<State> todo{start};
    while (!todo.empty()) {
        const State from = todo.back();
        todo.pop_back();
        for (int i = 0; i <= static_cast<int>(last); ++i) {
            const auto to = static_cast<State>(i);
            if (may_follow(from, to) && seen.insert(to).second) todo.push_back(to);
        }
    }
    return seen;
}

template <class State>
void expect_all_reach(State goal, State last) {
    for (int i = 0; i <= static_cast<int>(last); ++i)
        EXPECT_TRUE(reachable(static_cast<State>(i), last).contains(goal)) << i;
}

TEST(States, a_command_always_comes_back) {
    EXPECT_EQ(reachable(CommandState::idle, CommandState::settling).size(), 5U);
    expect_all_reach(CommandState::idle, CommandState::settling);
    // What a lost channel had is never sent again without having been given back.
    EXPECT_FALSE(may_follow(CommandState::unsettled, CommandState::sent));
    EXPECT_FALSE(may_follow(CommandState::unsettled, CommandState::waiting));
}

TEST(States, a_channel_always_becomes_idle) {
    EXPECT_EQ(reachable(ChannelState::idle, ChannelState::closing).size(), 8U);
    expect_all_reach(ChannelState::idle, ChannelState::closing);
    EXPECT_FALSE(may_follow(ChannelState::live, ChannelState::closing)) << "not drained";
}

TEST(States, a_session_can_always_stop) {
    EXPECT_EQ(reachable(SessionState::idle, SessionState::stopped).size(), 8U);
    expect_all_reach(SessionState::stopped, SessionState::stopped);
    EXPECT_FALSE(may_follow(SessionState::live, SessionState::logging_in)) << "not drained";
}

TEST(States, a_device_is_never_ready_without_verification) {
    EXPECT_EQ(reachable(RemoteDeviceState::ready, RemoteDeviceState::closed).size(), 5U);
    EXPECT_FALSE(may_follow(RemoteDeviceState::disconnected, RemoteDeviceState::ready));
    EXPECT_FALSE(may_follow(RemoteDeviceState::refused, RemoteDeviceState::ready));
}

}  // namespace
}  // namespace weft::initiator
