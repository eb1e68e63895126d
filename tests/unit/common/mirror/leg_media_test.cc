// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/leg_media.h"

#include <gtest/gtest.h>

#include <cstring>

#include "common/core/slab.h"
#include "tests/support/faulty_device.h"
#include "tests/support/manual_executor.h"

namespace weft::mirror {
namespace {

class Media : public ::testing::Test {
  public:
    Media() {
        superblock.volume = Uuid::from_name("test", "volume");
        superblock.shape = shape_for(device.geometry().bytes(), 4096).value();
        superblock.sequence = 1;
        superblock.epoch = {.number = 1, .id = 7};
        superblock.members.push_back({.uuid = Uuid::from_name("test", "leg"), .state = LegState::in_sync});
    }

    std::optional<Slot> read() {
        std::optional<Slot> slot;
        media.read_superblock([&](auto said) { slot = std::move(said); });
        executor.run();
        return slot;
    }
    bool write(std::uint64_t epoch) {
        superblock.epoch.number = epoch;
        std::optional<bool> durable;
        media.write_superblock(superblock, [&](bool done) { durable = done; });
        executor.run();
        return durable.value();
    }
    // None: not read; 0: neither slot is valid; else its sequence.
    std::optional<std::uint64_t> page_sequence() {
        std::optional<std::uint64_t> sequence;
        media.read_page(superblock.shape, superblock.volume, 0,
                        [&](auto view) { sequence = view ? view->sequence : 0; });
        executor.run();
        return sequence;
    }
    bool write_page(std::uint64_t sequence) {
        MapPage page;
        DirtyMap(superblock.shape).encode(0, superblock.volume, sequence, page);
        const Segment from{room.data() + LegMedia::kRoomBytes, kPageBytes, kNoRegion};
        std::memcpy(from.base, page.data(), page.size());
        bool durable = false;
        media.write_page(superblock.shape, 0, sequence, from, [&](bool done) { durable = done; });
        executor.run();
        return durable;
    }

    test::ManualExecutor executor;
    test::FaultyDevice device{executor, 64U << 20U};
    Slab room = std::move(*Slab::allocate(LegMedia::kRoomBytes + kPageBytes));
    LegMedia media{device, {room.data(), LegMedia::kRoomBytes, kNoRegion}};
    Superblock superblock;
};

TEST_F(Media, superblocks_are_written_by_turns) {
    EXPECT_EQ(read()->kind, SlotKind::blank);
    for (std::uint64_t epoch = 1; epoch <= 5; ++epoch) {
        ASSERT_TRUE(write(epoch));
        const auto slot = read();
        ASSERT_EQ(slot->kind, SlotKind::valid);
        EXPECT_EQ(slot->superblock.epoch.number, epoch);
        EXPECT_EQ(slot->superblock.sequence, epoch);
    }
    // The last two are there.
    std::byte* end = device.bytes.data() + *superblock_at(device.bytes.size(), 1);
    EXPECT_EQ(decode_superblock({end, kPageBytes}).kind, SlotKind::valid);
    EXPECT_EQ(decode_superblock({end + kSlotBytes, kPageBytes}).kind, SlotKind::valid);
}

TEST_F(Media, a_write_that_is_cut_short_leaves_the_one_before) {
    (void)read();
    for (std::uint64_t epoch = 1; epoch <= 6; ++epoch) {
        ASSERT_TRUE(write(epoch));
        device.tear_next_write = true;
        EXPECT_FALSE(write(100));
        const auto slot = read();
        ASSERT_EQ(slot->kind, SlotKind::valid);
        EXPECT_EQ(slot->superblock.epoch.number, epoch);
    }
}

// Nobody said that it is there, but it is.
TEST_F(Media, a_write_of_which_nothing_was_heard_is_found) {
    (void)read();
    ASSERT_TRUE(write(1));
    device.lose_next_answer = true;
    EXPECT_FALSE(write(2));
    EXPECT_EQ(read()->superblock.epoch.number, 2U);
    ASSERT_TRUE(write(3));
    EXPECT_EQ(read()->superblock.epoch.number, 3U);
}

TEST_F(Media, what_is_written_is_durable) {
    (void)read();
    ASSERT_TRUE(write(1));
    ASSERT_TRUE(write_page(1));
    EXPECT_EQ(device.writes_without_fua, 0);
}

TEST_F(Media, what_cannot_be_read_is_not_blank) {
    device.fail_reads = true;
    EXPECT_EQ(read(), std::nullopt);
}

TEST_F(Media, a_leg_without_room_is_something_else) {
    test::FaultyDevice small(executor, kSlotBytes);
    LegMedia other(small, {room.data(), LegMedia::kRoomBytes, kNoRegion});
    std::optional<Slot> slot;
    other.read_superblock([&](auto said) { slot = std::move(said); });
    EXPECT_EQ(slot->kind, SlotKind::foreign);
}

TEST_F(Media, map_pages_are_written_by_turns) {
    EXPECT_EQ(page_sequence(), 0U);
    for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
        ASSERT_TRUE(write_page(sequence));
        EXPECT_EQ(page_sequence(), sequence);
        device.tear_next_write = true;
        EXPECT_FALSE(write_page(sequence + 1));
        EXPECT_EQ(page_sequence(), sequence);
    }
}

}  // namespace
}  // namespace weft::mirror
