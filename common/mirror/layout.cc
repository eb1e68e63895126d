// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/layout.h"

#include <algorithm>
#include <bit>
#include <string>

#include "common/core/check.h"

namespace weft::mirror {

namespace {

std::uint64_t end_of(std::uint64_t leg_bytes) { return leg_bytes / kSlotBytes * kSlotBytes; }

}  // namespace

std::string fault_of(const Shape& shape) {
    if (shape.block_size != 512 && shape.block_size != 4096)
        return "blocks of " + std::to_string(shape.block_size) + " bytes: it takes 512 or 4096";
    if (!std::has_single_bit(shape.region_bytes) || shape.region_bytes < kRegionBytesMin ||
        shape.region_bytes > kRegionBytesMax)
        return "regions of " + std::to_string(shape.region_bytes) +
               " bytes: it takes a power of two from 64 KiB to 1 GiB";
    if (shape.bytes == 0 || shape.bytes % shape.region_bytes != 0)
        return std::to_string(shape.bytes) + " bytes of data: it takes whole regions of " +
               std::to_string(shape.region_bytes);
    if (shape.regions() > kRegionsMax)
        return std::to_string(shape.regions()) + " regions, more than " + std::to_string(kRegionsMax) +
               ": use larger ones";
    return "";
}

Result<Shape> shape_for(std::uint64_t leg_bytes, std::uint32_t block_size, std::uint32_t region_bytes) {
    Shape shape{.block_size = block_size, .region_bytes = region_bytes};
    if (region_bytes == 0) {
        shape.region_bytes = kRegionBytesDefault;
        while (leg_bytes / shape.region_bytes > kRegionsWanted && shape.region_bytes < kRegionBytesMax)
            shape.region_bytes *= 2;
    }
    // Any size, to see whether the rest is right.
    shape.bytes = shape.region_bytes;
    if (auto fault = fault_of(shape); !fault.empty()) return fail(fault);
    const std::uint64_t end = end_of(leg_bytes);
    shape.bytes = end / shape.region_bytes * shape.region_bytes;
    while (shape.bytes > 0 && shape.bytes + shape.metadata_bytes() > end) {
        const std::uint64_t over = shape.bytes + shape.metadata_bytes() - end;
        const std::uint64_t regions = (over + shape.region_bytes - 1) / shape.region_bytes;
        shape.bytes -= std::min(shape.bytes, regions * shape.region_bytes);
    }
    if (shape.bytes == 0)
        return fail("a leg of " + std::to_string(leg_bytes) + " bytes is too small: it takes one region of " +
                    std::to_string(shape.region_bytes) + " and " +
                    std::to_string(2 * kSlotBytes + 2 * kPageBytes) + " for metadata");
    if (auto fault = fault_of(shape); !fault.empty()) return fail(fault);
    return shape;
}

std::optional<std::uint64_t> superblock_at(std::uint64_t leg_bytes, unsigned slot) {
    WEFT_CHECK(slot < 2);
    const std::uint64_t end = end_of(leg_bytes);
    if (end < 2 * kSlotBytes) return std::nullopt;
    return end - (slot + 1) * std::uint64_t{kSlotBytes};
}

bool fits(const Shape& shape, std::uint64_t leg_bytes) {
    const std::uint64_t end = end_of(leg_bytes);
    return shape.bytes <= end && shape.metadata_bytes() <= end - shape.bytes;
}

std::uint64_t map_page_at(const Shape& shape, std::uint64_t leg_bytes, std::uint64_t page, unsigned slot) {
    WEFT_CHECK(page < shape.pages() && slot < 2 && fits(shape, leg_bytes));
    return end_of(leg_bytes) - shape.metadata_bytes() + (page * 2 + slot) * kPageBytes;
}

}  // namespace weft::mirror
