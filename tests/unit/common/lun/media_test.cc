// SPDX-License-Identifier: Apache-2.0
// Commands that read or change the medium, one at a time.
#include <gtest/gtest.h>

#include "common/scsi/unmap.h"
#include "tests/unit/common/lun/bench.h"

namespace weft::lun {
namespace {

using block::IoOp;
using block::IoStatus;
using test::Bench;
using test::geometry_of_test;

constexpr std::size_t kBlock = 512;

std::vector<std::byte> unmap_list(std::vector<scsi::UnmapExtent> extents) {
    std::vector<std::byte> bytes(scsi::unmap_list_bytes(extents.size()));
    scsi::encode_unmap_list(extents, bytes);
    return bytes;
}

TEST(Media, ReadsOfAllForms) {
    Bench bench;
    const std::vector<std::pair<std::string, std::size_t>> reads = {
        {"08 00 00 10 02 00", 2},
        {"28 00 00 00 00 10 00 00 02 00", 2},
        {"a8 00 00 00 00 10 00 00 00 02 00 00", 2},
        {"88 00 00 00 00 00 00 00 00 10 00 00 00 02 00 00", 2},
        {"28 10 00 00 00 10 00 00 64 00", 100},  // several buffers; DPO
        {"08 00 00 10 00 00", 256},
    };
    for (const auto& [cdb, blocks] : reads) {
        EXPECT_EQ(bench.run(cdb, blocks * kBlock), "good") << cdb;
        EXPECT_EQ(bench.command.data_in_done, blocks * kBlock) << cdb;
        EXPECT_EQ(bench.command.data_in, bench.blocks(16, blocks)) << cdb;
    }
}

TEST(Media, ReadNeverMovesMoreThanThereIsRoomFor) {
    Bench bench;
    EXPECT_EQ(bench.run("28 00 00 00 00 10 00 00 64 00", 700), "good");
    EXPECT_EQ(bench.command.data_in_done, 700U);
    EXPECT_EQ(bench.command.data_in_excess, 100U * kBlock - 700);
    auto expected = bench.blocks(16, 2);
    expected.resize(700);
    EXPECT_EQ(bench.command.data_in, expected);
    EXPECT_EQ(bench.device.history.size(), 1U);
    EXPECT_EQ(bench.run("28 00 00 00 00 10 00 00 64 00", 0), "good");
    EXPECT_EQ(bench.device.history.size(), 1U);
    EXPECT_EQ(bench.run("28 00 00 00 00 10 00 00 01 00", 4096), "good");  // underflow
    EXPECT_EQ(bench.command.data_in_done, 512U);
}

TEST(Media, RangesAreChecked) {
    Bench bench;
    EXPECT_EQ(bench.run("28 00 00 00 20 00 00 00 01 00", 512), "05/2100");
    EXPECT_EQ(bench.run("28 00 00 00 1f ff 00 00 02 00", 1024), "05/2100");
    EXPECT_EQ(bench.run("28 00 00 00 20 00 00 00 00 00"),
              "good");  // nothing at the end: nothing out of range
    EXPECT_EQ(bench.run("28 00 00 00 20 01 00 00 00 00"), "05/2100");  // nothing beyond it
    EXPECT_EQ(bench.run("88 00 ff ff ff ff ff ff ff ff 00 00 00 01 00 00", 512), "05/2100");
    EXPECT_EQ(bench.run("2a 00 00 00 00 00 00 00 00 00"), "good");
    EXPECT_EQ(bench.run("28 20 00 00 00 00 00 00 01 00", 512), "05/2400");  // RDPROTECT
    EXPECT_EQ(bench.run("2a e0 00 00 00 00 00 00 01 00", 0, std::vector<std::byte>(512)), "05/2400");
    EXPECT_TRUE(bench.device.history.empty());
    auto geometry = geometry_of_test();
    geometry.blocks = 0x20000;
    Bench large(geometry);
    EXPECT_EQ(large.run("88 00 00 00 00 00 00 00 00 00 00 01 00 01 00 00", 512), "05/2400");  // > VPD B0
}

TEST(Media, WritesFetchedAndImmediate) {
    Bench bench;
    for (const bool immediate : {false, true}) {
        for (const unsigned blocks : {1U, 16U, 100U}) {
            const auto bytes = bench.pattern(blocks, blocks + (immediate ? 1U : 0U));
            const std::array<std::byte, 10> cdb = {
                std::byte{0x2A}, {}, {}, {}, {}, std::byte{5}, {}, {}, static_cast<std::byte>(blocks)};
            EXPECT_EQ(bench.run(test::to_hex(cdb), 0, bytes, immediate), "good");
            EXPECT_EQ(bench.command.data_out_done, bytes.size());
            EXPECT_EQ(bench.blocks(5, blocks), bytes);
        }
    }
    EXPECT_EQ(bench.run("0a 00 00 01 01 00", 0, bench.pattern(1, 9)), "good");
    EXPECT_EQ(bench.run("aa 00 00 00 00 02 00 00 00 01 00 00", 0, bench.pattern(1, 9)), "good");
    EXPECT_EQ(bench.blocks(1, 1), bench.blocks(2, 1));
    EXPECT_EQ(bench.run("8a 00 00 00 00 00 00 00 00 03 00 00 00 01 00 00", 0, bench.pattern(2, 9)), "good");
    EXPECT_EQ(bench.command.data_out_done, kBlock);  // what is more than the CDB asks for stays where it is
}

TEST(Media, WriteWithTooLittleDataWritesNothing) {
    Bench bench;
    const auto before = bench.device.content;
    EXPECT_EQ(bench.run("2a 00 00 00 00 00 00 00 02 00", 0, bench.pattern(1, 3)), "05/2400");
    EXPECT_EQ(bench.run("2a 00 00 00 00 00 00 00 02 00", 0, bench.pattern(1, 3), true), "05/2400");
    EXPECT_EQ(bench.run("2a 00 00 00 00 00 00 00 02 00"), "05/2400");
    EXPECT_EQ(bench.run("2e 00 00 00 00 00 00 00 02 00", 0, bench.pattern(1, 3)), "05/2400");
    EXPECT_EQ(bench.run("41 00 00 00 00 00 00 00 02 00", 0, std::vector<std::byte>(100)), "05/2400");
    EXPECT_EQ(bench.device.content, before);
}

TEST(Media, ForceUnitAccessReachesTheMedium) {
    Bench bench;
    EXPECT_EQ(bench.run("2a 00 00 00 00 00 00 00 40 00", 0, bench.pattern(64, 1)), "good");
    EXPECT_EQ(bench.device.dirty.size(), 64U);
    EXPECT_EQ(bench.run("2a 08 00 00 00 00 00 00 40 00", 0, bench.pattern(64, 2)), "good");
    EXPECT_TRUE(bench.device.dirty.empty());
    EXPECT_EQ(bench.device.flushes, 0U);

    bench.device.supports_fua = false;  // then a flush stands in
    EXPECT_EQ(bench.run("2a 08 00 00 00 00 00 00 40 00", 0, bench.pattern(64, 3)), "good");
    EXPECT_EQ(bench.blocks(0, 64), bench.pattern(64, 3));
    EXPECT_TRUE(bench.device.dirty.empty());
    EXPECT_EQ(bench.device.flushes, 1U);

    bench.device.fate = [](const block::IoRequest& io) {
        return io.op == IoOp::flush ? IoStatus::io_error : IoStatus::ok;
    };
    EXPECT_EQ(bench.run("2a 08 00 00 00 00 00 00 40 00", 0, bench.pattern(64, 4)), "04/4400");
    EXPECT_EQ(bench.command.data_out_done, 0U);
}

TEST(Media, ForceUnitAccessOfAReadFlushesFirst) {
    Bench bench;
    EXPECT_EQ(bench.run("28 08 00 00 00 00 00 00 08 00", 8 * kBlock), "good");
    EXPECT_EQ(bench.device.history, (std::vector{IoOp::flush, IoOp::read}));
    auto geometry = geometry_of_test();
    geometry.volatile_cache = false;
    Bench durable(geometry);
    EXPECT_EQ(durable.run("28 08 00 00 00 00 00 00 08 00", 8 * kBlock), "good");
    EXPECT_EQ(durable.device.history, (std::vector{IoOp::read}));
}

TEST(Media, SynchronizeCacheIsNeverASuccessWhenTheFlushFailed) {
    Bench bench;
    EXPECT_EQ(bench.run("35 00 00 00 00 00 00 00 00 00"), "good");
    EXPECT_EQ(bench.run("35 02 00 00 00 10 00 00 10 00"), "good");  // IMMED
    EXPECT_EQ(bench.run("91 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00"), "good");
    EXPECT_EQ(bench.device.flushes, 3U);
    EXPECT_EQ(bench.run("35 00 00 00 20 00 00 00 01 00"), "05/2100");
    const std::vector<std::pair<IoStatus, std::string>> endings = {
        {IoStatus::io_error, "04/4400"},     {IoStatus::not_supported, "04/4400"},
        {IoStatus::medium_error, "03/0c00"}, {IoStatus::no_space, "07/2707"},
        {IoStatus::timed_out, "0b/0801"},    {IoStatus::connection_lost, "0b/0800"},
        {IoStatus::aborted, "0b/0006"},      {IoStatus::reservation_conflict, "status 24"}};
    for (const auto& [status, ending] : endings) {
        bench.device.fate = [status = status](const block::IoRequest&) { return status; };
        EXPECT_EQ(bench.run("35 00 00 00 00 00 00 00 00 00"), ending);
    }
}

TEST(Media, AReadErrorNamesItsBlockAndDeliversWhatIsBeforeIt) {
    for (const std::uint64_t bad : {0U, 1U, 15U, 16U, 37U, 99U}) {
        Bench bench;
        bench.device.bad_for_reads = {100 + bad, 100 + bad + 3};
        EXPECT_EQ(bench.run("28 00 00 00 00 64 00 00 64 00", 100 * kBlock),
                  "03/1100 @" + std::to_string(100 + bad));
        EXPECT_EQ(bench.command.data_in_done, bad * kBlock);
        auto head = bench.command.data_in;
        head.resize(bad * kBlock);
        EXPECT_EQ(head, bench.blocks(100, bad));
    }
}

TEST(Media, AWriteErrorSaysHowFarItCame) {
    Bench bench;
    bench.device.bad_for_writes = {100 + 37};
    EXPECT_EQ(bench.run("2a 00 00 00 00 64 00 00 64 00", 0, bench.pattern(100, 1)),
              "03/0c00 @132");  // its piece
    EXPECT_EQ(bench.command.data_out_done, 32 * kBlock);
    auto head = bench.pattern(100, 1);
    head.resize(32 * kBlock);
    EXPECT_EQ(bench.blocks(100, 32), head);
}

TEST(Media, EveryStatusHasItsSense) {
    Bench bench;
    const std::vector<std::pair<IoStatus, std::string>> endings = {
        {IoStatus::io_error, "04/4400 @0"},  {IoStatus::no_space, "07/2707"},
        {IoStatus::data_corrupt, "0b/4705"}, {IoStatus::timed_out, "0b/0801"},
        {IoStatus::read_only, "07/2700"},    {IoStatus::out_of_range, "05/2100"}};
    for (const auto& [status, ending] : endings) {
        bench.device.fate = [status = status](const block::IoRequest&) { return status; };
        EXPECT_EQ(bench.run("28 00 00 00 00 00 00 00 08 00", 8 * kBlock), ending);
        EXPECT_EQ(bench.command.data_in_done, 0U);
        EXPECT_EQ(bench.run("2a 00 00 00 00 00 00 00 08 00", 0, bench.pattern(8, 1)), ending);
    }
}

TEST(Media, BeyondTwoToThe32SenseIsInDescriptorFormat) {
    auto geometry = geometry_of_test();
    geometry.blocks = 8192;
    Bench bench(geometry);
    struct Huge final : block::BlockDevice {
        Huge(Executor& executor, const block::Geometry& shape) : BlockDevice(executor), shape_(shape) {}
        [[nodiscard]] const block::Geometry& geometry() const override { return shape_; }
        [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }
        void do_submit(block::IoRequest& io) override { complete(io, IoStatus::medium_error); }
        block::Geometry shape_;
    };
    geometry.blocks = 0x200000000;
    Huge device(bench.executor, geometry);
    LogicalUnit unit(device, test::identity_of_test());
    bench.front_end.prepare(bench.command, test::from_hex("88 00 00 00 00 01 00 00 00 05 00 00 00 01 00 00"),
                            512, {}, false);
    unit.execute(bench.command, bench.nexus);
    bench.settle();
    EXPECT_EQ(bench.ending(), "03/1100 @4294967301");
    EXPECT_EQ(bench.command.sense.bytes[0], 0x72);
}

TEST(Media, ReadOnlyUnitsAndNexuses) {
    auto geometry = geometry_of_test();
    geometry.read_only = true;
    Bench volume(geometry);
    Bench nexus;
    nexus.nexus.read_only = true;
    for (Bench* bench : {&volume, &nexus}) {
        for (const char* cdb : {"0a 00 00 00 01 00", "2a 00 00 00 00 00 00 00 01 00",
                                "aa 00 00 00 00 00 00 00 00 01", "8a 00 00 00 00 00 00 00 00 00 00 00 00 01",
                                "2e 00 00 00 00 00 00 00 01 00", "41 00 00 00 00 00 00 00 01 00",
                                "93 08 00 00 00 00 00 00 00 00 00 00 00 01", "42 00 00 00 00 00 00 00 18 00"})
            EXPECT_EQ(bench->run(cdb, 0, std::vector<std::byte>(512)), "07/2700") << cdb;
        EXPECT_EQ(bench->run("28 00 00 00 00 00 00 00 01 00", 512), "good");
        EXPECT_EQ(bench->run("35 00 00 00 00 00 00 00 00 00"), "good");
        EXPECT_EQ(bench->run("1a 00 3f 00 04 00", 4), "good");
        EXPECT_EQ(bench->command.data_in[2], std::byte{0x90});
    }
}

TEST(Media, Verify) {
    Bench bench;
    EXPECT_EQ(bench.run("2f 00 00 00 00 64 00 00 64 00"), "good");
    EXPECT_EQ(bench.device.history.front(), IoOp::flush);  // the medium is meant, not the cache
    for (const bool immediate : {false, true}) {
        auto bytes = bench.blocks(100, 100);
        EXPECT_EQ(bench.run("2f 02 00 00 00 64 00 00 64 00", 0, bytes, immediate), "good");
        EXPECT_EQ(bench.command.data_out_done, bytes.size());
        bytes[40 * kBlock + 3] ^= std::byte{1};
        EXPECT_EQ(bench.run("8f 02 00 00 00 00 00 00 00 64 00 00 00 64", 0, bytes, immediate), "0e/1d00");
    }
    EXPECT_EQ(bench.run("2f 04 00 00 00 64 00 00 64 00"), "05/2400");  // BYTCHK 2
    EXPECT_EQ(bench.run("2f 02 00 00 00 64 00 00 64 00", 0, bench.pattern(99, 0)), "05/2400");
    EXPECT_EQ(bench.run("2f 20 00 00 00 64 00 00 64 00"), "05/2400");
    EXPECT_EQ(bench.run("2f 00 00 00 20 00 00 00 01 00"), "05/2100");
    EXPECT_EQ(bench.run("af 00 00 00 00 64 00 00 00 00 00 00"), "good");
    bench.device.bad_for_reads = {150};
    EXPECT_EQ(bench.run("af 00 00 00 00 64 00 00 00 64 00 00"), "03/1100 @150");
}

TEST(Media, WriteAndVerify) {
    Bench bench;
    for (const bool immediate : {false, true}) {
        for (const char* cdb : {"2e 00 00 00 00 64 00 00 64 00", "2e 02 00 00 00 64 00 00 64 00"}) {
            const auto bytes = bench.pattern(100, immediate ? 1 : 2);
            EXPECT_EQ(bench.run(cdb, 0, bytes, immediate), "good");
            EXPECT_EQ(bench.blocks(100, 100), bytes);
            EXPECT_TRUE(bench.device.dirty.empty());
        }
    }
    bench.device.bad_for_reads = {150};  // written well, and cannot be read back
    EXPECT_EQ(bench.run("8e 00 00 00 00 00 00 00 00 64 00 00 00 64", 0, bench.pattern(100, 3)).substr(0, 7),
              "03/1100");
}

TEST(Media, WriteSameOfZeros) {
    Bench bench;
    EXPECT_EQ(bench.run("93 00 00 00 00 00 00 00 00 64 00 00 04 00 00 00", 0, std::vector<std::byte>(512)),
              "good");
    EXPECT_EQ(bench.device.history, (std::vector{IoOp::write_zeroes}));
    EXPECT_EQ(bench.blocks(100, 1024), std::vector<std::byte>(1024 * kBlock));
    EXPECT_EQ(bench.command.data_out_done, 512U);
    bench.device.history.clear();
    EXPECT_EQ(
        bench.run("93 08 00 00 00 00 00 00 00 64 00 00 04 00 00 00", 0, std::vector<std::byte>(512), true),
        "good");
    EXPECT_EQ(bench.device.history, (std::vector{IoOp::discard}));
    bench.device.history.clear();
    EXPECT_EQ(bench.run("93 01 00 00 00 00 00 00 00 64 00 00 00 01 00 00"), "good");  // NDOB
    EXPECT_EQ(bench.device.history, (std::vector{IoOp::write_zeroes}));
}

TEST(Media, WriteSameOfZerosWhereDiscardDoesNotZero) {
    auto geometry = geometry_of_test();
    geometry.discard_zeroes = false;
    geometry.zero_blocks_max = 300;
    Bench bench(geometry);
    EXPECT_EQ(bench.run("93 08 00 00 00 00 00 00 00 64 00 00 04 00 00 00", 0, std::vector<std::byte>(512)),
              "good");
    EXPECT_EQ(bench.device.history, std::vector(4, IoOp::write_zeroes));
    EXPECT_EQ(bench.blocks(100, 1024), std::vector<std::byte>(1024 * kBlock));
    geometry.write_zeroes = false;
    Bench plain(geometry);
    EXPECT_EQ(plain.run("93 08 00 00 00 00 00 00 00 64 00 00 04 00 00 00", 0, std::vector<std::byte>(512)),
              "good");
    EXPECT_EQ(plain.device.history, std::vector(64, IoOp::write));
    EXPECT_EQ(plain.blocks(100, 1024), std::vector<std::byte>(1024 * kBlock));
}

TEST(Media, WriteSameOfAPattern) {
    Bench bench;
    for (const bool immediate : {false, true}) {
        const auto block = bench.pattern(1, immediate ? 4 : 5);
        EXPECT_EQ(bench.run("41 00 00 00 00 64 00 00 64 00", 0, block, immediate), "good");
        for (std::uint64_t i = 0; i < 100; ++i) ASSERT_EQ(bench.blocks(100 + i, 1), block) << i;
    }
    const auto after = bench.blocks(200, 1);
    EXPECT_NE(after, bench.pattern(1, 4));
    EXPECT_EQ(bench.run("41 00 00 00 00 64 00 00 00 00", 0, std::vector<std::byte>(512)), "05/2400");  // WSNZ
    EXPECT_EQ(bench.run("41 10 00 00 00 64 00 00 01 00", 0, std::vector<std::byte>(512)),
              "05/2400");  // ANCHOR
    EXPECT_EQ(bench.run("41 00 00 00 1f ff 00 00 02 00", 0, std::vector<std::byte>(512)), "05/2100");
    bench.device.bad_for_writes = {105};
    EXPECT_EQ(bench.run("41 00 00 00 00 64 00 00 64 00", 0, bench.pattern(1, 4)), "03/0c00 @100");
}

TEST(Media, Unmap) {
    auto geometry = geometry_of_test();
    geometry.discard_blocks_max = 64;
    Bench bench(geometry);
    for (const bool immediate : {false, true}) {
        bench.device.history.clear();
        EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 38 00", 0, unmap_list({{8, 8}, {0, 0}, {100, 100}}),
                            immediate),
                  "good");
        EXPECT_EQ(bench.device.history, std::vector(3, IoOp::discard));
        EXPECT_EQ(bench.blocks(8, 8), std::vector<std::byte>(8 * kBlock));
        EXPECT_EQ(bench.blocks(100, 100), std::vector<std::byte>(100 * kBlock));
        EXPECT_NE(bench.blocks(200, 1), std::vector<std::byte>(kBlock));
    }
    bench.device.history.clear();
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 00 00"), "good");
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 07 00", 0, std::vector<std::byte>(7)), "05/1a00");
    EXPECT_EQ(bench.run("42 01 00 00 00 00 00 00 18 00", 0, unmap_list({{8, 8}})), "05/2400");
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 28 00", 0, unmap_list({{8, 8}})), "05/2400");  // less data
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 28 00", 0, unmap_list({{8, 8}, {8192, 1}})), "05/2100");
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 18 00", 0, unmap_list({{8192, 0}})), "good");
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 10 08 00", 0, unmap_list(std::vector<scsi::UnmapExtent>(256))),
              "05/2600");
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 0f f8 00", 0, unmap_list(std::vector<scsi::UnmapExtent>(255))),
              "good");
    EXPECT_TRUE(bench.device.history.empty());
    bench.device.bad_for_writes = {150};
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 00 28 00", 0, unmap_list({{8, 8}, {100, 100}})),
              "03/0c00 @100");
}

