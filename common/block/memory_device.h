// SPDX-License-Identifier: Apache-2.0
// A volume in memory. Lost when the process ends; for scratch space, tests, and for being read by RDMA
// straight out of the volume.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "common/block/block_device.h"
#include "common/core/region.h"
#include "common/core/result.h"
#include "common/core/slab.h"

namespace weft::block {

// The memory of one volume, all zeros at first. Owner: the volume. Shared by the devices of all reactors that
// serve it. Like on any disk, what concurrent writes to one block leave there is one or the other in parts:
// ordering them is their submitters' affair.
class MemoryStore {
  public:
    // `bytes`: a multiple of 512, > 0. Allocated and populated at once.
    [[nodiscard]] static Result<std::unique_ptr<MemoryStore>> create(std::uint64_t bytes);

    [[nodiscard]] std::byte* base() const { return slab_.data(); }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    MemoryStore(Slab slab, std::uint64_t bytes) : slab_(std::move(slab)), bytes_(bytes) {}
    Slab slab_;
    std::uint64_t bytes_;
};

struct MemoryOptions {
    std::uint32_t block_size = 4096;  // 512 or 4096
    bool read_only = false;
};

// One reactor's handle. Owner: the reactor's tree. Thread: the executor's.
// REQUIRES: store and regions outlive it.
class MemoryDevice final : public BlockDevice {
  public:
    // Fails when the store's size is no multiple of the block size. The store becomes a region of `regions`
    // while the device lives.
    [[nodiscard]] static Result<std::unique_ptr<MemoryDevice>> create(Executor& executor, MemoryStore& store,
                                                                      RegionDirectory& regions,
                                                                      const MemoryOptions& options);
    ~MemoryDevice() override;

    [[nodiscard]] const Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }
    [[nodiscard]] std::optional<Region> memory() const override { return region_; }

  private:
    MemoryDevice(Executor& executor, MemoryStore& store, RegionDirectory& regions,
                 const MemoryOptions& options);
    void do_submit(IoRequest& io) override;

    RegionDirectory& regions_;
    Region region_;
    Geometry geometry_;
};

}  // namespace weft::block
