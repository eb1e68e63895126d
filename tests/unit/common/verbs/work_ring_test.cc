// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/work_ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace weft::verbs {
namespace {

TEST(WorkRing, KnowsWhatTheDeviceHas) {
    WorkRing ring(4);
    EXPECT_TRUE(ring.empty());
    const std::uint32_t first = ring.push({.id = 1});
    const std::uint32_t second = ring.push({.id = 2});
    EXPECT_FALSE(ring.is_posted(first));
    ring.mark_posted(1);
    EXPECT_TRUE(ring.is_posted(first));
    EXPECT_FALSE(ring.is_posted(second));
    EXPECT_FALSE(ring.is_posted(4));
    EXPECT_EQ(ring.held(), 1U);
    ring.hold_all();
    EXPECT_FALSE(ring.is_posted(first));
    EXPECT_EQ(ring.pop().id, 1U);
    EXPECT_EQ(ring.pop().id, 2U);
    EXPECT_TRUE(ring.empty());
}

TEST(WorkRing, AbortsWhenTheDepthIsExceeded) {
    WorkRing ring(1);
    ring.push({.id = 1});
    EXPECT_TRUE(ring.full());
    EXPECT_DEATH(ring.push({.id = 2}), "full");
}

// Against a deque: any order of push, post and pop, at every depth.
TEST(WorkRing, BehavesAsAQueue) {
    std::mt19937 random(1);
    for (std::uint32_t depth = 1; depth < 9; ++depth) {
        WorkRing ring(depth);
        struct Known {
            rdma::WorkId id;
            std::uint32_t index;
        };
        std::deque<Known> model;
        std::uint32_t posted = 0;
        for (rdma::WorkId id = 0; id < 2000; ++id) {
            switch (random() % 3) {
                case 0:
                    if (ring.full()) break;
                    model.push_back({id, ring.push({.id = id})});
                    break;
                case 1:
                    if (posted == model.size()) break;
                    ring.mark_posted(1);
                    ++posted;
                    break;
                default:
                    if (posted == 0) break;
                    ASSERT_EQ(ring.front_index(), model.front().index);
                    ASSERT_EQ(ring.pop().id, model.front().id);
                    model.pop_front();
                    --posted;
            }
            ASSERT_EQ(ring.size(), model.size());
            ASSERT_EQ(ring.posted(), posted);
            for (std::size_t i = 0; i < model.size(); ++i) {
                ASSERT_EQ(ring.is_posted(model[i].index), i < posted);
            }
        }
    }
}

}  // namespace
}  // namespace weft::verbs
