// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/dirty_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weft::mirror {
namespace {

const Uuid kVolume = Uuid::from_name("test", "volume");

Shape shape_of(std::uint64_t regions) {
    return {.block_size = 4096, .region_bytes = kRegionBytesMin, .bytes = regions * kRegionBytesMin};
}

TEST(DirtyMap, keeps_what_it_is_told) {
    constexpr std::uint64_t kRegions = 2 * kRegionsPerPage + 77;
    DirtyMap map(shape_of(kRegions));
    std::vector<RegionState> model(kRegions, RegionState::never_written);
    std::mt19937_64 chance(1);
    for (int i = 0; i < 20000; ++i) {
        const std::uint64_t region = chance() % kRegions;
        const auto state = static_cast<RegionState>(chance() % 3);
        map.set(region, state);
        model[region] = state;
    }
    std::map<RegionState, std::uint64_t> counts;
    for (std::uint64_t region = 0; region < kRegions; ++region) {
        ASSERT_EQ(map.at(region), model[region]);
        ++counts[model[region]];
    }
    for (const auto& [state, count] : counts) EXPECT_EQ(map.count(state), count);
    // Every dirty one is found, and no other.
    std::uint64_t from = 0;
    for (std::uint64_t region = 0; region < kRegions; ++region) {
        if (model[region] != RegionState::dirty) continue;
        ASSERT_EQ(map.next_dirty(from), region);
        from = region + 1;
    }
    EXPECT_EQ(map.next_dirty(from), std::nullopt);
}

TEST(DirtyMap, finds_the_only_one_of_many) {
    DirtyMap map(shape_of(1'000'001));
    EXPECT_EQ(map.next_written(0), std::nullopt);
    for (const std::uint64_t region :
         {std::uint64_t{0}, std::uint64_t{31}, std::uint64_t{500'003}, std::uint64_t{1'000'000}}) {
        map.set(region, RegionState::clean);
        EXPECT_EQ(map.next_written(region), region);
        EXPECT_EQ(map.next_written(0), region);
        EXPECT_EQ(map.next_dirty(0), std::nullopt);
        map.set(region, RegionState::never_written);
    }
}

TEST(DirtyMap, survives_its_pages) {
    const Shape shape = shape_of(kRegionsPerPage + 5);
    DirtyMap map(shape);
    map.set(0, RegionState::dirty);
    map.set(2, RegionState::clean);
    map.set(kRegionsPerPage, RegionState::clean);
    map.set(kRegionsPerPage + 4, RegionState::dirty);
    DirtyMap again(shape);
    for (std::uint64_t page = 0; page < map.pages(); ++page) {
        MapPage bytes;
        map.encode(page, kVolume, 12 + page, bytes);
        const auto view = decode_map_page(bytes, kVolume, page);
        ASSERT_TRUE(view);
        EXPECT_EQ(view->sequence, 12 + page);
        again.merge(page, *view);
    }
    for (std::uint64_t region = 0; region < map.regions(); ++region)
        ASSERT_EQ(again.at(region), map.at(region));
}

TEST(DirtyMap, its_page_is_these_bytes) {
    DirtyMap map(shape_of(6));
    map.set(1, RegionState::clean);
    map.set(3, RegionState::dirty);
    map.set(4, RegionState::clean);
    MapPage bytes;
    map.encode(0, kVolume, 0x0102, bytes);
    EXPECT_EQ(bytes[0], std::byte{'W'});
    EXPECT_EQ(bytes[3], std::byte{'P'});
    EXPECT_EQ(bytes[14], std::byte{0x01});
    EXPECT_EQ(bytes[15], std::byte{0x02});
    EXPECT_EQ(bytes[16], std::byte{kVolume.bytes[0]});
    EXPECT_EQ(bytes[31], std::byte{0});
    EXPECT_EQ(bytes[32], std::byte{0b10'00'01'00});
    EXPECT_EQ(bytes[33], std::byte{0b00'00'00'01});
    EXPECT_EQ(bytes[34], std::byte{0});
}

TEST(DirtyMap, the_later_state_counts_when_legs_differ) {
    DirtyMap a(shape_of(9));
    DirtyMap b(shape_of(9));
    for (std::uint64_t region = 0; region < 9; ++region) {
        a.set(region, static_cast<RegionState>(region / 3));
        b.set(region, static_cast<RegionState>(region % 3));
    }
    MapPage bytes;
    b.encode(0, kVolume, 1, bytes);
    a.merge(0, *decode_map_page(bytes, kVolume, 0));
    for (std::uint64_t region = 0; region < 9; ++region)
        EXPECT_EQ(a.at(region), static_cast<RegionState>(std::max(region / 3, region % 3)));
}

TEST(DirtyMap, a_page_that_is_not_whole_or_not_this_one_is_none) {
    DirtyMap map(shape_of(kRegionsPerPage + 5));
    MapPage bytes;
    map.encode(1, kVolume, 1, bytes);
    EXPECT_FALSE(decode_map_page(bytes, kVolume, 0));
    EXPECT_FALSE(decode_map_page(bytes, Uuid::from_name("test", "other"), 1));
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 11) {
        MapPage bad = bytes;
        bad.at(bit / 8) ^= static_cast<std::byte>(1U << bit % 8);
        ASSERT_FALSE(decode_map_page(bad, kVolume, 1)) << bit;
    }
    EXPECT_FALSE(decode_map_page(MapPage{}, kVolume, 0));
    map.lose(1);
    EXPECT_EQ(map.count(RegionState::dirty), 5U);
    EXPECT_EQ(map.next_dirty(0), kRegionsPerPage);
}

// Bits that a later version may mean something else by: nothing is lost by taking them for dirty.
TEST(DirtyMap, an_unknown_state_is_dirty) {
    DirtyMap map(shape_of(1));
    MapPage bytes{};
    bytes[0] = std::byte{3};
    map.merge(0, MapPageView{.sequence = 1, .states = bytes});
    EXPECT_EQ(map.at(0), RegionState::dirty);
}

}  // namespace
}  // namespace weft::mirror
