// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/layout.h"

#include <gtest/gtest.h>

namespace weft::mirror {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40U;

TEST(Layout, data_first_then_the_map_then_two_superblocks) {
    constexpr std::uint64_t kLeg = 64 * kMiB + 5 * 4096;
    const Shape shape = shape_for(kLeg, 4096).value();
    EXPECT_EQ(shape.region_bytes, kMiB);
    EXPECT_EQ(shape.bytes, 63 * kMiB);
    EXPECT_EQ(shape.pages(), 1U);
    // The odd end of the leg is not used.
    EXPECT_EQ(superblock_at(kLeg, 0), 64 * kMiB - 64 * 1024);
    EXPECT_EQ(superblock_at(kLeg, 1), 64 * kMiB - 128 * 1024);
    EXPECT_EQ(map_page_at(shape, kLeg, 0, 0), 64 * kMiB - 128 * 1024 - 2 * 4096);
    EXPECT_EQ(map_page_at(shape, kLeg, 0, 1), 64 * kMiB - 128 * 1024 - 4096);
    EXPECT_TRUE(fits(shape, kLeg));
    EXPECT_FALSE(fits(shape, 63 * kMiB));
}

TEST(Layout, is_as_large_as_can_be_at_every_size) {
    for (std::uint64_t leg = kRegionBytesMin; leg < 5 * kMiB; leg += 4096) {
        const auto shape = shape_for(leg, 4096, kRegionBytesMin);
        if (!shape) {
            EXPECT_LT(leg, kRegionBytesMin + 3 * kSlotBytes);
            continue;
        }
        ASSERT_TRUE(fits(*shape, leg)) << leg;
        Shape larger = *shape;
        larger.bytes += larger.region_bytes;
        ASSERT_FALSE(fits(larger, leg)) << leg;
        ASSERT_GE(map_page_at(*shape, leg, 0, 0), shape->bytes);
    }
}

TEST(Layout, a_map_of_a_large_volume_stays_small) {
    const Shape shape = shape_for(100 * kTiB, 4096).value();
    EXPECT_EQ(shape.region_bytes, 8 * kMiB);
    EXPECT_LE(shape.metadata_bytes(), 16 * kMiB);
    EXPECT_FALSE(shape_for(100 * kTiB, 4096, kRegionBytesMin)) << "more regions than there can be";
}

TEST(Layout, what_cannot_be_is_refused) {
    EXPECT_FALSE(shape_for(kMiB, 4096));
    EXPECT_FALSE(shape_for(0, 4096));
    EXPECT_FALSE(shape_for(64 * kMiB, 1024));
    EXPECT_FALSE(shape_for(64 * kMiB, 4096, 3 * kMiB));
    EXPECT_FALSE(shape_for(64 * kMiB, 4096, 4096));
    EXPECT_EQ(superblock_at(2 * kSlotBytes - 1, 0), std::nullopt);
}

}  // namespace
}  // namespace weft::mirror