TEST(Media, UnmapLimits) {
    auto geometry = geometry_of_test();
    geometry.blocks = 16384;
    Bench bench(geometry);
    // The sum is what counts: 1024 times the device would be more than VPD B0 allows.
    EXPECT_EQ(bench.run("42 00 00 00 00 00 00 0f f8 00", 0,
                        unmap_list(std::vector<scsi::UnmapExtent>(255, {0, 16384}))),
              "good");  // 255 * 16384 is within 2^23
    geometry.blocks = 65536;
    Bench larger(geometry);
    EXPECT_EQ(larger.run("42 00 00 00 00 00 00 0f f8 00", 0,
                         unmap_list(std::vector<scsi::UnmapExtent>(255, {0, 65536}))),
              "05/2600");
    EXPECT_TRUE(larger.device.history.empty());
}

TEST(Media, ReadsGoStraightOutOfVolumeMemory) {
    Bench bench;
    bench.device.shows_memory = true;
    bench.front_end.reaches_memory = true;
    EXPECT_EQ(bench.run("28 00 00 00 00 10 00 10 00 00", 4096 * kBlock), "good");
    EXPECT_EQ(bench.command.data_in, bench.blocks(16, 4096));
    EXPECT_TRUE(bench.device.history.empty());  // no request, no buffer
    EXPECT_EQ(bench.run("28 08 00 00 00 10 00 00 01 00", kBlock), "good");
    EXPECT_EQ(bench.device.history, (std::vector{IoOp::flush}));
    bench.front_end.reaches_memory = false;
    EXPECT_EQ(bench.run("28 00 00 00 00 10 00 00 01 00", kBlock), "good");
    EXPECT_EQ(bench.device.history.back(), IoOp::read);
}

