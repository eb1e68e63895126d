// SPDX-License-Identifier: Apache-2.0
#include "common/srp/descriptor.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace weft::srp {
namespace {

std::vector<std::byte> table_of(const std::vector<MemoryDescriptor>& descriptors) {
    std::vector<std::byte> bytes(descriptors.size() * kDescriptorBytes);
    encode_descriptors(bytes, descriptors);
    return bytes;
}

constexpr std::uint64_t kTop = std::numeric_limits<std::uint64_t>::max();

TEST(Descriptor, table_holds_what_it_says) {
    const auto bytes = table_of({{.address = 0x1000, .rkey = 1, .length = 100},
                                 {.address = 0, .rkey = 0, .length = 0},
                                 {.address = 0x9000, .rkey = 2, .length = 28}});
    const DescriptorTable table(bytes);
    ASSERT_EQ(table.size(), 3U);
    EXPECT_EQ(table[2], (MemoryDescriptor{.address = 0x9000, .rkey = 2, .length = 28}));
    EXPECT_TRUE(table.holds(128));
    EXPECT_FALSE(table.holds(129));
    EXPECT_TRUE(DescriptorTable().holds(0));
    EXPECT_FALSE(DescriptorTable().holds(1));
}

TEST(Descriptor, wrap_around_is_refused) {
    EXPECT_TRUE(DescriptorTable(table_of({{.address = kTop - 100, .length = 100}})).holds(100));
    EXPECT_FALSE(DescriptorTable(table_of({{.address = kTop - 99, .length = 100}})).holds(100));
    EXPECT_FALSE(DescriptorTable(table_of({{.address = kTop, .length = 0xFFFFFFFF}})).holds(0));
}

TEST(Descriptor, cursor_walks_and_goes_back) {
    const auto bytes = table_of({{.address = 0x1000, .rkey = 1, .length = 100},
                                 {.address = 0x2000, .rkey = 7, .length = 0},
                                 {.address = 0x9000, .rkey = 2, .length = 28}});
    DescriptorCursor cursor{DescriptorTable(bytes)};
    EXPECT_EQ(cursor.at(0, 1000), (MemoryDescriptor{.address = 0x1000, .rkey = 1, .length = 100}));
    EXPECT_EQ(cursor.at(90, 4), (MemoryDescriptor{.address = 0x105A, .rkey = 1, .length = 4}));
    EXPECT_EQ(cursor.at(100, 1000), (MemoryDescriptor{.address = 0x9000, .rkey = 2, .length = 28}));
    EXPECT_EQ(cursor.at(127, 1000), (MemoryDescriptor{.address = 0x901B, .rkey = 2, .length = 1}));
    EXPECT_EQ(cursor.at(1, 1), (MemoryDescriptor{.address = 0x1001, .rkey = 1, .length = 1}));
}

TEST(Descriptor, indirect_limits) {
    const std::vector<MemoryDescriptor> two{{.address = 1, .rkey = 1, .length = 10},
                                            {.address = 100, .rkey = 1, .length = 20}};
    std::vector<std::byte> bytes(64);
    BufferContent content{.format = BufferFormat::indirect,
                          .length = 30,
                          .descriptors = two,
                          .table = {.address = 0x4000, .rkey = 3, .length = 32}};
    const std::size_t size = encode_buffer(bytes, content);
    EXPECT_EQ(size, 52U);
    const auto decoded = decode_buffer(bytes, 2, 2);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->bytes, 52U);
    EXPECT_EQ(decoded->buffer.length, 30U);
    EXPECT_FALSE(decoded->buffer.external());
    EXPECT_FALSE(decode_buffer(std::span(bytes).first(51), 2, 2));  // too short

    const auto partial = decode_buffer(bytes, 2, 1);
    ASSERT_TRUE(partial);
    EXPECT_TRUE(partial->buffer.external());

    const auto refused = [&](BufferContent bad) {
        encode_buffer(bytes, bad);
        return !decode_buffer(bytes, 2, 2);
    };
    BufferContent bad = content;
    bad.length = 31;  // more than the descriptors hold
    EXPECT_TRUE(refused(bad));
    bad = content;
    bad.table.length = 33;  // not whole descriptors
    EXPECT_TRUE(refused(bad));
    bad.table.length = 16;  // fewer than the IU carries
    EXPECT_TRUE(refused(bad));
    bad.table.length = (kIndirectDescriptorsMax + 1) * 16;
    EXPECT_TRUE(refused(bad));
    bad.table = {.address = kTop - 40, .rkey = 0, .length = 48};  // wraps
    EXPECT_TRUE(refused(bad));
}

TEST(Descriptor, reserved_formats) {
    const std::vector<std::byte> bytes(64);
    for (unsigned format = 4; format < 16; ++format) EXPECT_FALSE(decode_buffer(bytes, format, 0));
    EXPECT_EQ(decode_buffer({}, 0, 255)->bytes, 0U);
    EXPECT_FALSE(decode_buffer({}, 1, 0));
    EXPECT_FALSE(decode_buffer({}, 3, 0));
}

}  // namespace
}  // namespace weft::srp
