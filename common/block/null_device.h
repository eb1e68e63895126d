// SPDX-License-Identifier: Apache-2.0
// Stores nothing: writes vanish, reads leave the buffer as it is. For measuring the path above it;
// also the smallest example of a device.
#pragma once

#include "common/block/block_device.h"

namespace weft::block {

class NullDevice final : public BlockDevice {
  public:
    NullDevice(Executor& executor, const Geometry& geometry) : BlockDevice(executor), geometry_(geometry) {}

    [[nodiscard]] const Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  private:
    void do_submit(IoRequest& io) override { complete(io, IoStatus::ok); }

    Geometry geometry_;
};

}  // namespace weft::block
