// SPDX-License-Identifier: Apache-2.0
// A volume whose requests can be held back. A write changes the medium when it completes, not before: a write
// that outlives its channel is seen to land late.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "common/block/block_device.h"

namespace weft::test {

class HeldDevice final : public block::BlockDevice {
  public:
    HeldDevice(Executor& executor, std::uint64_t blocks, std::uint32_t block_size)
        : BlockDevice(executor), bytes(blocks * block_size) {
        geometry_.block_size = block_size;
        geometry_.physical_block_size = block_size;
        geometry_.blocks = blocks;
        geometry_.volatile_cache = true;
    }

    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 16; }

    std::vector<std::byte> bytes;
    bool hold = false;
    block::IoStatus status = block::IoStatus::ok;
    std::vector<std::string> log;  // what reached the medium, in order: "W lba", "R lba", "F"

    [[nodiscard]] std::size_t held() const { return held_.size(); }
    void release_all() {
        auto held = std::move(held_);
        held_.clear();
        for (block::IoRequest* io : held) finish(*io);
    }

  private:
    void do_submit(block::IoRequest& io) override {
        WEFT_CHECK(io.scratch != nullptr);
        std::memset(io.scratch, 0xAB, 16);
        if (hold)
            held_.push_back(&io);
        else
            finish(io);
    }
    void finish(block::IoRequest& io) {
        std::byte* at = bytes.data() + io.lba * geometry_.block_size;
        if (status == block::IoStatus::ok) {
            switch (io.op) {
                case block::IoOp::read:
                    std::memcpy(io.data.base, at, io.data.length);
                    log.push_back("R " + std::to_string(io.lba));
                    break;
                case block::IoOp::write:
                    std::memcpy(at, io.data.base, io.data.length);
                    log.push_back("W " + std::to_string(io.lba));
                    break;
                case block::IoOp::flush: log.emplace_back("F"); break;
                default: break;
            }
        }
        complete(io, status);
    }

    block::Geometry geometry_;
    std::vector<block::IoRequest*> held_;
};

}  // namespace weft::test
