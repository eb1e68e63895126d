// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/parameters.h"

#include <gtest/gtest.h>

namespace weft::ublk {
namespace {

block::Geometry plain() {
    block::Geometry geometry;
    geometry.blocks = 1000;
    return geometry;
}

TEST(Parameters, of_a_plain_device) {
    const auto parameters = parameters_of(plain(), 524288);
    ASSERT_TRUE(parameters);
    EXPECT_EQ(parameters->length, 80U);
    EXPECT_EQ(parameters->types, abi::kParametersBasic);
    EXPECT_EQ(parameters->basic.attributes, 0U);
    EXPECT_EQ(parameters->basic.logical_block_shift, 12);
    EXPECT_EQ(parameters->basic.physical_block_shift, 12);
    EXPECT_EQ(parameters->basic.minimal_io_shift, 12);
    EXPECT_EQ(parameters->basic.optimal_io_shift, 19);
    EXPECT_EQ(parameters->basic.sectors_max, 1024U);
    EXPECT_EQ(parameters->basic.device_sectors, 8000U);
    EXPECT_EQ(parameters->basic.chunk_sectors, 0U);
}

TEST(Parameters, flush_and_fua_only_with_a_volatile_cache) {
    block::Geometry geometry = plain();
    geometry.volatile_cache = true;
    EXPECT_EQ(parameters_of(geometry, 4096)->basic.attributes,
              abi::kAttributeVolatileCache | abi::kAttributeFua);
    geometry.volatile_cache = false;
    geometry.read_only = geometry.rotational = true;
    EXPECT_EQ(parameters_of(geometry, 4096)->basic.attributes,
              abi::kAttributeReadOnly | abi::kAttributeRotational);
}

TEST(Parameters, small_blocks_and_preferred_sizes) {
    block::Geometry geometry = plain();
    geometry.block_size = 512;
    geometry.physical_block_size = 4096;
    geometry.optimal_blocks = 300;  // 150 KiB: 128 is the power of two below
    const auto parameters = parameters_of(geometry, 524288);
    EXPECT_EQ(parameters->basic.logical_block_shift, 9);
    EXPECT_EQ(parameters->basic.physical_block_shift, 12);
    EXPECT_EQ(parameters->basic.optimal_io_shift, 17);
    EXPECT_EQ(parameters->basic.device_sectors, 1000U);
    geometry.optimal_blocks = 1;
    EXPECT_EQ(parameters_of(geometry, 524288)->basic.optimal_io_shift, 12);
}

TEST(Parameters, discard_and_write_zeroes) {
    block::Geometry geometry = plain();
    geometry.discard_granularity = 4;
    auto parameters = parameters_of(geometry, 4096);
    EXPECT_EQ(parameters->types, abi::kParametersBasic | abi::kParametersDiscard);
    EXPECT_EQ(parameters->discard.granularity, 16384U);
    EXPECT_EQ(parameters->discard.segments_max, 1);
    EXPECT_EQ(parameters->discard.discard_sectors_max, 1U << 22U);
    EXPECT_EQ(parameters->discard.zero_sectors_max, 0U);
    geometry.discard_blocks_max = 102;  // 25 whole units of 4
    EXPECT_EQ(parameters_of(geometry, 4096)->discard.discard_sectors_max, 800U);
    geometry.discard_blocks_max = ~std::uint64_t{0};
    EXPECT_EQ(parameters_of(geometry, 4096)->discard.discard_sectors_max, 1U << 22U);

    geometry = plain();
    geometry.write_zeroes = true;
    geometry.zero_blocks_max = 100;
    parameters = parameters_of(geometry, 4096);
    EXPECT_EQ(parameters->types, abi::kParametersBasic | abi::kParametersDiscard);
    EXPECT_EQ(parameters->discard.granularity, 4096U) << "the kernel wants one all the same";
    EXPECT_EQ(parameters->discard.discard_sectors_max, 0U);
    EXPECT_EQ(parameters->discard.zero_sectors_max, 800U);
}

TEST(Parameters, that_ublk_cannot_say) {
    block::Geometry geometry = plain();
    geometry.blocks = 0;
    EXPECT_FALSE(parameters_of(geometry, 4096));
    geometry = plain();
    geometry.block_size = 8192;
    EXPECT_FALSE(parameters_of(geometry, 4096));
    geometry = plain();
    geometry.physical_block_size = 512;
    EXPECT_FALSE(parameters_of(geometry, 4096));
    geometry = plain();
    geometry.discard_granularity = 1U << 20U;
    EXPECT_FALSE(parameters_of(geometry, 4096));
}

TEST(IoBytes, are_what_both_sides_take) {
    block::Geometry geometry = plain();
    EXPECT_EQ(*io_bytes_of(geometry, 524288), 524288U);
    geometry.transfer_blocks_max = 256;
    EXPECT_EQ(*io_bytes_of(geometry, 524288), 524288U);
    geometry.transfer_blocks_max = 16;
    EXPECT_EQ(*io_bytes_of(geometry, 524288), 65536U);
    geometry.block_size = 512;
    EXPECT_EQ(*io_bytes_of(geometry, 524288), 8192U);
    geometry.transfer_blocks_max = 15;
    EXPECT_EQ(*io_bytes_of(geometry, 524288), 4096U);
    geometry.transfer_blocks_max = 7;
    EXPECT_FALSE(io_bytes_of(geometry, 524288));
    EXPECT_FALSE(io_bytes_of(plain(), 5000));
    EXPECT_FALSE(io_bytes_of(plain(), 0));
}

TEST(Disk, is_served_by_a_tree_that_offers_at_least_what_it_promised) {
    block::Geometry geometry = plain();
    geometry.discard_granularity = 1;
    geometry.write_zeroes = true;
    geometry.volatile_cache = true;
    const abi::Parameters disk = *parameters_of(geometry, 65536);
    EXPECT_EQ(cannot_serve(geometry, disk), std::nullopt);

    block::Geometry better = geometry;
    better.volatile_cache = false;
    better.transfer_blocks_max = 16;
    EXPECT_EQ(cannot_serve(better, disk), std::nullopt);

    const auto worse = [&](auto change) {
        block::Geometry other = geometry;
        change(other);
        return cannot_serve(other, disk).has_value();
    };
    EXPECT_TRUE(worse([](auto& g) { g.blocks = 999; }));
    EXPECT_TRUE(worse([](auto& g) { g.blocks = 1001; }));
    EXPECT_TRUE(worse([](auto& g) { g.block_size = 512, g.blocks = 8000; }));
    EXPECT_TRUE(worse([](auto& g) { g.transfer_blocks_max = 15; }));
    EXPECT_TRUE(worse([](auto& g) { g.read_only = true; }));
    EXPECT_TRUE(worse([](auto& g) { g.discard_granularity = 0; }));
    EXPECT_TRUE(worse([](auto& g) { g.discard_blocks_max = 10; }));
    EXPECT_TRUE(worse([](auto& g) { g.write_zeroes = false; }));
    EXPECT_TRUE(cannot_serve(geometry, abi::Parameters{}).has_value());

    block::Geometry uncached = geometry;
    uncached.volatile_cache = false;
    EXPECT_TRUE(cannot_serve(geometry, *parameters_of(uncached, 65536)).has_value())
        << "no flush would ever come";
}

}  // namespace
}  // namespace weft::ublk
