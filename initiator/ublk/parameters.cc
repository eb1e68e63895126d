// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/parameters.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace weft::ublk {

namespace {

constexpr std::uint32_t kPage = 4096;
// Of one discard or write-zeroes: 2 GiB, which the block layer can express in bytes.
constexpr std::uint64_t kUnlimitedSectors = std::uint64_t{1} << 22U;

std::uint8_t shift_of(std::uint64_t power_of_two) {
    return static_cast<std::uint8_t>(std::countr_zero(power_of_two));
}

// A limit of the device in blocks (0: none) as sectors, a multiple of `unit` sectors where that leaves
// anything.
std::uint32_t sectors_max(std::uint64_t blocks_max, std::uint32_t block_size, std::uint64_t unit) {
    const std::uint64_t per_block = block_size / abi::kSectorBytes;
    std::uint64_t sectors = kUnlimitedSectors;
    if (blocks_max != 0 && blocks_max < kUnlimitedSectors / per_block) sectors = blocks_max * per_block;
    if (unit != 0 && sectors >= unit) sectors -= sectors % unit;
    return static_cast<std::uint32_t>(sectors);
}

std::uint32_t attributes_of(const block::Geometry& geometry) {
    std::uint32_t attributes = 0;
    if (geometry.read_only) attributes |= abi::kAttributeReadOnly;
    if (geometry.rotational) attributes |= abi::kAttributeRotational;
    if (geometry.volatile_cache) attributes |= abi::kAttributeVolatileCache | abi::kAttributeFua;
    return attributes;
}

std::uint64_t optimal_bytes(const block::Geometry& geometry, std::uint32_t io_bytes_max) {
    const std::uint64_t asked = std::uint64_t{geometry.optimal_blocks} * geometry.block_size;
    const std::uint64_t bytes = std::min<std::uint64_t>(asked == 0 ? io_bytes_max : asked, io_bytes_max);
    return std::max<std::uint64_t>(std::bit_floor(bytes), geometry.physical_block_size);
}

abi::DiscardParameters discard_of(const block::Geometry& geometry) {
    abi::DiscardParameters discard;
    const std::uint64_t granularity = std::uint64_t{geometry.discard_granularity} * geometry.block_size;
    // The kernel wants one even where only write-zeroes is supported.
    discard.granularity =
        granularity != 0 ? static_cast<std::uint32_t>(granularity) : geometry.physical_block_size;
    if (granularity != 0) {
        discard.discard_sectors_max =
            sectors_max(geometry.discard_blocks_max, geometry.block_size, granularity / abi::kSectorBytes);
        discard.segments_max = 1;
    }
    if (geometry.write_zeroes)
        discard.zero_sectors_max = sectors_max(geometry.zero_blocks_max, geometry.block_size, 0);
    return discard;
}

}  // namespace

Result<std::uint32_t> io_bytes_of(const block::Geometry& geometry, std::uint32_t wanted) {
    if (wanted < kPage || wanted % kPage != 0)
        return fail("the largest request is a multiple of 4096 bytes, not " + std::to_string(wanted));
    const std::uint64_t taken = std::uint64_t{geometry.transfer_blocks_max} * geometry.block_size;
    if (taken == 0 || taken >= wanted) return wanted;
    if (taken < kPage)
        return fail("the device takes at most " + std::to_string(taken) + " bytes at once; ublk needs 4096");
    return static_cast<std::uint32_t>(taken - taken % kPage);
}

Result<abi::Parameters> parameters_of(const block::Geometry& geometry, std::uint32_t io_bytes_max) {
    const std::uint32_t block = geometry.block_size;
    const std::uint32_t physical = geometry.physical_block_size;
    if (!std::has_single_bit(block) || block < abi::kSectorBytes || block > kPage)
        return fail("ublk has no block size of " + std::to_string(block) + " bytes");
    if (!std::has_single_bit(physical) || physical < block)
        return fail("ublk has no physical block size of " + std::to_string(physical) + " bytes");
    if (geometry.blocks == 0) return fail("the device is empty");
    if (std::uint64_t{geometry.discard_granularity} * block > std::numeric_limits<std::uint32_t>::max())
        return fail("the device's discard granularity is 4 GiB or more");

    abi::Parameters parameters;
    parameters.types = abi::kParametersBasic;
    parameters.basic.attributes = attributes_of(geometry);
    parameters.basic.logical_block_shift = shift_of(block);
    parameters.basic.physical_block_shift = shift_of(physical);
    parameters.basic.minimal_io_shift = shift_of(physical);
    parameters.basic.optimal_io_shift = shift_of(optimal_bytes(geometry, io_bytes_max));
    parameters.basic.sectors_max = io_bytes_max / abi::kSectorBytes;
    parameters.basic.device_sectors = geometry.blocks * (block / abi::kSectorBytes);
    if (geometry.discard_granularity != 0 || geometry.write_zeroes) {
        parameters.types |= abi::kParametersDiscard;
        parameters.discard = discard_of(geometry);
    }
    return parameters;
}

std::optional<std::string> cannot_serve(const block::Geometry& geometry, const abi::Parameters& disk) {
    if ((disk.types & abi::kParametersBasic) == 0) return "it was never given its parameters";
    const std::uint64_t sectors = geometry.blocks * (geometry.block_size / abi::kSectorBytes);
    if (disk.basic.device_sectors != sectors)
        return "it has " + std::to_string(disk.basic.device_sectors) + " sectors of 512 bytes, the volume " +
               std::to_string(sectors);
    if (disk.basic.logical_block_shift != shift_of(geometry.block_size))
        return "it has blocks of " + std::to_string(1U << disk.basic.logical_block_shift) +
               " bytes, the volume of " + std::to_string(geometry.block_size);
    const std::uint64_t taken = std::uint64_t{geometry.transfer_blocks_max} * geometry.block_size;
    if (taken != 0 && std::uint64_t{disk.basic.sectors_max} * abi::kSectorBytes > taken)
        return "it sends larger requests than the volume takes";
    if (geometry.read_only && (disk.basic.attributes & abi::kAttributeReadOnly) == 0)
        return "it is writable, the volume is not";
    if (geometry.volatile_cache && (disk.basic.attributes & abi::kAttributeVolatileCache) == 0)
        return "it sends no flushes, which the volume's cache needs";
    if ((disk.types & abi::kParametersDiscard) == 0) return std::nullopt;
    const auto offered = discard_of(geometry);
    const bool discards = geometry.discard_granularity != 0;
    if (disk.discard.discard_sectors_max > (discards ? offered.discard_sectors_max : 0))
        return "it sends discards that the volume does not take";
    if (disk.discard.zero_sectors_max > offered.zero_sectors_max)
        return "it sends write-zeroes that the volume does not take";
    return std::nullopt;
}

}  // namespace weft::ublk