TEST(Media, ASmallReadHasItsResponseBehindItsData) {
    Bench bench;
    bench.start("28 00 00 00 00 00 00 00 08 00", 8 * kBlock);
    bench.executor.run();
    bench.device.complete_one(0);
    bench.executor.run();
    EXPECT_EQ(bench.command.finished, 1);      // before the delivery is confirmed:
    EXPECT_EQ(bench.front_end.pending(), 1U);  // one post, one completion
    EXPECT_FALSE(bench.command.quiet());
    bench.settle();
    EXPECT_TRUE(bench.command.quiet());
}

TEST(Media, ABrokenChannelEndsTheTask) {
    Bench bench;
    bench.start("2a 00 00 00 00 00 00 00 64 00", 0, bench.pattern(100, 1));
    EXPECT_EQ(bench.front_end.pending(), 4U);
    EXPECT_EQ(bench.command.waits_for(), "data-out");
    bench.front_end.complete_one(1, false);
    bench.settle();
    EXPECT_EQ(bench.command.finished, 1);
    EXPECT_EQ(bench.ending(), "0b/4b00");
    EXPECT_EQ(bench.command.data_out_done, 16 * kBlock);  // what lay behind was let go, not written
    EXPECT_EQ(bench.device.history.size(), 1U);
    bench.start("42 00 00 00 00 00 00 00 18 00", 0, unmap_list({{8, 8}}));
    bench.front_end.complete_one(0, false);
    bench.settle();
    EXPECT_EQ(bench.ending(), "0b/4b00");
}

