// SPDX-License-Identifier: Apache-2.0
#include "common/srp/command.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/golden.h"

namespace weft::srp {
namespace {

std::vector<std::byte> encoded(const CommandContent& content) {
    std::vector<std::byte> bytes(encoded_bytes(content), std::byte{0xEE});
    EXPECT_EQ(encode(bytes, content), bytes.size());
    return bytes;
}

TEST(Command, read_with_direct_descriptor) {
    const auto bytes = test::golden("srp/command_read_direct.hex");
    const auto view = decode_command(bytes, 0);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->tag, (Tag{{0x18, 0, 0, 0, 0, 0, 0, 0}}));
    EXPECT_EQ(view->cdb.size(), 16U);
    EXPECT_EQ(view->cdb[0], std::byte{0x28});
    EXPECT_EQ(view->data_out.format, BufferFormat::none);
    EXPECT_EQ(view->data_in.format, BufferFormat::direct);
    EXPECT_EQ(view->data_in.length, 4096U);
    const MemoryDescriptor descriptor = DescriptorTable(view->data_in.list)[0];
    EXPECT_EQ(descriptor, (MemoryDescriptor{.address = 0x102030400, .rkey = 0x1234, .length = 4096}));
    EXPECT_EQ(encoded({.tag = view->tag,
                       .lun = view->lun,
                       .cdb = view->cdb,
                       .data_in = BufferContent::direct(descriptor)}),
              bytes);
}

TEST(Command, write_with_indirect_descriptor) {
    const auto bytes = test::golden("srp/command_write_indirect.hex");
    const auto view = decode_command(bytes, 0);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->lun[1], std::byte{5});
    EXPECT_EQ(view->data_out.format, BufferFormat::indirect);
    EXPECT_EQ(view->data_out.length, 4096U);
    EXPECT_FALSE(view->data_out.external());
    const DescriptorTable table(view->data_out.list);
    ASSERT_EQ(table.size(), 2U);
    const std::vector<MemoryDescriptor> descriptors{table[0], table[1]};
    EXPECT_EQ(encoded({.tag = view->tag,
                       .lun = view->lun,
                       .cdb = view->cdb,
                       .data_out = {.format = BufferFormat::indirect,
                                    .length = 4096,
                                    .descriptors = descriptors,
                                    .table = view->data_out.table}}),
              bytes);
}

TEST(Command, write_with_immediate_data) {
    auto bytes = test::golden("srp/command_write_immediate.hex");
    const auto view = decode_command(bytes, 68);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->data_out.format, BufferFormat::immediate);
    EXPECT_EQ(view->data_out.immediate.data(), bytes.data() + 68);
    EXPECT_EQ(view->data_out.immediate.size(), 16U);

    EXPECT_FALSE(decode_command(bytes, 0)) << "not agreed on at login";
    EXPECT_FALSE(decode_command(bytes, 48)) << "overlaps the descriptor";
    EXPECT_FALSE(decode_command(std::span(bytes).first(83), 68)) << "cut short";
    EXPECT_FALSE(decode_command(std::span(bytes).first(60), 68));

    const auto sent = encoded({.tag = view->tag,
                               .cdb = view->cdb,
                               .data_out = {.format = BufferFormat::immediate, .length = 16},
                               .immediate_offset = 68});
    EXPECT_EQ(sent.size(), 68U);
    EXPECT_TRUE(std::equal(sent.begin(), sent.begin() + 52, bytes.begin()));
    for (std::size_t i = 52; i < 68; ++i) EXPECT_EQ(sent[i], std::byte{0}) << "old bytes leaked at " << i;
}

TEST(Command, additional_cdb_and_both_directions) {
    std::vector<std::byte> cdb(32);
    cdb[0] = std::byte{0x7F};
    cdb[31] = std::byte{0x55};
    const MemoryDescriptor out{.address = 0x1000, .rkey = 1, .length = 512};
    const MemoryDescriptor in{.address = 0x2000, .rkey = 2, .length = 1024};
    const auto bytes = encoded({.tag = Tag::of(5),
                                .attribute = TaskAttribute::ordered,
                                .cdb = cdb,
                                .data_out = BufferContent::direct(out),
                                .data_in = BufferContent::direct(in)});
    EXPECT_EQ(bytes.size(), 48U + 16U + 32U);
    EXPECT_EQ(bytes[31], std::byte{16});
    const auto view = decode_command(bytes, 68);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->attribute, TaskAttribute::ordered);
    EXPECT_TRUE(std::equal(view->cdb.begin(), view->cdb.end(), cdb.begin(), cdb.end()));
    EXPECT_EQ(DescriptorTable(view->data_out.list)[0], out);
    EXPECT_EQ(DescriptorTable(view->data_in.list)[0], in);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(decode_command(std::span(bytes).first(size), 68)) << size;
}

TEST(Command, malformed) {
    const auto good = test::golden("srp/command_read_direct.hex");
    const auto with = [&](std::size_t at, unsigned value) {
        auto bytes = good;
        bytes[at] = static_cast<std::byte>(value);
        return decode_command(bytes, 68);
    };
    EXPECT_TRUE(with(1, 0x06));
    EXPECT_FALSE(with(0, 0x01)) << "another opcode";
    EXPECT_FALSE(with(5, 0x03)) << "immediate DATA-IN";
    EXPECT_FALSE(with(5, 0x04)) << "reserved DATA-IN format";
    EXPECT_FALSE(with(5, 0x41)) << "reserved DATA-OUT format";
    EXPECT_FALSE(with(29, 3)) << "reserved task attribute";
    EXPECT_FALSE(with(31, 0x10)) << "additional CDB bytes that leave no room for the descriptor";
    EXPECT_FALSE(decode_command({}, 68));
}

}  // namespace
}  // namespace weft::srp
