// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/superblock.h"

#include <gtest/gtest.h>

#include "common/core/crc32c.h"
#include "tests/support/golden.h"

namespace weft::mirror {
namespace {

Superblock some() {
    Superblock superblock;
    superblock.volume = Uuid::parse("00112233-4455-6677-8899-aabbccddeeff").value();
    superblock.name = "data";
    superblock.shape = {.block_size = 4096, .region_bytes = 1U << 20U, .bytes = 63U << 20U};
    superblock.sequence = 0x0102030405060708;
    superblock.epoch = {.number = 7, .id = 0x1111111111111111};
    superblock.previous = {.number = 6, .id = 0x2222222222222222};
    superblock.clean = true;
    superblock.owner = Uuid::parse("a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf").value();
    superblock.owner_name = "node1";
    superblock.ownership = 3;
    superblock.self = 1;
    Member lost;
    lost.uuid = Uuid::parse("b0b1b2b3-b4b5-b6b7-b8b9-babbbcbdbebf").value();
    lost.state = LegState::rebuilding;
    lost.parted = {.epoch = {.number = 5, .id = 0x3333333333333333}, .in_sync = 3};
    lost.doubts = {{.epoch = {.number = 6, .id = 0x4444444444444444}, .in_sync = 1}};
    lost.from_nothing = true;
    lost.copied = 9;
    Member self;
    self.uuid = Uuid::parse("c0c1c2c3-c4c5-c6c7-c8c9-cacbcccdcecf").value();
    self.state = LegState::in_sync;
    superblock.members = {lost, self};
    return superblock;
}

TEST(Superblock, is_these_bytes) {
    const auto bytes = test::golden("mirror_superblock.txt");
    const SuperblockPage page = encode(some());
    ASSERT_LT(bytes.size(), page.size());
    const std::span<const std::byte> all(page);
    // All but the checksum, which the next test is about.
    const std::vector<std::byte> begin(all.begin(), all.begin() + 12);
    EXPECT_EQ(begin, std::vector<std::byte>(bytes.begin(), bytes.begin() + 12));
    const std::vector<std::byte> rest(all.begin() + 16,
                                      all.begin() + static_cast<std::ptrdiff_t>(bytes.size()));
    EXPECT_EQ(rest, std::vector<std::byte>(bytes.begin() + 16, bytes.end()));
    for (const std::byte byte : all.subspan(bytes.size())) ASSERT_EQ(byte, std::byte{0});
}

TEST(Superblock, has_a_checksum_over_the_whole_page) {
    SuperblockPage page = encode(some());
    const std::vector<std::byte> said(page.begin() + 12, page.begin() + 16);
    std::fill(page.begin() + 12, page.begin() + 16, std::byte{0});
    const std::uint32_t crc = crc32c(page);
    for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(said[i], static_cast<std::byte>(crc >> (24 - 8 * i)));
}

TEST(Superblock, survives_its_bytes) {
    const Slot slot = decode_superblock(encode(some()));
    ASSERT_EQ(slot.kind, SlotKind::valid) << slot.problem;
    EXPECT_EQ(slot.superblock, some());
}

TEST(Superblock, any_bit_that_flips_is_noticed) {
    const SuperblockPage page = encode(some());
    for (std::size_t bit = 0; bit < page.size() * 8; bit += 7) {
        SuperblockPage bad = page;
        bad.at(bit / 8) ^= static_cast<std::byte>(1U << bit % 8);
        ASSERT_NE(decode_superblock(bad).kind, SlotKind::valid) << bit;
    }
}

TEST(Superblock, what_is_there_is_told_apart) {
    SuperblockPage page{};
    EXPECT_EQ(decode_superblock(page).kind, SlotKind::blank);
    page[4000] = std::byte{1};
    EXPECT_EQ(decode_superblock(page).kind, SlotKind::foreign);
    page = encode(some());
    page[4000] = std::byte{1};
    EXPECT_EQ(decode_superblock(page).kind, SlotKind::damaged);
}

TEST(Superblock, the_higher_sequence_is_valid_and_a_write_cut_short_is_none) {
    Superblock older = some();
    --older.sequence;
    const Slot first = decode_superblock(encode(older));
    const Slot second = decode_superblock(encode(some()));
    EXPECT_EQ(newest(first, second).superblock, some());
    EXPECT_EQ(newest(second, first).superblock, some());
    Slot torn{.kind = SlotKind::damaged, .problem = "torn"};
    EXPECT_EQ(newest(first, torn).superblock, older);
    EXPECT_EQ(newest(Slot{}, first).superblock, older);
    EXPECT_EQ(newest(torn, Slot{}).kind, SlotKind::damaged);
    EXPECT_EQ(newest(second, second).kind, SlotKind::damaged);
    Slot foreign{.kind = SlotKind::foreign};
    EXPECT_EQ(newest(Slot{}, foreign).kind, SlotKind::foreign);
    // Who knows what a later version wrote there.
    Slot newer{.kind = SlotKind::newer, .problem = "newer"};
    EXPECT_EQ(newest(first, newer).kind, SlotKind::newer);
    Superblock other = some();
    other.volume = Uuid::random();
    ++other.sequence;
    EXPECT_EQ(newest(second, decode_superblock(encode(other))).kind, SlotKind::damaged);
}

TEST(Superblock, one_that_cannot_be_is_not_written) {
    EXPECT_EQ(fault_of(some()), "");
    const auto faulty = [](auto change) {
        Superblock superblock = some();
        change(superblock);
        return !fault_of(superblock).empty();
    };
    EXPECT_TRUE(faulty([](Superblock& it) { it.volume = {}; }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.name = std::string(64, 'x'); }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.sequence = 0; }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.previous.number = it.epoch.number; }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.self = 2; }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.members.clear(); }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.members.resize(9, it.members[0]); }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.members[0].uuid = it.members[1].uuid; }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.members[0].copied = 64; }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.members[0].doubts.resize(5); }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.members[0].state = LegState::in_sync; }));
    EXPECT_TRUE(faulty([](Superblock& it) { it.shape.region_bytes = 12345; }));
}

TEST(Crc32c, is_the_one_of_the_standard) {
    // RFC 3720, B.4, and the usual check value.
    EXPECT_EQ(crc32c(std::as_bytes(std::span("123456789", 9))), 0xE3069283U);
    EXPECT_EQ(crc32c(std::vector<std::byte>(32)), 0x8A9136AAU);
    const auto text = std::as_bytes(std::span("123456789", 9));
    EXPECT_EQ(crc32c(text.subspan(4), crc32c(text.first(4))), 0xE3069283U);
}

}  // namespace
}  // namespace weft::mirror
