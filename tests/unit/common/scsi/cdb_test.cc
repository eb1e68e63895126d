// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/cdb.h"

#include <gtest/gtest.h>

#include "tests/support/hex.h"

namespace weft::scsi {
namespace {

using test::from_hex;
using test::to_hex;

// The first bytes of a CDB; the rest must be zero.
std::string text(const Cdb& cdb, std::size_t length) {
    for (std::size_t i = length; i < cdb.size(); ++i) EXPECT_EQ(cdb[i], std::byte{0}) << i;
    return to_hex(std::span(cdb).first(length));
}

TEST(Cdb, GoldenBytesOfWhatAnInitiatorSends) {
    EXPECT_EQ(text(encode_test_unit_ready(), 6), "00 00 00 00 00 00");
    EXPECT_EQ(text(encode_request_sense(252), 6), "03 00 00 00 fc 00");
    EXPECT_EQ(text(encode_request_sense(252, true), 6), "03 01 00 00 fc 00");
    EXPECT_EQ(text(encode_inquiry(96), 6), "12 00 00 00 60 00");
    EXPECT_EQ(text(encode_inquiry_vpd(0x83, 0x0404), 6), "12 01 83 04 04 00");
    EXPECT_EQ(text(encode_report_luns(4096), 12), "a0 00 00 00 00 00 00 00 10 00 00 00");
    EXPECT_EQ(text(encode_read_capacity_10(), 10), "25 00 00 00 00 00 00 00 00 00");
    EXPECT_EQ(text(encode_read_capacity_16(32), 16), "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00");
    EXPECT_EQ(text(encode_mode_sense_6(0x3F, 0, 4), 6), "1a 00 3f 00 04 00");
    EXPECT_EQ(text(encode_mode_sense_10(0x08, 0xFF, 512), 10), "5a 00 08 ff 00 00 00 02 00 00");
    EXPECT_EQ(text(encode_synchronize_cache(), 10), "35 00 00 00 00 00 00 00 00 00");
    EXPECT_EQ(text(encode_unmap(24), 10), "42 00 00 00 00 00 00 00 18 00");
    EXPECT_EQ(text(encode_write_same_16(0x100, 8, true), 16),
              "93 08 00 00 00 00 00 00 01 00 00 00 00 08 00 00");
    EXPECT_EQ(text(encode_write_same_16(1, 8, false, true), 16),
              "93 01 00 00 00 00 00 00 00 01 00 00 00 08 00 00");
}

TEST(Cdb, ReadAndWriteUseTheShortFormWhereItFits) {
    EXPECT_EQ(text(encode_read(0x01020304, 0xFFFF), 10), "28 00 01 02 03 04 00 ff ff 00");
    EXPECT_EQ(text(encode_write(8, 1, {.fua = true}), 10), "2a 08 00 00 00 08 00 00 01 00");
    EXPECT_EQ(text(encode_write(8, 1, {.dpo = true}), 10), "2a 10 00 00 00 08 00 00 01 00");
    EXPECT_EQ(text(encode_read(0x100000000, 1), 16), "88 00 00 00 00 01 00 00 00 00 00 00 00 01 00 00");
    EXPECT_EQ(text(encode_write(0, 0x10000), 16), "8a 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00");
    EXPECT_EQ(text(encode_write_16(1, 2, {.fua = true}), 16),
              "8a 08 00 00 00 00 00 00 00 01 00 00 00 02 00 00");
    EXPECT_EQ(text(encode_read_16(1, 2), 16), "88 00 00 00 00 00 00 00 00 01 00 00 00 02 00 00");
}

TEST(Cdb, LengthFollowsFromTheGroup) {
    EXPECT_EQ(cdb_length(0x12), 6U);
    EXPECT_EQ(cdb_length(0x28), 10U);
    EXPECT_EQ(cdb_length(0x5A), 10U);
    EXPECT_EQ(cdb_length(0x88), 16U);
    EXPECT_EQ(cdb_length(0xA0), 12U);
    EXPECT_EQ(cdb_length(0x7F), 0U);
    EXPECT_EQ(cdb_length(0xC0), 0U);
}

TEST(Cdb, MediaRangesOfAllLengthsAreRead) {
    const auto six = decode_media(from_hex("08 f2 34 56 00 00"));
    ASSERT_TRUE(six);
    EXPECT_EQ(six->lba, 0x123456U);  // 21 bits
    EXPECT_EQ(six->blocks, 256U);    // 0 means 256 here, and only here
    EXPECT_EQ(six->flags, 0U);
    const auto ten = decode_media(from_hex("2a 38 01 02 03 04 00 00 00 00"));
    ASSERT_TRUE(ten);
    EXPECT_EQ(ten->lba, 0x01020304U);
    EXPECT_EQ(ten->blocks, 0U);
    EXPECT_EQ(ten->protect(), 1U);
    EXPECT_TRUE(ten->dpo() && ten->fua());
    const auto twelve = decode_media(from_hex("af 02 01 02 03 04 11 12 13 14 00 00"));
    ASSERT_TRUE(twelve);
    EXPECT_EQ(twelve->blocks, 0x11121314U);
    EXPECT_EQ(twelve->byte_check(), 1U);
    const auto sixteen = decode_media(from_hex("93 19 01 02 03 04 05 06 07 08 11 12 13 14 00 00"));
    ASSERT_TRUE(sixteen);
    EXPECT_EQ(sixteen->lba, 0x0102030405060708U);
    EXPECT_TRUE(sixteen->anchor() && sixteen->unmap() && sixteen->ndob());
}

TEST(Cdb, TooShortIsRefused) {
    for (const std::string_view full :
         {"08 00 00 00 00 00", "28 00 00 00 00 00 00 00 00 00", "a8 00 00 00 00 00 00 00 00 00 00 00",
          "88 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"}) {
        auto bytes = from_hex(full);
        EXPECT_TRUE(decode_media(bytes)) << full;
        bytes.pop_back();
        EXPECT_FALSE(decode_media(bytes)) << full;
    }
    EXPECT_FALSE(decode_media({}));
    EXPECT_FALSE(decode_media(from_hex("7f 00 00 00 00 00 00 18 00 0d 00 00 00 00 00 00")));
    EXPECT_FALSE(decode_inquiry(from_hex("12 00 00 00 60")));
    EXPECT_FALSE(decode_mode_sense({}));
    EXPECT_FALSE(decode_mode_sense(from_hex("5a 00 3f 00 00 00")));
    EXPECT_FALSE(decode_read_capacity({}));
    EXPECT_FALSE(decode_read_capacity(from_hex("9e 10 00 00")));
    EXPECT_FALSE(decode_unmap(from_hex("42")));
    EXPECT_FALSE(decode_report_luns(from_hex("a0 00")));
    EXPECT_FALSE(decode_report_opcodes(from_hex("a3 0c")));
}

TEST(Cdb, WhatIsEncodedIsDecoded) {
    const auto inquiry = decode_inquiry(encode_inquiry_vpd(0xB2, 0x1234));
    ASSERT_TRUE(inquiry);
    EXPECT_TRUE(inquiry->evpd);
    EXPECT_EQ(inquiry->page, 0xB2);
    EXPECT_EQ(inquiry->allocation, 0x1234);
    EXPECT_EQ(decode_report_luns(encode_report_luns(0x12345678))->allocation, 0x12345678U);
    EXPECT_EQ(decode_read_capacity(encode_read_capacity_16(32))->allocation, 32U);
    EXPECT_EQ(decode_read_capacity(encode_read_capacity_10())->allocation, 8U);
    EXPECT_EQ(decode_unmap(encode_unmap(0xFFF8))->parameter_length, 0xFFF8);
    const auto mode = decode_mode_sense(encode_mode_sense_10(0x3F, 0xFF, 0x0102));
    ASSERT_TRUE(mode);
    EXPECT_TRUE(mode->ten);
    EXPECT_EQ(mode->page, 0x3F);
    EXPECT_EQ(mode->subpage, 0xFF);
    EXPECT_EQ(mode->allocation, 0x0102);
    const auto media = decode_media(encode_write(77, 9, {.fua = true}));
    ASSERT_TRUE(media);
    EXPECT_EQ(media->lba, 77U);
    EXPECT_EQ(media->blocks, 9U);
    EXPECT_TRUE(media->fua());
}

TEST(Cdb, ModeSenseFields) {
    const auto mode = decode_mode_sense(from_hex("1a 08 88 05 ff 00"));
    ASSERT_TRUE(mode);
    EXPECT_FALSE(mode->ten);
    EXPECT_TRUE(mode->no_block_descriptor);
    EXPECT_EQ(mode->control, 2U);
    EXPECT_EQ(mode->page, 0x08);
    EXPECT_EQ(mode->subpage, 5U);
    EXPECT_EQ(mode->allocation, 255U);
}

TEST(Cdb, StartStopAndReportOpcodesFields) {
    const auto start = decode_start_stop(from_hex("1b 01 00 00 33 00"));
    ASSERT_TRUE(start);
    EXPECT_TRUE(start->immed && start->load_eject && start->start);
    EXPECT_EQ(start->power_condition, 3U);
    const auto opcodes = decode_report_opcodes(from_hex("a3 0c 82 9e 00 10 00 00 02 00 00 00"));
    ASSERT_TRUE(opcodes);
    EXPECT_TRUE(opcodes->timeouts);
    EXPECT_EQ(opcodes->options, 2U);
    EXPECT_EQ(opcodes->opcode, 0x9E);
    EXPECT_EQ(opcodes->service_action, 0x10);
    EXPECT_EQ(opcodes->allocation, 512U);
}

}  // namespace
}  // namespace weft::scsi
