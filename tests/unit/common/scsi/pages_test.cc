// SPDX-License-Identifier: Apache-2.0
// INQUIRY data, VPD pages, capacity, modes: golden bytes and back.
#include <gtest/gtest.h>

#include <array>

#include "common/scsi/capacity.h"
#include "common/scsi/designator.h"
#include "common/scsi/inquiry.h"
#include "common/scsi/mode.h"
#include "common/scsi/vpd.h"
#include "tests/support/golden.h"
#include "tests/support/hex.h"

namespace weft::scsi {
namespace {

using test::from_hex;
using test::golden;
using test::to_hex;

// What an encoder wrote.
template <class Encode>
std::vector<std::byte> encoded(Encode encode) {
    std::vector<std::byte> out(kVpdBytesMax, std::byte{0xEE});
    out.resize(encode(std::span(out)));
    return out;
}

const Uuid kUuid = *Uuid::parse("1b4e28ba-2fa1-4d2e-883f-0016d3cca427");
const StandardInquiry kInquiry{.vendor = "WEFT", .product = "vol1", .revision = "0001"};

TEST(Inquiry, Golden) {
    const auto bytes = encoded([](auto out) { return encode_inquiry_data(kInquiry, out); });
    EXPECT_EQ(to_hex(bytes), to_hex(golden("scsi/inquiry.hex")));
    EXPECT_EQ(decode_inquiry_data(bytes), kInquiry);
}

TEST(Inquiry, OfAKernelTarget) {
    const auto inquiry = decode_inquiry_data(golden("scsi/inquiry_lio.hex"));
    ASSERT_TRUE(inquiry);
    EXPECT_EQ(inquiry->vendor, "LIO-ORG");
    EXPECT_EQ(inquiry->product, "disk0");
    EXPECT_EQ(inquiry->revision, "4.0");
    EXPECT_EQ(inquiry->version, 6);
    EXPECT_EQ(inquiry->tpgs, 3);
}

TEST(Inquiry, OddTextIsMadePrintable) {
    const auto bytes = encoded([](auto out) {
        return encode_inquiry_data({.vendor = "much too long", .product = "a\tb\x80", .revision = ""}, out);
    });
    EXPECT_EQ(decode_inquiry_data(bytes)->vendor, "much too");
    EXPECT_EQ(decode_inquiry_data(bytes)->product, "a?b?");
    EXPECT_FALSE(decode_inquiry_data(std::span(bytes).first(35)));
    EXPECT_TRUE(decode_inquiry_data(std::span(bytes).first(36)));
}

TEST(Vpd, SupportedPagesAndSerial) {
    constexpr std::array<std::uint8_t, 3> kPages = {0x00, 0x80, 0xB0};
    const auto list = encoded([&](auto out) { return encode_supported_pages(kPages, out); });
    EXPECT_EQ(to_hex(list), "00 00 00 03 00 80 b0");
    EXPECT_EQ(decode_supported_pages(list), std::vector<std::uint8_t>(kPages.begin(), kPages.end()));
    const auto serial = encoded([](auto out) { return encode_serial_number("ab1", out); });
    EXPECT_EQ(to_hex(serial), "00 80 00 03 61 62 31");
    EXPECT_EQ(decode_serial_number(serial), "ab1");
    EXPECT_FALSE(decode_serial_number(list));
    EXPECT_FALSE(decode_serial_number(std::span(serial).first(3)));
}

TEST(Vpd, IdentificationGolden) {
    VolumeIdentity identity{.uuid = kUuid, .name = "vol1"};
    for (unsigned i = 0; i < 16; ++i) identity.target_port[i] = static_cast<std::byte>(0xA0U + i);
    const auto bytes = encoded([&](auto out) { return encode_identification(identity, out); });
    EXPECT_EQ(to_hex(bytes), to_hex(golden("scsi/vpd_83.hex")));

    const auto designators = decode_identification(bytes);
    ASSERT_TRUE(designators);
    ASSERT_EQ(designators->size(), 5U);
    EXPECT_EQ((*designators)[0].type, DesignatorType::naa);
    EXPECT_EQ((*designators)[4].association, DesignatorAssociation::target_port);
    EXPECT_EQ((*designators)[4].protocol, 4);
    const auto volume = find_weft_volume(*designators);
    ASSERT_TRUE(volume);
    EXPECT_EQ(volume->name, "vol1");
    EXPECT_EQ(volume->uuid, kUuid);
}

TEST(Vpd, IdentificationOfOthersIsNoWeftVolume) {
    // T10 of another vendor, no UUID.
    const auto bytes = from_hex("00 83 00 0e 02 01 00 0a 4c 49 4f 2d 4f 52 47 20 61 62");
    const auto designators = decode_identification(bytes);
    ASSERT_TRUE(designators);
    EXPECT_EQ(designators->size(), 1U);
    EXPECT_FALSE(find_weft_volume(*designators));
    // A designator longer than the page is left out.
    EXPECT_EQ(decode_identification(from_hex("00 83 00 08 01 03 00 10 60 01 02 03"))->size(), 0U);
    EXPECT_FALSE(decode_identification(from_hex("00 80 00 00")));
}

TEST(Vpd, NaaIsStableAndTellsNeighboursApart) {
    const auto naa = naa_of(kUuid);
    EXPECT_EQ(to_hex(std::as_bytes(std::span(naa))), "60 25 74 6a 2e 15 af a5 88 3f 00 16 d3 cc a4 27");
    for (const char* other : {"1b4e28bb-2fa1-4d2e-883f-0016d3cca427", "2b4e28ba-2fa1-4d2e-883f-0016d3cca427",
                              "1b4e28ba-2fa1-4d2f-883f-0016d3cca427", "1b4e28ba-2fa1-4d2e-883f-0016d3cca428"})
        EXPECT_NE(naa_of(*Uuid::parse(other)), naa) << other;
}

TEST(Vpd, BlockLimitsGolden) {
    const BlockLimits limits{.write_same_nonzero = true,
                             .optimal_granularity = 8,
                             .transfer_max = 0x10000,
                             .transfer_optimal = 0x200,
                             .unmap_blocks_max = 0x800000,
                             .unmap_extents_max = 255,
                             .unmap_granularity = 8,
                             .unmap_alignment = 0,
                             .write_same_max = 0x80000};
    const auto bytes = encoded([&](auto out) { return encode_block_limits(limits, out); });
    EXPECT_EQ(to_hex(bytes), to_hex(golden("scsi/vpd_b0.hex")));
    EXPECT_EQ(decode_block_limits(bytes), limits);
    // An SBC-2 page ends before UNMAP.
    const auto old = decode_block_limits(from_hex("00 b0 00 0c 00 00 00 08 00 00 80 00 00 00 04 00"));
    ASSERT_TRUE(old);
    EXPECT_EQ(old->transfer_max, 0x8000U);
    EXPECT_EQ(old->unmap_blocks_max, 0U);
    EXPECT_FALSE(old->unmap_alignment);
}

TEST(Vpd, CharacteristicsAndProvisioning) {
    const auto flash = encoded([](auto out) { return encode_characteristics({.rotation_rate = 1}, out); });
    EXPECT_EQ(flash.size(), 64U);
    EXPECT_EQ(to_hex(std::span(flash).first(8)), "00 b1 00 3c 00 01 00 00");
    EXPECT_EQ(decode_characteristics(flash), (Characteristics{.rotation_rate = 1}));
    const Provisioning thin{
        .unmap = true, .write_same_16 = true, .write_same_10 = true, .read_zeroes = 1, .type = 2};
    const auto bytes = encoded([&](auto out) { return encode_provisioning(thin, out); });
    EXPECT_EQ(to_hex(bytes), "00 b2 00 04 00 e4 02 00");
    EXPECT_EQ(decode_provisioning(bytes), thin);
}

TEST(Capacity, Golden) {
    const Capacity small{.blocks = 0x01020304, .block_size = 512, .physical_exponent = 3};
    EXPECT_EQ(to_hex(encoded([&](auto out) { return encode_capacity_10(small, out); })),
              "01 02 03 03 00 00 02 00");
    const Capacity big{.blocks = 0x200000000,
                       .block_size = 4096,
                       .thin = true,
                       .unmapped_zeroes = true,
                       .lowest_aligned = 1};
    EXPECT_EQ(to_hex(encoded([&](auto out) { return encode_capacity_10(big, out); })),
              "ff ff ff ff 00 00 10 00");
    const auto sixteen = encoded([&](auto out) { return encode_capacity_16(big, out); });
    EXPECT_EQ(to_hex(sixteen),
              "00 00 00 01 ff ff ff ff 00 00 10 00 00 00 c0 01 "
              "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
    EXPECT_EQ(decode_capacity_16(sixteen), big);
    EXPECT_TRUE(decode_capacity_10(from_hex("ff ff ff ff 00 00 10 00"))->beyond_32_bits);
    EXPECT_EQ(decode_capacity_10(from_hex("00 00 00 07 00 00 02 00")),
              (Capacity{.blocks = 8, .block_size = 512}));
}

TEST(Capacity, AbsurdAnswersAreRefused) {
    EXPECT_FALSE(decode_capacity_10(from_hex("00 00 00 07 00 00 00 00")));
    EXPECT_FALSE(decode_capacity_10(from_hex("00 00 00 07 00 00 02")));
    EXPECT_FALSE(decode_capacity_16(from_hex("00 00 00 00 00 00 00 07 00 00 02 00 00 00 00")));
    EXPECT_FALSE(decode_capacity_16(from_hex("ff ff ff ff ff ff ff ff 00 00 02 00 00 00 00 00")));
}

TEST(Mode, GoldenOfWhatLinuxAsksFor) {
    const ModeParameters parameters{
        .write_protected = true, .dpo_fua = true, .write_cache = true, .blocks = 0x1000, .block_size = 4096};
    const auto mode = [&](const Cdb& cdb) {
        const auto decoded = decode_mode_sense(cdb);
        EXPECT_TRUE(decoded && has_mode_page(*decoded));
        return encoded([&](auto out) { return encode_mode(*decoded, parameters, out); });
    };
    EXPECT_EQ(to_hex(mode(encode_mode_sense_6(0x3F, 0, 4))),
              "2b 00 90 08 00 00 10 00 00 00 10 00 "
              "08 12 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
              "0a 0a 00 10 00 00 00 00 ff ff 00 00");
    EXPECT_EQ(to_hex(mode(encode_mode_sense_10(0x08, 0, 512))),
              "00 22 00 90 00 00 00 08 00 00 10 00 00 00 10 00 "
              "08 12 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
    EXPECT_EQ(
        to_hex(mode(Cdb{std::byte{0x1A}, std::byte{0x08}, std::byte{0x48}, std::byte{0}, std::byte{64}})),
        "17 00 90 00 08 12 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");  // DBD, changeable
    EXPECT_EQ(to_hex(mode(Cdb{std::byte{0x5A}, std::byte{0x10}, std::byte{0x0A}})),
              "00 22 00 90 01 00 00 10 00 00 00 00 00 00 10 00 00 00 00 00 00 00 10 00 "
              "0a 0a 00 10 00 00 00 00 ff ff 00 00");  // LLBAA
    EXPECT_FALSE(has_mode_page(*decode_mode_sense(encode_mode_sense_10(0x0A, 5, 512))));
    EXPECT_FALSE(has_mode_page(*decode_mode_sense(encode_mode_sense_6(0x1C, 0, 255))));
    EXPECT_TRUE(has_mode_page(*decode_mode_sense(encode_mode_sense_6(0x3F, 0xFF, 255))));
}

TEST(Mode, WhatComesBackIsUnderstood) {
    const auto six = decode_mode(from_hex("2b 00 90 08 00 00 10 00 00 00 10 00 08 12 04 00 00 00"), false);
    ASSERT_TRUE(six);
    EXPECT_TRUE(six->write_protected && six->dpo_fua);
    EXPECT_EQ(six->write_cache, true);
    // The four bytes that Linux asks for first.
    const auto four = decode_mode(from_hex("2b 00 10 08"), false);
    ASSERT_TRUE(four);
    EXPECT_TRUE(four->dpo_fua && !four->write_protected && !four->write_cache);
    // A subpage before the caching page; WCE off.
    const auto ten = decode_mode(from_hex("00 1e 00 00 00 00 00 00 4a 05 00 02 00 00 08 12 00 00 00 00 00 00 "
                                          "00 00 00 00 00 00 00 00 00 00"),
                                 true);
    ASSERT_TRUE(ten);
    EXPECT_EQ(ten->write_cache, false);
    // Lengths that lead nowhere.
    EXPECT_TRUE(decode_mode(from_hex("ff 00 00 ff 08 12 04"), false));
    EXPECT_TRUE(decode_mode(from_hex("00 00 00 00 08 12 04"), false));
    EXPECT_FALSE(decode_mode(from_hex("00 00 00"), false));
    EXPECT_FALSE(decode_mode(from_hex("00 00 00 00 00 00 00"), true));
}

}  // namespace
}  // namespace weft::scsi
