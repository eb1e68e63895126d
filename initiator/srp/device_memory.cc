// SPDX-License-Identifier: Apache-2.0
#include "initiator/srp/device_memory.h"

#include <algorithm>
#include <utility>

#include "common/core/log.h"

namespace weft::initiator {

DeviceMemory::Entry& DeviceMemory::entry(RegionId id) {
    if (id == kNoRegion) return own_;
    const auto index = static_cast<std::size_t>(id);
    WEFT_CHECK(index < entries_.size());
    return entries_[index];
}

const DeviceMemory::Entry& DeviceMemory::entry(RegionId id) const {
    if (id == kNoRegion) return own_;
    const auto index = static_cast<std::size_t>(id);
    WEFT_CHECK(index < entries_.size());
    return entries_[index];
}

void DeviceMemory::add(const Region& region) {
    WEFT_CHECK(region.id != kNoRegion);
    start(entry(region.id), region.id, region.base, region.length);
}

void DeviceMemory::add_own(std::span<std::byte> memory) {
    start(own_, kNoRegion, memory.data(), memory.size());
}

void DeviceMemory::start(Entry& at, RegionId id, std::byte* base, std::size_t length) {
    WEFT_CHECK(at.state == State::absent);
    at.state = State::pending;
    at.generation = next_generation_++;
    domain_->register_memory(base, length, rdma::Access::remote_both,
                             [this, id, generation = at.generation](auto result) {
                                 on_registered(id, generation, std::move(result));
                             });
}

void DeviceMemory::on_registered(RegionId id, std::uint64_t generation,
                                 Result<std::unique_ptr<rdma::Registration>> result) {
    Entry& at = entry(id);
    if (at.state != State::pending || at.generation != generation) return;  // removed meanwhile
    if (result) {
        at.registration = std::move(*result);
        at.keys = at.registration->keys();
        at.state = State::ready;
    } else {
        log::error("RDMA device {}: memory cannot be registered: {}", device_, result.error().what);
        at.state = State::failed;
    }
    owner_.on_region_settled(id);
}

void DeviceMemory::remove(RegionId id) {
    WEFT_CHECK(id != kNoRegion);
    entry(id) = Entry{};
}

DeviceMemory::State DeviceMemory::state(RegionId id) const { return entry(id).state; }

rdma::Keys DeviceMemory::keys(RegionId id) const {
    const Entry& at = entry(id);
    WEFT_CHECK(at.state == State::ready);
    return at.keys;
}

std::size_t DeviceMemory::pending() const {
    const auto waits = [](const Entry& at) { return at.state == State::pending; };
    return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), waits)) +
           (waits(own_) ? 1 : 0);
}

}  // namespace weft::initiator
