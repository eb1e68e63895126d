// SPDX-License-Identifier: Apache-2.0
#include "target/status.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::target {
namespace {

using control::Json;

NexusStatus nexus(unsigned initiator, std::size_t channels) {
    NexusStatus status{.buffer_bytes = 1000};
    status.initiator.back() = static_cast<std::byte>(initiator);
    for (std::size_t i = 0; i < channels; ++i) {
        status.channels.push_back(
            {.peer = "192.0.2.9:1", .state = "live", .in_flight = 2, .memory_bytes = 10});
    }
    return status;
}

TEST(TargetStatus, sums_over_the_reactors_and_says_where_what_is) {
    std::vector<HallStatus> halls(2);
    halls[0].reactor = {{"name", "reactor0"}, {"turns", 5}};
    halls[0].port = {.logins = 3, .rejected = 1, .counters = {.protocol_errors = 2}};
    halls[0].port.nexuses = {nexus(1, 2), nexus(3, 1)};
    halls[1].reactor = {{"name", "reactor1"}, {"turns", 7}};
    halls[1].port = {.logins = 4, .rejected = 2, .counters = {.protocol_errors = 1}};
    halls[1].port.nexuses = {nexus(2, 3)};

    const Json status = to_json(halls);
    EXPECT_EQ(status["logins"], 7);
    EXPECT_EQ(status["rejected_logins"], 3);
    EXPECT_EQ(status["dropped_channels"], 3);
    ASSERT_EQ(status["nexuses"].size(), 3U);
    const char* const where[] = {"reactor0", "reactor1", "reactor0"};
    for (std::size_t i = 0; i < 3; ++i) {
        const Json& one = status["nexuses"][i];
        EXPECT_EQ(one["port_id"].get<std::string>().back(), static_cast<char>('1' + i)) << "in no order";
        EXPECT_EQ(one["reactor"], where[i]);
        for (const Json& channel : one["channels"]) EXPECT_EQ(channel["reactor"], where[i]);
    }
    EXPECT_EQ(status["nexuses"][1]["in_flight"], 6);
    ASSERT_EQ(status["reactors"].size(), 2U);
    EXPECT_EQ(status["reactors"][0],
              Json({{"name", "reactor0"}, {"turns", 5}, {"nexuses", 2}, {"channels", 3}}));
    EXPECT_EQ(status["reactors"][1],
              Json({{"name", "reactor1"}, {"turns", 7}, {"nexuses", 1}, {"channels", 3}}));
    EXPECT_EQ(memory_bytes(halls), 3 * 1000U + 6 * 10U);
}

TEST(TargetStatus, of_nothing_is_empty_lists) {
    const Json status = to_json(std::vector<HallStatus>{});
    EXPECT_EQ(status["nexuses"], Json::array());
    EXPECT_EQ(status["reactors"], Json::array());
    EXPECT_EQ(status["logins"], 0);
}

}  // namespace
}  // namespace weft::target
