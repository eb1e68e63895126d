// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "common/verbs/connection.h"

namespace weft::verbs {
namespace {

using enum ConnectionState;
constexpr std::array kAll{resolving,   resolved, connecting, preparing, accepted,
                          established, lost,     drained,    failed};

TEST(ConnectionState, EndsFromEverywhere) {
    for (const ConnectionState start : kAll) {
        std::set<ConnectionState> reached{start};
        for (std::size_t round = 0; round < kAll.size(); ++round) {
            for (const ConnectionState from : kAll) {
                for (const ConnectionState to : kAll) {
                    if (reached.contains(from) && may_follow(from, to)) reached.insert(to);
                }
            }
        }
        EXPECT_TRUE(reached.contains(drained));
    }
}

TEST(ConnectionState, NothingFollowsTheEnd) {
    for (const ConnectionState to : kAll) EXPECT_FALSE(may_follow(drained, to));
    for (const ConnectionState to : kAll) EXPECT_EQ(may_follow(lost, to), to == drained);
    for (const ConnectionState to : kAll) EXPECT_EQ(may_follow(failed, to), to == drained);
}

TEST(ConnectionState, ATargetNeverFailsToConnect) {
    EXPECT_FALSE(may_follow(preparing, failed));
    EXPECT_FALSE(may_follow(accepted, failed));
    EXPECT_FALSE(may_follow(established, failed));
}

}  // namespace
}  // namespace weft::verbs
