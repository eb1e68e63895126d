// SPDX-License-Identifier: Apache-2.0
// Where things are on a leg of a mirror. The volume's data begin at byte 0, so that a leg can be used on its
// own; what weft keeps is at the leg's end:
//
//     | data ... | unused | map pages, two slots each | superblock slot 1 | superblock slot 0 |
//     0                                               end - 128 KiB       end - 64 KiB        end
//
// `end` is the leg's size rounded down to 64 KiB. Everything there is big-endian and written as whole pages
// of 4 KiB (docs/mirror.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/core/result.h"

namespace weft::mirror {

inline constexpr std::uint32_t kPageBytes = 4096;
inline constexpr std::uint32_t kSlotBytes = 64U << 10U;  // from one superblock slot to the next
inline constexpr std::uint32_t kRegionBytesMin = 64U << 10U;
inline constexpr std::uint32_t kRegionBytesMax = 1U << 30U;
inline constexpr std::uint32_t kRegionBytesDefault = 1U << 20U;
// The default region grows until a volume has no more than these: a map of 4 MiB.
inline constexpr std::uint64_t kRegionsWanted = 1U << 24U;
// More than these cannot be: a map of 256 MiB.
inline constexpr std::uint64_t kRegionsMax = 1U << 30U;
// What a page of the map says of, at two bits each.
inline constexpr std::uint64_t kRegionsPerPage = (kPageBytes - 32) * 4;

// The part that all legs have in common.
struct Shape {
    std::uint32_t block_size = 0;    // bytes: 512 or 4096
    std::uint32_t region_bytes = 0;  // a power of two
    std::uint64_t bytes = 0;         // of data: a multiple of region_bytes

    [[nodiscard]] std::uint64_t regions() const { return bytes / region_bytes; }
    [[nodiscard]] std::uint64_t pages() const { return (regions() + kRegionsPerPage - 1) / kRegionsPerPage; }
    // At a leg's end.
    [[nodiscard]] std::uint64_t metadata_bytes() const { return pages() * 2 * kPageBytes + 2 * kSlotBytes; }

    friend bool operator==(const Shape&, const Shape&) = default;
};

// The largest volume on legs of which the smallest has so many bytes; `region_bytes` 0: the default for that
// size. Fails, as a sentence, for a size or region that cannot be.
[[nodiscard]] Result<Shape> shape_for(std::uint64_t leg_bytes, std::uint32_t block_size,
                                      std::uint32_t region_bytes = 0);

// Why there can be no such volume; "" if there can.
[[nodiscard]] std::string fault_of(const Shape& shape);

// Where superblock slot `slot` (0, 1) of a leg of that size begins, in bytes; nullopt: no room for any.
[[nodiscard]] std::optional<std::uint64_t> superblock_at(std::uint64_t leg_bytes, unsigned slot);

// Whether a leg of that size holds the volume and its metadata.
[[nodiscard]] bool fits(const Shape& shape, std::uint64_t leg_bytes);

// Where slot `slot` of page `page` of the map begins, in bytes. REQUIRES: fits().
[[nodiscard]] std::uint64_t map_page_at(const Shape& shape, std::uint64_t leg_bytes, std::uint64_t page,
                                        unsigned slot);

}  // namespace weft::mirror
