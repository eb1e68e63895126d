// SPDX-License-Identifier: Apache-2.0
// One I/O. It lives in a slot made at set-up and is owned by exactly one party at a time:
//     submitter -> submit() -> device -> complete() -> submitter (in `done`)
// The owner is checked at both hand-overs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/block/io_status.h"
#include "common/core/executor.h"
#include "common/core/region.h"

namespace weft::block {

enum class IoOp : std::uint8_t { read, write, flush, discard, write_zeroes };

struct IoRequest : public Deferred {
    using Done = void (*)(IoRequest&);

    IoOp op = IoOp::read;
    bool fua = false;          // write, write_zeroes: durable before it completes
    bool may_unmap = true;     // write_zeroes: may free the blocks (they read as zeros all the same)
    std::uint64_t lba = 0;     // in the device's blocks
    std::uint64_t blocks = 0;  // 0 for flush
    Segment data;              // read, write: exactly blocks * block_size bytes; else empty
    Done done = nullptr;       // runs on the reactor that submitted, never inside submit()
    IoStatus status = IoStatus::ok;
    std::byte* scratch = nullptr;  // scratch_bytes() of the device it is given to, 16-byte aligned

    [[nodiscard]] bool in_flight() const { return owner_ != Owner::submitter; }

  private:
    enum class Owner : std::uint8_t { submitter, device, completing };
    friend class BlockDevice;
    void run() override {
        WEFT_CHECK(owner_ == Owner::completing);
        owner_ = Owner::submitter;
        done(*this);
    }
    Owner owner_ = Owner::submitter;
};

}  // namespace weft::block