TEST(Media, AbortWaitsForTheMediumAndForData) {
    Bench bench;
    bench.start("28 00 00 00 00 00 00 00 64 00", 100 * kBlock);
    ASSERT_EQ(bench.device.pending(), 4U);
    EXPECT_EQ(bench.command.waits_for(), "the device");
    bench.device.complete_one(0);
    bench.executor.run();
    ASSERT_EQ(bench.front_end.pending(), 1U);
    bench.front_end.abort(bench.command);
    bench.front_end.abort(bench.command);
    while (bench.device.pending() != 0) {
        bench.executor.run();
        EXPECT_EQ(bench.command.finished, 0);
        bench.device.complete_one(0);
    }
    bench.executor.run();
    EXPECT_EQ(bench.command.finished, 0);  // the initiator's memory may still be written
    EXPECT_TRUE(bench.front_end.complete_one(0));
    bench.executor.run();
    EXPECT_EQ(bench.command.finished, 1);
}

TEST(Media, AbortWhileWaitingForABuffer) {
    Bench bench(geometry_of_test(), 1);
    test::FrontEnd::Command second(bench.front_end, bench.device.scratch_bytes());
    bench.start("28 00 00 00 00 00 00 00 08 00", 8 * kBlock);
    bench.front_end.prepare(second, test::from_hex("28 00 00 00 00 00 00 00 08 00"), 8 * kBlock, {}, false);
    bench.front_end.inside([&] { bench.unit.execute(second, bench.nexus); });
    EXPECT_EQ(second.waits_for(), "a buffer");
    bench.front_end.abort(second);
    bench.executor.run();
    EXPECT_EQ(second.finished, 1);  // nothing of it was under way
    bench.settle();
    EXPECT_EQ(bench.command.finished, 1);
}

}  // namespace
}  // namespace weft::lun
