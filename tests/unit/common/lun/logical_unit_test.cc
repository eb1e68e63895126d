// SPDX-License-Identifier: Apache-2.0
// What a logical unit says about itself, and what it refuses.
#include "common/lun/logical_unit.h"

#include <gtest/gtest.h>

#include "common/lun/absent_unit.h"
#include "tests/support/golden.h"
#include "tests/unit/common/lun/bench.h"

namespace weft::lun {
namespace {

using test::Bench;
using test::from_hex;
using test::geometry_of_test;
using test::golden;
using test::to_hex;
using Attention = NexusUnit::Attention;

constexpr const char* kInquiry = "12 00 00 00 60 00";

TEST(LogicalUnit, Inquiry) {
    Bench bench;
    EXPECT_EQ(bench.run(kInquiry, 96), "good");
    EXPECT_EQ(bench.answer(), to_hex(golden("scsi/inquiry.hex")));
    EXPECT_EQ(bench.run("12 00 00 00 24 00", 36), "good");  // Linux' first one
    EXPECT_EQ(bench.command.data_in_done, 36U);
    EXPECT_EQ(bench.run("12 00 00 00 fe 00", 254), "good");
    EXPECT_EQ(bench.command.data_in_done, 96U);
    EXPECT_EQ(bench.run("12 00 00 00 fe 00", 5), "good");  // never more than there is room for
    EXPECT_EQ(bench.command.data_in_done, 5U);
    EXPECT_EQ(bench.run("12 00 00 00 00 00", 0), "good");
    EXPECT_EQ(bench.run("12 00 80 00 60 00", 96), "05/2400");  // a page without EVPD
    EXPECT_EQ(bench.run("12 01 86 00 60 00", 96), "05/2400");
    EXPECT_EQ(bench.run("12 00 00 00 60 04", 96), "05/2400");  // NACA
}

TEST(LogicalUnit, VitalProductData) {
    Bench bench;
    EXPECT_EQ(bench.run("12 01 00 00 ff 00", 255), "good");
    EXPECT_EQ(bench.answer(), "00 00 00 06 00 80 83 b0 b1 b2");
    EXPECT_EQ(bench.run("12 01 80 00 04 00", 255), "good");
    EXPECT_EQ(bench.answer(), "00 80 00 24");
    EXPECT_EQ(bench.run("12 01 80 00 ff 00", 255), "good");
    EXPECT_EQ(bench.answer().substr(12, 23), "31 62 34 65 32 38 62 61");  // "1b4e28ba"
    EXPECT_EQ(bench.run("12 01 83 00 ff 00", 255), "good");
    EXPECT_EQ(bench.answer(), to_hex(golden("scsi/vpd_83.hex")));
    EXPECT_EQ(bench.run("12 01 b0 00 40 00", 64), "good");
    EXPECT_EQ(
        bench.answer(),
        "00 b0 00 3c 01 00 00 08 00 01 00 00 00 00 02 00 00 00 00 00 00 80 00 00 00 00 00 ff 00 00 00 08 "
        "80 00 00 00 00 00 00 00 00 08 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
    EXPECT_EQ(bench.run("12 01 b1 00 08 00", 64), "good");
    EXPECT_EQ(bench.answer(), "00 b1 00 3c 00 01 00 00");
    EXPECT_EQ(bench.run("12 01 b2 00 08 00", 64), "good");
    EXPECT_EQ(bench.answer(), "00 b2 00 04 00 e4 02 00");
}

TEST(LogicalUnit, TellsHowLongItKeepsWhatItAnswered) {
    const Identity identity{
        .epoch = {.id = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff"), .whole = true}};
    std::array<std::byte, scsi::kVpdBytesMax> page{};
    const auto pages = encode_vpd(0x00, block::Geometry{}, identity, page);
    ASSERT_TRUE(pages);
    EXPECT_EQ(to_hex(std::span(page).first(*pages)), "00 00 00 07 00 80 83 b0 b1 b2 c0");
    const auto bytes = encode_vpd(0xC0, block::Geometry{}, identity, page);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(to_hex(std::span(page).first(*bytes)),
              "00 c0 00 14 57 46 01 01 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff");
    EXPECT_EQ(scsi::decode_epoch(std::span(page).first(*bytes)), identity.epoch);
    EXPECT_FALSE(scsi::decode_epoch(std::span(page).first(*bytes - 1)));
    page[4] = std::byte{0x58};  // another vendor's
    EXPECT_FALSE(scsi::decode_epoch(std::span(page).first(*bytes)));
    EXPECT_FALSE(encode_vpd(0xC0, block::Geometry{}, Identity{}, page));
}

TEST(LogicalUnit, AThickUnitOffersNoUnmap) {
    auto geometry = geometry_of_test();
    geometry.discard_granularity = 0;
    geometry.discard_zeroes = false;
    geometry.volatile_cache = false;
    Bench bench(geometry);
    EXPECT_EQ(bench.run("12 01 b2 00 08 00", 64), "good");
    EXPECT_EQ(bench.answer(), "00 b2 00 04 00 00 00 00");
    EXPECT_EQ(bench.run("9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 32), "good");
    EXPECT_EQ(bench.answer().substr(0, 47), "00 00 00 00 00 00 1f ff 00 00 02 00 00 03 00 00");
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 18 00", 0, std::vector<std::byte>(24)), "05/2000");
    EXPECT_EQ(bench.run("93 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", 0, std::vector<std::byte>(512)),
              "05/2400");
    EXPECT_EQ(bench.run("1a 00 08 00 04 00", 4), "good");
    EXPECT_EQ(bench.answer(), "1f 00 10 08");
    EXPECT_EQ(bench.run("1a 08 08 00 ff 00", 255), "good");
    EXPECT_EQ(bench.answer().substr(12, 8), "08 12 00");  // no cache, so none is advertised
}

TEST(LogicalUnit, Capacity) {
    Bench bench;
    EXPECT_EQ(bench.run("25 00 00 00 00 00 00 00 00 00", 8), "good");
    EXPECT_EQ(bench.answer(), "00 00 1f ff 00 00 02 00");
    EXPECT_EQ(bench.run("9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 32), "good");
    EXPECT_EQ(bench.answer().substr(0, 47), "00 00 00 00 00 00 1f ff 00 00 02 00 00 03 c0 00");
    EXPECT_EQ(bench.run("9e 12 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 32), "05/2400");
}

TEST(LogicalUnit, ModeSense) {
    Bench bench;
    EXPECT_EQ(bench.run("1a 00 3f 00 04 00", 4), "good");
    EXPECT_EQ(bench.answer(), "2b 00 10 08");
    EXPECT_EQ(bench.run("1a 08 08 00 18 00", 24), "good");
    EXPECT_EQ(bench.answer(), "17 00 10 00 08 12 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
    EXPECT_EQ(bench.run("5a 08 0a 05 00 00 00 02 00 00", 512), "05/2400");  // what Linux asks and is refused
    EXPECT_EQ(bench.run("1a 00 ff 00 ff 00", 255), "05/3900");              // saved values
    EXPECT_EQ(bench.run("1a 00 01 00 ff 00", 255), "05/2400");
    bench.nexus.read_only = true;
    EXPECT_EQ(bench.run("1a 00 3f 00 04 00", 4), "good");
    EXPECT_EQ(bench.answer(), "2b 00 90 08");
}

TEST(LogicalUnit, ReportLunsAsksTheInventory) {
    Bench bench;
    EXPECT_EQ(bench.run("a0 00 00 00 00 00 00 00 10 00 00 00", 4096), "good");
    EXPECT_EQ(bench.answer(), "00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00 41 2c 00 00 00 00 00 00");
    EXPECT_EQ(bench.run("a0 00 01 00 00 00 00 00 10 00 00 00", 4096), "good");
    EXPECT_EQ(bench.answer(), "00 00 00 00 00 00 00 00");
    EXPECT_EQ(bench.run("a0 00 03 00 00 00 00 00 10 00 00 00", 4096), "05/2400");
    NexusUnit alone;
    bench.front_end.prepare(bench.command, from_hex("a0 00 00 00 00 00 00 00 10 00 00 00"), 64, {}, false);
    bench.unit.execute(bench.command, alone);
    bench.settle();
    EXPECT_EQ(bench.answer(), "00 00 00 00 00 00 00 00");
}

TEST(LogicalUnit, ReportSupportedOpcodes) {
    Bench bench;
    EXPECT_EQ(bench.run("a3 0c 01 93 00 00 00 00 00 14 00 00", 20), "good");
    EXPECT_EQ(bench.answer(), "00 03 00 10 93 f9 ff ff ff ff ff ff ff ff ff ff ff ff 00 00");
    EXPECT_EQ(bench.run("a3 0c 01 9e 00 00 00 00 00 14 00 00", 20), "05/2400");
    EXPECT_EQ(bench.run("a3 0a 00 00 00 00 00 00 00 14 00 00", 20), "05/2400");
    EXPECT_EQ(bench.run("a3 0c 00 00 00 00 00 00 10 00 00 00", 4096), "good");
    EXPECT_EQ(bench.command.data_in_done, 236U);
}

TEST(LogicalUnit, WhatIsNotServedIsRefused) {
    Bench bench;
    EXPECT_EQ(bench.run("1e 00 00 00 01 00"), "05/2000");  // PREVENT ALLOW
    EXPECT_EQ(bench.run("5f 00 00 00 00 00 00 00 18 00", 0, std::vector<std::byte>(24)), "05/2000");
    EXPECT_EQ(bench.run("7f 00 00 00 00 00 00 18 00 0d 00 00 00 00 00 00"), "05/2000");
    EXPECT_EQ(bench.run("ff 00 00 00 00 00"), "05/2000");
    EXPECT_TRUE(bench.device.history.empty());
}

TEST(LogicalUnit, TestUnitReadyAndStartStop) {
    Bench bench;
    EXPECT_EQ(bench.run("00 00 00 00 00 00"), "good");
    EXPECT_EQ(bench.run("1b 00 00 00 01 00"), "good");
    EXPECT_EQ(bench.device.flushes, 0U);
    EXPECT_EQ(bench.run("1b 00 00 00 00 00"), "good");  // stop: the cache goes to the medium
    EXPECT_EQ(bench.device.flushes, 1U);
    EXPECT_EQ(bench.run("1b 00 00 00 03 00"), "05/2400");
    EXPECT_EQ(bench.run("1b 00 00 00 30 00"), "05/2400");
}

TEST(LogicalUnit, UnitAttentionsComeOnceAndInOrder) {
    Bench bench;
    bench.nexus.raise(Attention::luns_changed);
    bench.nexus.raise(Attention::nexus_loss);
    bench.nexus.raise(Attention::power_on);
    bench.nexus.raise(Attention::power_on);
    bench.nexus.raise(Attention::bus_reset);
    EXPECT_EQ(bench.run(kInquiry, 96), "good");            // bypasses, and leaves them pending
    EXPECT_EQ(bench.run("00 00 00 00 00 00"), "06/2900");  // one of the 29/xx, the strongest
    EXPECT_EQ(bench.run("ff 00 00 00 00 00"), "06/3f0e");  // before anything else is looked at
    EXPECT_EQ(bench.run("00 00 00 00 00 00"), "good");
}

TEST(LogicalUnit, RequestSenseTakesAnAttentionAndReportLunsClearsItsOwn) {
    Bench bench;
    EXPECT_EQ(bench.run("03 00 00 00 fc 00", 252), "good");
    EXPECT_EQ(bench.answer(), "70 00 00 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00");
    bench.nexus.raise(Attention::capacity_changed);
    EXPECT_EQ(bench.run("03 01 00 00 fc 00", 252), "good");
    EXPECT_EQ(bench.answer(), "72 06 2a 09 00 00 00 00");
    EXPECT_EQ(bench.run("00 00 00 00 00 00"), "good");
    bench.nexus.raise(Attention::luns_changed);
    EXPECT_EQ(bench.run("a0 00 00 00 00 00 00 00 10 00 00 00", 4096), "good");
    EXPECT_EQ(bench.run("00 00 00 00 00 00"), "good");
}

TEST(LogicalUnit, EveryAttentionHasItsCode) {
    Bench bench;
    const std::vector<std::pair<Attention, std::string>> codes = {
        {Attention::power_on, "06/2900"},         {Attention::bus_reset, "06/2903"},
        {Attention::nexus_loss, "06/2907"},       {Attention::cleared_by_other, "06/2f00"},
        {Attention::capacity_changed, "06/2a09"}, {Attention::inquiry_changed, "06/3f03"},
        {Attention::luns_changed, "06/3f0e"}};
    for (const auto& [attention, code] : codes) {
        bench.nexus.raise(attention);
        EXPECT_EQ(bench.run("00 00 00 00 00 00"), code);
    }
    EXPECT_FALSE(bench.nexus.pending());
}

TEST(LogicalUnit, AbortOfAnAnswerThatIsReady) {
    Bench bench;
    bench.start(kInquiry, 96);
    bench.front_end.abort(bench.command);
    bench.settle();
    EXPECT_EQ(bench.command.finished, 1);
    EXPECT_TRUE(bench.command.aborted());
    EXPECT_EQ(bench.command.data_in[0], std::byte{0x1F});  // nothing was moved
    EXPECT_EQ(bench.unit.tasks(), 0U);
}

TEST(AbsentUnit, SaysSo) {
    Bench bench;
    AbsentUnit absent(bench.executor);
    const auto run = [&](std::string_view cdb, bool well_known) {
        bench.front_end.prepare(bench.command, from_hex(cdb), 255, {}, false);
        bench.front_end.inside([&] { absent.execute(bench.command, bench.inventory, well_known); });
        bench.settle();
        EXPECT_EQ(bench.command.finished, 1);
        return bench.ending();
    };
    EXPECT_EQ(run(kInquiry, false), "good");
    EXPECT_EQ(bench.command.data_in[0], std::byte{0x7F});
    EXPECT_EQ(bench.command.data_in_done, 96U);
    EXPECT_EQ(run("12 01 00 00 60 00", false), "05/2400");
    EXPECT_EQ(run("a0 00 00 00 00 00 00 00 10 00 00 00", false), "good");
    EXPECT_EQ(bench.answer(), "00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00 41 2c 00 00 00 00 00 00");
    EXPECT_EQ(run("03 00 00 00 fc 00", false), "good");
    EXPECT_EQ(bench.answer(), "70 00 05 00 00 00 00 0a 00 00 00 00 25 00 00 00 00 00");
    EXPECT_EQ(run("00 00 00 00 00 00", false), "05/2500");
    EXPECT_EQ(run("28 00 00 00 00 00 00 00 01 00", false), "05/2500");
    EXPECT_EQ(run("ff 00", false), "05/2500");

    EXPECT_EQ(run(kInquiry, true), "good");
    EXPECT_EQ(bench.command.data_in[0], std::byte{0x1E});
    EXPECT_EQ(run("00 00 00 00 00 00", true), "good");
    EXPECT_EQ(run("03 00 00 00 fc 00", true), "good");
    EXPECT_EQ(run("28 00 00 00 00 00 00 00 01 00", true), "05/2000");
    EXPECT_EQ(absent.tasks(), 0U);
}

}  // namespace
}  // namespace weft::lun
