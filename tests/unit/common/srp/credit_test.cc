// SPDX-License-Identifier: Apache-2.0
#include "common/srp/credit.h"

#include <gtest/gtest.h>

#include <random>

namespace weft::srp {
namespace {

TEST(RequestLimit, keeps_one_for_task_management) {
    RequestLimit limit;
    EXPECT_FALSE(limit.allows_task_management());
    limit.assign(2);
    EXPECT_TRUE(limit.allows_command());
    limit.take();
    EXPECT_FALSE(limit.allows_command());
    EXPECT_TRUE(limit.allows_task_management());
    limit.take();
    EXPECT_FALSE(limit.allows_task_management());
    EXPECT_TRUE(limit.add(-2));
    EXPECT_EQ(limit.value(), -2);
    EXPECT_TRUE(limit.add(4));
    EXPECT_TRUE(limit.allows_command());
    EXPECT_FALSE(limit.add(std::numeric_limits<std::int32_t>::max()));
    EXPECT_EQ(limit.value(), 2);
}

// Whatever the order of requests, responses and aborts, both sides' sums agree.
TEST(CreditLedger, mirrors_the_initiators_limit) {
    constexpr std::uint32_t kLimit = 16;
    std::mt19937 random(1);
    CreditLedger ledger(kLimit);
    RequestLimit limit;
    limit.assign(kLimit);
    std::uint32_t in_use = 0;
    for (int step = 0; step < 10000; ++step) {
        switch (random() % 3) {
            case 0:
                if (!limit.allows_task_management()) break;
                limit.take();
                ASSERT_TRUE(ledger.spend());
                ++in_use;
                break;
            case 1:
                if (in_use == 0) break;
                ledger.release();
                --in_use;
                break;
            default: ASSERT_TRUE(limit.add(ledger.collect()));
        }
        ASSERT_EQ(static_cast<std::uint32_t>(limit.value()), ledger.granted());
        ASSERT_EQ(ledger.in_use(), in_use);
        ASSERT_EQ(ledger.granted() + ledger.owed() + ledger.in_use(), kLimit);
    }
}

TEST(CreditLedger, notices_overspending) {
    CreditLedger ledger(1);
    EXPECT_TRUE(ledger.spend());
    EXPECT_FALSE(ledger.spend());
}

}  // namespace
}  // namespace weft::srp
