// SPDX-License-Identifier: Apache-2.0
// LUNs, UNMAP lists and the table of supported commands.
#include "common/scsi/lun.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/scsi/supported_opcodes.h"
#include "common/scsi/unmap.h"
#include "tests/support/hex.h"

namespace weft::scsi {
namespace {

using test::from_hex;
using test::to_hex;

std::optional<Lun> lun_of(std::string_view text) {
    const auto bytes = from_hex(text);
    LunBytes lun{};
    std::copy(bytes.begin(), bytes.end(), lun.begin());
    return decode_lun(lun);
}

TEST(Lun, BothFormsNameTheSameUnit) {
    EXPECT_EQ(lun_of("00 05"), Lun{.number = 5});
    EXPECT_EQ(lun_of("40 05"), Lun{.number = 5});
    EXPECT_EQ(lun_of("41 2c"), Lun{.number = 300});  // flat space
    EXPECT_EQ(lun_of("01 2c"), Lun{.number = 300});  // how Linux writes it
    EXPECT_EQ(lun_of("c1 01"), Lun{.report_luns = true});
    EXPECT_FALSE(lun_of("c1 02"));
    EXPECT_FALSE(lun_of("80 01"));
    EXPECT_FALSE(lun_of("00 05 00 01"));
    EXPECT_FALSE(lun_of("00 00 00 00 00 00 00 01"));
}

TEST(Lun, Encoded) {
    EXPECT_EQ(to_hex(encode_lun({.number = 0})), "00 00 00 00 00 00 00 00");
    EXPECT_EQ(to_hex(encode_lun({.number = 255})), "00 ff 00 00 00 00 00 00");
    EXPECT_EQ(to_hex(encode_lun({.number = 256})), "41 00 00 00 00 00 00 00");
    EXPECT_EQ(to_hex(encode_lun({.report_luns = true})), "c1 01 00 00 00 00 00 00");
    for (std::uint16_t number = 0; number <= kLunMax; ++number)
        ASSERT_EQ(decode_lun(encode_lun({.number = number})), Lun{.number = number});
}

TEST(Lun, ReportLuns) {
    const std::array luns = {Lun{.number = 0}, Lun{.number = 7}};
    std::vector<std::byte> out(64);
    out.resize(encode_report_luns(luns, out));
    EXPECT_EQ(to_hex(out), "00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 00 00 00");
    const auto whole = decode_report_luns_list(out);
    ASSERT_TRUE(whole);
    EXPECT_TRUE(whole->complete);
    ASSERT_EQ(whole->luns.size(), 2U);
    EXPECT_EQ(decode_lun(whole->luns[1]), luns[1]);
    const auto cut = decode_report_luns_list(std::span(out).first(20));
    ASSERT_TRUE(cut);
    EXPECT_FALSE(cut->complete);
    EXPECT_EQ(cut->luns.size(), 1U);
    EXPECT_EQ(cut->bytes_needed, 24U);
    EXPECT_FALSE(decode_report_luns_list(std::span(out).first(7)));
    EXPECT_FALSE(decode_report_luns_list(from_hex("00 00 00 09 00 00 00 00 00")));
}

TEST(Lun, ReportLunsDoesNotLeaveItsRoom) {
    const std::vector<Lun> luns(10, Lun{.number = 3});
    std::vector<std::byte> out(8 + 2 * 8 + 5);
    EXPECT_EQ(encode_report_luns(luns, out), 24U);
    EXPECT_EQ(to_hex(std::span(out).first(4)), "00 00 00 50");
}

TEST(Unmap, Golden) {
    const std::array extents = {UnmapExtent{0x0102030405060708, 0x11121314}, UnmapExtent{1, 2}};
    std::vector<std::byte> out(unmap_list_bytes(2));
    EXPECT_EQ(encode_unmap_list(extents, out), 40U);
    EXPECT_EQ(to_hex(out),
              "00 26 00 20 00 00 00 00 01 02 03 04 05 06 07 08 11 12 13 14 00 00 00 00 "
              "00 00 00 00 00 00 00 01 00 00 00 02 00 00 00 00");
    const auto list = UnmapList::decode(out, out.size());
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 2U);
    EXPECT_EQ(list->at(0), extents[0]);
    EXPECT_EQ(list->at(1), extents[1]);
}

TEST(Unmap, TruncatedListsKeepTheirWholeDescriptors) {
    std::vector<std::byte> out(unmap_list_bytes(3));
    encode_unmap_list(std::array<UnmapExtent, 3>{}, out);
    EXPECT_EQ(UnmapList::decode(std::span(out).first(39), 39)->size(), 1U);
    EXPECT_EQ(UnmapList::decode(std::span(out).first(8), 8)->size(), 0U);
    EXPECT_FALSE(UnmapList::decode(std::span(out).first(7), 7));
    // Only a part of the list is here, all of it counts.
    const auto part = UnmapList::decode(std::span(out).first(24), out.size());
    EXPECT_EQ(part->size(), 1U);
    EXPECT_EQ(part->announced(), 3U);
    // The header says less than was sent.
    EXPECT_EQ(UnmapList::decode(
                  from_hex("00 16 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"), 24)
                  ->announced(),
              0U);
}

std::vector<std::byte> opcodes(const ReportOpcodesCdb& cdb, bool thin = true) {
    std::vector<std::byte> out(kSupportedOpcodesBytesMax);
    const auto bytes = encode_supported_opcodes(cdb, thin, out);
    out.resize(bytes.value_or(0));
    return out;
}

TEST(SupportedOpcodes, OneCommand) {
    // What sd asks: INQUIRY, WRITE SAME(16).
    EXPECT_EQ(to_hex(opcodes({.options = 1, .opcode = 0x12})), "00 03 00 06 12 01 ff ff ff 00");
    EXPECT_EQ(to_hex(opcodes({.options = 1, .opcode = 0x93})),
              "00 03 00 10 93 f9 ff ff ff ff ff ff ff ff ff ff ff ff 00 00");
    EXPECT_EQ(to_hex(opcodes({.options = 1, .opcode = 0x5F})), "00 01 00 00");
    EXPECT_EQ(to_hex(opcodes({.options = 2, .opcode = 0x9E, .service_action = 0x10})),
              "00 03 00 10 9e 10 00 00 00 00 00 00 00 00 ff ff ff ff 00 00");
    EXPECT_EQ(to_hex(opcodes({.timeouts = true, .options = 3, .opcode = 0x00})),
              "00 83 00 06 00 00 00 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00");
    EXPECT_EQ(to_hex(opcodes({.options = 3, .opcode = 0x00, .service_action = 1})), "00 01 00 00");
    EXPECT_EQ(to_hex(opcodes({.options = 2, .opcode = 0x9E, .service_action = 0x12})), "00 01 00 00");
    EXPECT_TRUE(opcodes({.options = 1, .opcode = 0x9E}).empty());                       // has service actions
    EXPECT_TRUE(opcodes({.options = 2, .opcode = 0x28, .service_action = 0}).empty());  // has none
    EXPECT_TRUE(opcodes({.options = 4}).empty());
}

TEST(SupportedOpcodes, All) {
    const auto all = opcodes({});
    EXPECT_EQ(all.size(), 4 + 8 * supported_commands().size());
    EXPECT_EQ(to_hex(std::span(all).first(12)), "00 00 00 e8 00 00 00 00 00 00 00 06");
    EXPECT_EQ(opcodes({}, false).size(), all.size() - 8);
    EXPECT_EQ(opcodes({.timeouts = true}).size(), 4 + 20 * supported_commands().size());
}

TEST(SupportedOpcodes, EveryCdbLengthAgreesWithItsGroup) {
    for (const auto& command : supported_commands()) {
        EXPECT_EQ(command.cdb_bytes, cdb_length(static_cast<std::uint8_t>(command.opcode)));
        EXPECT_EQ(command.usage[0], static_cast<std::uint8_t>(command.opcode));
    }
}

TEST(SupportedOpcodes, Find) {
    EXPECT_EQ(find_supported(encode_read(0, 1), false).command->opcode, Opcode::read_10);
    EXPECT_EQ(find_supported(encode_unmap(0), false).command, nullptr);
    EXPECT_NE(find_supported(encode_unmap(0), true).command, nullptr);
    const auto status = find_supported(from_hex("9e 12 00 00 00 00 00 00 00 00 00 00 00 00 00 00"), true);
    EXPECT_EQ(status.command, nullptr);
    EXPECT_TRUE(status.opcode_known);
    EXPECT_EQ(find_supported(from_hex("28 00 00"), true).command, nullptr);
    EXPECT_FALSE(find_supported(from_hex("1e 00 00 00 00 00"), true).opcode_known);
    EXPECT_EQ(find_supported({}, true).command, nullptr);
}

}  // namespace
}  // namespace weft::scsi
