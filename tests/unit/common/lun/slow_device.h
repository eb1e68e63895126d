// SPDX-License-Identifier: Apache-2.0
// A device in memory for tests: requests complete when and in the order the test says, fail where it says,
// and it knows which blocks would survive a power loss.
//
// Fault model: a block may be bad for reads, for writes or both (medium_error for the whole request, of which
// nothing is done); any request may be told to end with a status of its own, nothing done. A device without
// FUA answers not_supported to it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <set>
#include <vector>

#include "common/block/block_device.h"

namespace weft::test {

class SlowDevice final : public block::BlockDevice {
  public:
    SlowDevice(Executor& executor, const block::Geometry& geometry)
        : BlockDevice(executor), content(geometry.bytes()), geometry_(geometry) {}

    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 32; }
    [[nodiscard]] std::optional<Region> memory() const override {
        if (!shows_memory) return std::nullopt;
        return Region{const_cast<std::byte*>(content.data()), content.size(), kMemoryRegion};
    }

    [[nodiscard]] std::size_t pending() const { return pending_.size(); }
    // Does and completes the n-th of the pending requests.
    void complete_one(std::size_t index) {
        block::IoRequest& io = *pending_.at(index);
        pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(index));
        // The scratch is the device's while it has the request.
        for (std::size_t i = 0; i < scratch_bytes(); ++i) EXPECT_EQ(io.scratch[i], kScratchMark);
        std::memset(io.scratch, 0, scratch_bytes());
        complete(io, execute(io));
    }

    static constexpr RegionId kMemoryRegion{77};
    std::vector<std::byte> content;
    std::set<std::uint64_t> dirty;  // blocks written, not yet on the medium
    std::set<std::uint64_t> bad_for_reads;
    std::set<std::uint64_t> bad_for_writes;
    std::function<block::IoStatus(const block::IoRequest&)> fate;  // of a request; empty: ok
    bool supports_fua = true;
    bool shows_memory = false;
    std::vector<block::IoOp> history;
    std::size_t flushes = 0;

  private:
    static constexpr std::byte kScratchMark{0x5C};

    void do_submit(block::IoRequest& io) override {
        std::memset(io.scratch, 0x5C, scratch_bytes());
        const auto within = [&io](std::uint64_t most) { return most == 0 || io.blocks <= most; };
        switch (io.op) {
            case block::IoOp::read:
            case block::IoOp::write: EXPECT_TRUE(within(geometry_.transfer_blocks_max)); break;
            case block::IoOp::discard: EXPECT_TRUE(within(geometry_.discard_blocks_max)); break;
            case block::IoOp::write_zeroes: EXPECT_TRUE(within(geometry_.zero_blocks_max)); break;
            case block::IoOp::flush: break;
        }
        pending_.push_back(&io);
    }

    static bool hits(const std::set<std::uint64_t>& bad, const block::IoRequest& io) {
        const auto first = bad.lower_bound(io.lba);
        return first != bad.end() && *first < io.lba + io.blocks;
    }

    block::IoStatus execute(block::IoRequest& io) {
        using block::IoOp;
        using block::IoStatus;
        history.push_back(io.op);
        const IoStatus told = fate ? fate(io) : IoStatus::ok;
        if (told != IoStatus::ok) return told;
        std::byte* at = content.data() + io.lba * geometry_.block_size;
        const std::size_t bytes = io.blocks * geometry_.block_size;
        switch (io.op) {
            case IoOp::read:
                if (hits(bad_for_reads, io)) return IoStatus::medium_error;
                std::memcpy(io.data.base, at, bytes);
                return IoStatus::ok;
            case IoOp::write:
                if (io.fua && !supports_fua) return IoStatus::not_supported;
                if (hits(bad_for_writes, io)) return IoStatus::medium_error;
                std::memcpy(at, io.data.base, bytes);
                break;
            case IoOp::flush:
                ++flushes;
                dirty.clear();
                return IoStatus::ok;
            case IoOp::discard:
            case IoOp::write_zeroes:
                if (hits(bad_for_writes, io)) return IoStatus::medium_error;
                std::memset(at, io.op == IoOp::discard && !geometry_.discard_zeroes ? 0xDD : 0, bytes);
                break;
        }
        for (std::uint64_t i = 0; i < io.blocks; ++i) {
            if (io.fua)
                dirty.erase(io.lba + i);
            else
                dirty.insert(io.lba + i);
        }
        return IoStatus::ok;
    }

    block::Geometry geometry_;
    std::vector<block::IoRequest*> pending_;
};

}  // namespace weft::test
