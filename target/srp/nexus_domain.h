// SPDX-License-Identifier: Apache-2.0
// One I_T nexus on one RDMA device: its protection domain, and the local keys of the memory registered in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/core/region.h"
#include "common/core/result.h"
#include "common/rdma/domain.h"

namespace weft::target {

// Owner: the nexus. Thread: the reactor's. REQUIRES: outlives the connections made in it and the
// registrations.
class NexusDomain {
  public:
    // `on_lost`: the device is gone; destroy this as soon as no channel stands on it.
    NexusDomain(std::string device, std::unique_ptr<rdma::Domain> domain, std::function<void()> on_lost)
        : device_(std::move(device)), domain_(std::move(domain)) {
        domain_->when_device_lost([this, on_lost = std::move(on_lost)] {
            lost_ = true;
            on_lost();
        });
    }
    NexusDomain(const NexusDomain&) = delete;
    NexusDomain& operator=(const NexusDomain&) = delete;

    [[nodiscard]] const std::string& device() const { return device_; }
    [[nodiscard]] rdma::Domain& domain() { return *domain_; }
    [[nodiscard]] bool lost() const { return lost_; }

    // Registers the nexus' data buffers, once; `done` runs when that is settled, at once if it is already.
    // After a failure the next call tries again.
    using Done = std::function<void(const Result<void>&)>;
    void register_buffers(const Region& region, Done done);
    // Registers a volume's memory; when that has succeeded, find() knows it.
    void register_volume(const Region& region, const std::string& name);

    // The channels' own memory: registered by them, known here by its region.
    void add(RegionId region, std::uint32_t lkey);
    void remove(RegionId region);
    [[nodiscard]] std::optional<std::uint32_t> find(RegionId region) const;

  private:
    struct Entry {
        bool known = false;
        std::uint32_t lkey = 0;
    };
    void on_buffers_registered(RegionId region, Result<std::unique_ptr<rdma::Registration>> result);

    std::string device_;
    std::unique_ptr<rdma::Domain> domain_;  // before the registrations: destroyed after them
    std::vector<Entry> keys_;               // by RegionId
    std::unique_ptr<rdma::Registration> buffers_;
    std::vector<std::unique_ptr<rdma::Registration>> volumes_;
    std::vector<Done> waiting_;
    bool registering_ = false;
    bool lost_ = false;
};

}  // namespace weft::target
