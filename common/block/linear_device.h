// SPDX-License-Identifier: Apache-2.0
// Legs one after the other: block n of the device is block n - (blocks of the legs before) of its leg.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/block/block_device.h"
#include "common/core/result.h"

namespace weft::block {

// Owner: the tree's assembly, as the legs'. Thread: the executor's, which is also that of every leg.
// REQUIRES: the legs outlive it.
//
// A request that crosses borders becomes one per leg it touches, all at once; a flush goes to every leg that
// has a volatile cache. It completes when the last of them has, with the status of the first that failed.
class LinearDevice final : public BlockDevice {
  public:
    // Fails when there are no legs, block sizes differ, or the sizes add up to more than 2^64 bytes.
    // The geometry is what holds for every leg: the smallest limits, the coarsest granularities, a cache if
    // any leg has one, discard and write_zeroes if all legs can. `read_only`: whatever the legs are.
    [[nodiscard]] static Result<std::unique_ptr<LinearDevice>> create(Executor& executor,
                                                                      std::vector<BlockDevice*> legs,
                                                                      bool read_only = false);

    [[nodiscard]] const Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_bytes_; }
    // The only leg's, if there is one leg.
    [[nodiscard]] std::optional<Region> memory() const override;

  private:
    struct Leg {
        BlockDevice* device;
        std::uint64_t first;  // block of this device
        std::uint64_t blocks;
    };
    struct Pending;
    struct Part;

    LinearDevice(Executor& executor, std::vector<BlockDevice*> legs);
    void do_submit(IoRequest& io) override;
    [[nodiscard]] std::size_t leg_of(std::uint64_t lba) const;
    [[nodiscard]] Part& make_part(Pending& pending, std::size_t leg);
    void start_flush(Pending& pending);
    void tell_failure(const Pending& pending);
    void start_range(Pending& pending);
    void on_part_done(Pending& pending, IoStatus status);

    std::vector<Leg> legs_;
    Geometry geometry_;
    std::size_t parts_max_ = 0;
    std::size_t part_bytes_ = 0;
    std::size_t scratch_bytes_ = 0;
};

}  // namespace weft::block
