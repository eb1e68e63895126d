// SPDX-License-Identifier: Apache-2.0
// A device in memory that fails when it is told to.
#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "common/block/block_device.h"

namespace weft::test {

class FaultyDevice final : public block::BlockDevice {
  public:
    // Of a large one only the last `kept` bytes are there.
    FaultyDevice(Executor& executor, std::uint64_t size, std::uint32_t block_size = 4096,
                 std::uint64_t kept = 0)
        : BlockDevice(executor), bytes(kept == 0 ? size : kept), first_(size - bytes.size()) {
        geometry_.block_size = block_size;
        geometry_.blocks = size / block_size;
        geometry_.volatile_cache = true;
    }

    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

    std::vector<std::byte> bytes;
    bool fail_reads = false;
    bool tear_next_write = false;   // its first 14 bytes are written, and it fails
    bool lose_next_answer = false;  // it is written, and it fails
    int writes_without_fua = 0;

  private:
    void do_submit(block::IoRequest& io) override {
        WEFT_CHECK(io.lba * geometry_.block_size >= first_);
        std::byte* at = bytes.data() + (io.lba * geometry_.block_size - first_);
        auto status = block::IoStatus::ok;
        if (io.op == block::IoOp::read) {
            if (fail_reads) status = block::IoStatus::medium_error;
            std::memcpy(io.data.base, at, io.data.length);
        } else if (io.op == block::IoOp::write) {
            if (!io.fua) ++writes_without_fua;
            const bool torn = std::exchange(tear_next_write, false);
            std::memcpy(at, io.data.base, torn ? 14 : io.data.length);
            if (torn || std::exchange(lose_next_answer, false)) status = block::IoStatus::connection_lost;
        }
        complete(io, status);
    }

    block::Geometry geometry_;
    std::uint64_t first_;  // byte that is there
};

}  // namespace weft::test
