// SPDX-License-Identifier: Apache-2.0
// What the legs of a mirror may differ in, region by region. Kept in memory by whoever serves the volume, and
// on every leg in sync, in pages of 4 KiB (docs/mirror.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/core/uuid.h"
#include "common/mirror/layout.h"

namespace weft::mirror {

// In the order in which one gives way to another when two legs say different things.
enum class RegionState : std::uint8_t {
    never_written = 0,  // reads as zeros, whatever the legs hold; nothing to copy
    clean = 1,          // every leg in sync has the same
    dirty = 2,          // a write may be on its way, or a leg that is not in sync may lack one
    intended = 3,       // is to be dirty, but the legs do not say so yet; read from a leg, it is dirty
};

using MapPage = std::array<std::byte, kPageBytes>;

// A page as it was read; none if it is not a whole page `page` of this volume's map.
struct MapPageView {
    std::uint64_t sequence = 0;
    std::span<const std::byte> states;  // in the page
};
[[nodiscard]] std::optional<MapPageView> decode_map_page(std::span<const std::byte> bytes, const Uuid& volume,
                                                         std::uint64_t page);

// Thread: its owner's. Setting states allocates nothing.
class DirtyMap {
  public:
    // All never written. REQUIRES: no fault in the shape.
    explicit DirtyMap(const Shape& shape);

    [[nodiscard]] std::uint64_t regions() const { return regions_; }
    [[nodiscard]] std::uint64_t pages() const { return pages_; }
    [[nodiscard]] static std::uint64_t page_of(std::uint64_t region) { return region / kRegionsPerPage; }

    // REQUIRES: region < regions().
    [[nodiscard]] RegionState at(std::uint64_t region) const;
    void set(std::uint64_t region, RegionState state);
    [[nodiscard]] std::uint64_t count(RegionState state) const {
        return counts_.at(static_cast<std::size_t>(state));
    }
    // The first region from `from` on that is dirty or intended, or that is not never_written.
    [[nodiscard]] std::optional<std::uint64_t> next_dirty(std::uint64_t from) const;
    [[nodiscard]] std::optional<std::uint64_t> next_written(std::uint64_t from) const;

    // The page as it is to be written. REQUIRES: page < pages().
    void encode(std::uint64_t page, const Uuid& volume, std::uint64_t sequence, MapPage& out) const;
    // Of what it says and what is here already, the later state of each region.
    void merge(std::uint64_t page, const MapPageView& view);
    // Nothing is known of that page's regions: all are dirty.
    void lose(std::uint64_t page);

  private:
    [[nodiscard]] std::optional<std::uint64_t> next(std::uint64_t from, std::uint8_t mask) const;
    [[nodiscard]] std::uint64_t first_of(std::uint64_t page) const { return page * kRegionsPerPage; }
    [[nodiscard]] std::uint64_t end_of(std::uint64_t page) const;

    std::uint64_t regions_;
    std::uint64_t pages_;
    std::vector<std::uint8_t> states_;  // four to a byte, the first in the low bits
    std::array<std::uint64_t, 4> counts_{};
};

}  // namespace weft::mirror
