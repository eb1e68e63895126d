// SPDX-License-Identifier: Apache-2.0
#include "common/core/region.h"

#include <algorithm>

namespace weft {

RegionId RegionDirectory::add(std::byte* base, std::size_t length) {
    WEFT_CHECK(base != nullptr && length > 0);
    std::size_t index = 0;
    while (index < regions_.size() && regions_[index].base != nullptr) ++index;
    WEFT_CHECK(index < kRegionsMax);
    if (index == regions_.size()) regions_.emplace_back();
    regions_[index] = Region{base, length, static_cast<RegionId>(index)};
    const Region region = regions_[index];
    for (RegionObserver* observer : observers_) observer->on_region_added(region);
    return region.id;
}

void RegionDirectory::remove(RegionId id) {
    WEFT_CHECK(at(id).base != nullptr);
    for (RegionObserver* observer : observers_) observer->on_region_removed(id);
    regions_[static_cast<std::size_t>(id)] = Region{};
}

const Region& RegionDirectory::at(RegionId id) const {
    const auto index = static_cast<std::size_t>(id);
    WEFT_CHECK(index < regions_.size());
    return regions_[index];
}

void RegionDirectory::observe(RegionObserver& observer) {
    observers_.push_back(&observer);
    for (const Region& region : regions_) {
        if (region.base != nullptr) observer.on_region_added(region);
    }
}

void RegionDirectory::ignore(RegionObserver& observer) {
    const auto found = std::find(observers_.begin(), observers_.end(), &observer);
    WEFT_CHECK(found != observers_.end());
    observers_.erase(found);
}

}  // namespace weft
