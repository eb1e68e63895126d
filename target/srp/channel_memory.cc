// SPDX-License-Identifier: Apache-2.0
#include "target/srp/channel_memory.h"

#include <utility>

#include "target/srp/settings.h"

namespace weft::target {
namespace {

constexpr std::size_t kPage = ChannelMemory::kPageBytes;

constexpr std::size_t whole_pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// Bytes before a receive buffer in its pages.
std::size_t padding(const ChannelLayout& layout) { return (kPage - layout.immediate_offset % kPage) % kPage; }

std::size_t receive_stride(const ChannelLayout& layout) {
    return whole_pages(padding(layout) + layout.receive_bytes);
}

std::size_t receives_bytes(const ChannelLayout& layout) { return layout.receives * receive_stride(layout); }

std::size_t parameters_bytes(const ChannelLayout& layout) {
    return std::size_t{layout.parameters} * ChannelMemory::kParameterBytes;
}

}  // namespace

Result<std::unique_ptr<ChannelMemory>> ChannelMemory::allocate(const ChannelLayout& layout,
                                                               RegionDirectory& regions,
                                                               NexusDomain& domain) {
    auto slab = Slab::allocate(receives_bytes(layout) + parameters_bytes(layout) +
                               std::size_t{layout.transmits} * kTiIuBytes);
    if (!slab) return tl::unexpected(slab.error());
    return std::unique_ptr<ChannelMemory>(new ChannelMemory(layout, std::move(*slab), regions, domain));
}

ChannelMemory::ChannelMemory(const ChannelLayout& layout, Slab slab, RegionDirectory& regions,
                             NexusDomain& domain)
    : layout_(layout),
      slab_(std::move(slab)),
      regions_(regions),
      domain_(domain),
      region_(regions.add(slab_.data(), slab_.size())) {}

ChannelMemory::~ChannelMemory() {
    if (registration_ != nullptr) domain_.remove(region_);
    registration_.reset();
    regions_.remove(region_);
}

void ChannelMemory::register_memory(std::function<void(const Result<void>&)> done) {
    domain_.domain().register_memory(slab_.data(), slab_.size(), rdma::Access::local,
                                     [this, done = std::move(done)](auto result) {
                                         if (!result) {
                                             done(tl::unexpected(result.error()));
                                             return;
                                         }
                                         registration_ = std::move(*result);
                                         lkey_ = registration_->keys().lkey;
                                         domain_.add(region_, lkey_);
                                         done({});
                                     });
}

std::span<std::byte> ChannelMemory::receive(std::uint32_t index) const {
    WEFT_CHECK(index < layout_.receives);
    return {slab_.data() + index * receive_stride(layout_) + padding(layout_), layout_.receive_bytes};
}

std::span<std::byte> ChannelMemory::parameter(std::uint32_t index) const {
    WEFT_CHECK(index < layout_.parameters);
    return {slab_.data() + receives_bytes(layout_) + std::size_t{index} * kParameterBytes, kParameterBytes};
}

std::span<std::byte> ChannelMemory::transmit(std::uint32_t index) const {
    WEFT_CHECK(index < layout_.transmits);
    return {
        slab_.data() + receives_bytes(layout_) + parameters_bytes(layout_) + std::size_t{index} * kTiIuBytes,
        kTiIuBytes};
}

rdma::LocalBuffer ChannelMemory::local(std::span<const std::byte> part) const {
    WEFT_CHECK(part.data() >= slab_.data() && part.data() + part.size() <= slab_.data() + slab_.size());
    return {.address = slab_.data() + (part.data() - slab_.data()),
            .length = static_cast<std::uint32_t>(part.size()),
            .lkey = lkey_};
}

}  // namespace weft::target
