// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/work_key.h"

#include <gtest/gtest.h>

#include <array>

namespace weft::verbs {
namespace {

TEST(WorkKey, KeepsEveryFieldAtItsLimits) {
    constexpr std::array<std::uint16_t, 3> kEnds{0, 1, 0xFFFF};
    for (const std::uint16_t slot : kEnds) {
        for (const std::uint16_t generation : kEnds) {
            for (const std::uint32_t index : {0U, 1U, 0x7FFFFFFFU}) {
                for (const bool receive : {false, true}) {
                    const WorkKey key{
                        .slot = slot, .generation = generation, .receive = receive, .index = index};
                    EXPECT_EQ(WorkKey::decode(key.encode()), key);
                }
            }
        }
    }
}

TEST(WorkKey, TellsSendFromReceiveAndGenerations) {
    const WorkKey key{.slot = 3, .generation = 4, .index = 5};
    WorkKey other = key;
    other.receive = true;
    EXPECT_NE(key.encode(), other.encode());
    other = key;
    other.generation = 5;
    EXPECT_NE(key.encode(), other.encode());
}

}  // namespace
}  // namespace weft::verbs
