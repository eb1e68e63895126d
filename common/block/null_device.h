// SPDX-License-Identifier: Apache-2.0
// Stores nothing: writes vanish, reads give zeroes. For measuring the path above it; also the smallest
// example of a device.
#pragma once

#include <cstring>

#include "common/block/block_device.h"

namespace weft::block {

class NullDevice final : public BlockDevice {
  public:
    NullDevice(Executor& executor, const Geometry& geometry) : BlockDevice(executor), geometry_(geometry) {}

    [[nodiscard]] const Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  private:
    // What a buffer held before, perhaps of somebody else, is not for the reader.
    void do_submit(IoRequest& io) override {
        if (io.op == IoOp::read) std::memset(io.data.base, 0, io.data.length);
        complete(io, IoStatus::ok);
    }

    Geometry geometry_;
};

}  // namespace weft::block
