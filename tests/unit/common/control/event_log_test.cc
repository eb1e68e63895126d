// SPDX-License-Identifier: Apache-2.0
#include "common/control/event_log.h"

#include <gtest/gtest.h>

#include <string>

#include "common/control/event_json.h"

namespace weft::control {
namespace {

TEST(EventLog, ReadsOnFromACursor) {
    EventLog log(8);
    EXPECT_TRUE(log.read(0, 10).events.empty());
    log.add(Severity::info, "volume a", "one");
    log.add(Severity::warning, "volume a", "two");
    const auto first = log.read(0, 1);
    ASSERT_EQ(first.events.size(), 1U);
    EXPECT_EQ(first.events[0].text, "one");
    const auto second = log.read(first.position, 10);
    ASSERT_EQ(second.events.size(), 1U);
    EXPECT_EQ(second.events[0].text, "two");
    EXPECT_EQ(second.dropped, 0U);
    EXPECT_TRUE(log.read(second.position, 10).events.empty());
    EXPECT_TRUE(log.read(99, 10).events.empty());
}

TEST(EventLog, CountsWhatASlowReaderMissed) {
    EventLog log(4);
    for (int i = 1; i <= 10; ++i) log.add(Severity::info, "o", std::to_string(i));
    const auto batch = log.read(2, 10);
    EXPECT_EQ(batch.dropped, 4U);  // 3, 4, 5, 6
    ASSERT_EQ(batch.events.size(), 4U);
    EXPECT_EQ(batch.events.front().text, "7");
    EXPECT_EQ(batch.position, 10U);
}

TEST(EventLog, CutsLongTextBetweenCharacters) {
    EventLog log;
    log.add(Severity::error, "o", std::string(1023, 'a') + "\xC3\xA4");
    EXPECT_EQ(log.read(0, 1).events[0].text.size(), 1023U);
}

TEST(EventLog, IsShownWithTimeInUtc) {
    const Json json =
        to_json({.sequence = 3,
                 .time = std::chrono::system_clock::time_point{std::chrono::milliseconds{1'700'000'000'007}},
                 .severity = Severity::warning,
                 .object = "o",
                 .text = "t"});
    EXPECT_EQ(json["time"], "2023-11-14T22:13:20.007Z");
    EXPECT_EQ(json["severity"], "warning");
    EXPECT_EQ(json["sequence"], 3);
}

}  // namespace
}  // namespace weft::control
