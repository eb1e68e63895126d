// SPDX-License-Identifier: Apache-2.0
// The registered memory of one channel: receive buffers, transmit buffers and parameter buffers in one slab.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "common/core/region.h"
#include "common/core/result.h"
#include "common/core/slab.h"
#include "common/rdma/work.h"
#include "target/srp/nexus_domain.h"

namespace weft::target {

// How many of what; a written sum of its holders.
struct ChannelLayout {
    std::uint32_t receives = 0;    // credits + 2 (CRED_RSP and AER_RSP take no credit; one more to be safe)
    std::uint32_t transmits = 0;   // commands + task management functions + 1 (CRED_REQ)
    std::uint32_t parameters = 0;  // commands
    std::uint32_t receive_bytes = 0;     // longest IU
    std::uint32_t immediate_offset = 0;  // 0: no immediate data
};

// Owner: the channel. Thread: the reactor's.
class ChannelMemory {
  public:
    static constexpr std::uint32_t kPageBytes = 4096;
    static constexpr std::uint32_t kParameterBytes = 4096;

    [[nodiscard]] static Result<std::unique_ptr<ChannelMemory>> allocate(const ChannelLayout& layout,
                                                                         RegionDirectory& regions,
                                                                         NexusDomain& domain);
    ChannelMemory(const ChannelMemory&) = delete;
    ChannelMemory& operator=(const ChannelMemory&) = delete;
    ~ChannelMemory();  // REQUIRES: no work and no I/O in flight in it

    // `done` runs later, on this reactor. REQUIRES: not destroyed before
    void register_memory(std::function<void(const Result<void>&)> done);

    [[nodiscard]] RegionId region() const { return region_; }
    [[nodiscard]] std::uint64_t bytes() const { return slab_.size(); }
    // A receive buffer starts so that immediate data in it is page-aligned: files opened with O_DIRECT take
    // it as it is.
    [[nodiscard]] std::span<std::byte> receive(std::uint32_t index) const;
    [[nodiscard]] std::span<std::byte> transmit(std::uint32_t index) const;
    [[nodiscard]] std::span<std::byte> parameter(std::uint32_t index) const;
    [[nodiscard]] rdma::LocalBuffer local(std::span<const std::byte> part) const;

  private:
    ChannelMemory(const ChannelLayout& layout, Slab slab, RegionDirectory& regions, NexusDomain& domain);

    ChannelLayout layout_;
    Slab slab_;
    RegionDirectory& regions_;
    NexusDomain& domain_;
    RegionId region_ = kNoRegion;
    std::unique_ptr<rdma::Registration> registration_;
    std::uint32_t lkey_ = 0;
};

}  // namespace weft::target
