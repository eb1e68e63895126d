// SPDX-License-Identifier: Apache-2.0
// What one RDMA device must know to reach our memory for one session: a protection domain and the keys of
// every region in it. Registrations outlive connections, so a reconnect registers nothing again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/core/region.h"
#include "common/rdma/domain.h"

namespace weft::initiator {

class DeviceMemory;

class DeviceMemoryOwner {
  public:
    virtual ~DeviceMemoryOwner() = default;
    // A region became usable on a device, or it is known that it never will.
    virtual void on_region_settled(RegionId id) = 0;
    // The device is gone. Once; the memory is to be destroyed as soon as no connection is in its domain.
    virtual void on_device_lost(DeviceMemory& memory) = 0;
};

// Owner: the session. Thread: its reactor's. REQUIRES: outlives the connections in its domain and what was
// registered in it by others; no work in flight when destroyed.
class DeviceMemory {
  public:
    DeviceMemory(std::string device, std::unique_ptr<rdma::Domain> domain, DeviceMemoryOwner& owner)
        : device_(std::move(device)), owner_(owner), domain_(std::move(domain)) {
        domain_->when_device_lost([this] {
            lost_ = true;
            owner_.on_device_lost(*this);
        });
    }
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;

    [[nodiscard]] const std::string& device() const { return device_; }
    [[nodiscard]] rdma::Domain& domain() { return *domain_; }
    [[nodiscard]] bool lost() const { return lost_; }  // its device is gone

    // Registers it for the target to read and write; asynchronous.
    void add(const Region& region);
    void remove(RegionId id);
    // The session's own memory, named kNoRegion in segments.
    void add_own(std::span<std::byte> memory);

    enum class State : std::uint8_t { absent, pending, ready, failed };
    [[nodiscard]] State state(RegionId id) const;
    [[nodiscard]] rdma::Keys keys(RegionId id) const;  // REQUIRES: state(id) is ready
    [[nodiscard]] std::size_t pending() const;

  private:
    struct Entry {
        State state = State::absent;
        std::uint64_t generation = 0;  // so that a late answer for a removed region is dropped
        std::unique_ptr<rdma::Registration> registration;
        rdma::Keys keys;
    };
    void start(Entry& entry, RegionId id, std::byte* base, std::size_t length);
    void on_registered(RegionId id, std::uint64_t generation,
                       Result<std::unique_ptr<rdma::Registration>> result);
    [[nodiscard]] const Entry& entry(RegionId id) const;
    [[nodiscard]] Entry& entry(RegionId id);

    std::string device_;
    DeviceMemoryOwner& owner_;
    bool lost_ = false;
    std::uint64_t next_generation_ = 1;
    std::unique_ptr<rdma::Domain> domain_;  // destroyed after the registrations below
    Entry own_;
    std::vector<Entry> entries_ = std::vector<Entry>(kRegionsMax);
};

}  // namespace weft::initiator
