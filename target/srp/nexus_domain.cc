// SPDX-License-Identifier: Apache-2.0
#include "target/srp/nexus_domain.h"

#include <utility>

#include "common/core/log.h"

namespace weft::target {

void NexusDomain::register_buffers(const Region& region, Done done) {
    if (buffers_ != nullptr) {
        done({});
        return;
    }
    waiting_.push_back(std::move(done));
    if (registering_) return;
    registering_ = true;
    domain_->register_memory(
        region.base, region.length, rdma::Access::local,
        [this, id = region.id](auto result) { on_buffers_registered(id, std::move(result)); });
}

void NexusDomain::on_buffers_registered(RegionId region, Result<std::unique_ptr<rdma::Registration>> result) {
    registering_ = false;
    Result<void> outcome;
    if (result) {
        buffers_ = std::move(*result);
        add(region, buffers_->keys().lkey);
    } else {
        outcome = tl::unexpected(result.error());
    }
    for (Done& done : std::exchange(waiting_, {})) done(outcome);
}

void NexusDomain::register_volume(const Region& region, const std::string& name) {
    domain_->register_memory(
        region.base, region.length, rdma::Access::local, [this, id = region.id, name](auto result) {
            if (!result) {
                log::warn("{}: memory of volume {} is not registered, reads will be copied: {}", device_,
                          name, result.error().what);
                return;
            }
            add(id, (*result)->keys().lkey);
            volumes_.push_back(std::move(*result));
        });
}

void NexusDomain::add(RegionId region, std::uint32_t lkey) {
    const auto index = static_cast<std::size_t>(region);
    WEFT_CHECK(region != kNoRegion);
    if (keys_.size() <= index) keys_.resize(index + 1);
    WEFT_CHECK(!keys_[index].known);
    keys_[index] = {.known = true, .lkey = lkey};
}

void NexusDomain::remove(RegionId region) {
    const auto index = static_cast<std::size_t>(region);
    if (index < keys_.size()) keys_[index].known = false;
}

std::optional<std::uint32_t> NexusDomain::find(RegionId region) const {
    const auto index = static_cast<std::size_t>(region);
    if (index >= keys_.size() || !keys_[index].known) return std::nullopt;
    return keys_[index].lkey;
}

}  // namespace weft::target
