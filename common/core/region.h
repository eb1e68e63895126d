// SPDX-License-Identifier: Apache-2.0
// Memory that I/O may be done in. All data moves through a few large regions made at set-up; each
// party that must know a region (an RDMA protection domain, an io_uring ring) registers it once
// and finds its own keys by the region's small number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/core/check.h"

namespace weft {

// Index into a reactor's RegionDirectory; dense, reused after removal.
enum class RegionId : std::uint16_t {};
inline constexpr RegionId kNoRegion{0xFFFF};
inline constexpr std::size_t kRegionsMax = 1024;

struct Region {
    std::byte* base = nullptr;
    std::size_t length = 0;
    RegionId id = kNoRegion;
};

// A piece of a region.
struct Segment {
    std::byte* base = nullptr;
    std::uint32_t length = 0;
    RegionId region = kNoRegion;
};

// Told of every region while it is in the directory. Called on the directory's thread.
class RegionObserver {
  public:
    virtual ~RegionObserver() = default;
    virtual void on_region_added(const Region& region) = 0;
    // After this returns nothing refers to the memory any more.
    // REQUIRES: no I/O in flight in the region.
    virtual void on_region_removed(RegionId id) = 0;
};

// The regions of one reactor. Owner: the reactor's assembly. Not thread-safe.
// REQUIRES: outlives its observers and every component that adds regions.
class RegionDirectory {
  public:
    RegionDirectory() = default;
    RegionDirectory(const RegionDirectory&) = delete;
    RegionDirectory& operator=(const RegionDirectory&) = delete;

    // Names `length` > 0 bytes at `base`; tells every observer before it returns.
    // REQUIRES: fewer than kRegionsMax regions.
    RegionId add(std::byte* base, std::size_t length);
    void remove(RegionId id);
    [[nodiscard]] const Region& at(RegionId id) const;

    void observe(RegionObserver& observer);  // told of the existing regions at once
    void ignore(RegionObserver& observer);

  private:
    std::vector<Region> regions_;
    std::vector<RegionObserver*> observers_;
};

}  // namespace weft
