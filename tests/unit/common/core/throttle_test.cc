// SPDX-License-Identifier: Apache-2.0
#include "common/core/throttle.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Throttle, LetsSoManyThroughInAPeriodAndCountsTheOthers) {
    Throttle throttle(2, 10s);
    const Instant start{100s};
    EXPECT_EQ(throttle.pass(start), 0U);
    EXPECT_EQ(throttle.pass(start + 1s), 0U);
    EXPECT_FALSE(throttle.pass(start + 2s));
    EXPECT_FALSE(throttle.pass(start + 9s));
    EXPECT_EQ(throttle.pass(start + 10s), 2U);
    EXPECT_EQ(throttle.pass(start + 10s), 0U);
    EXPECT_FALSE(throttle.pass(start + 11s));
    EXPECT_EQ(throttle.pass(start + 1000s), 1U);
}

}  // namespace
}  // namespace weft
