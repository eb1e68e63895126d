// SPDX-License-Identifier: Apache-2.0
// Load with an oracle, and faults, for one bench and one seed.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "tests/unit/initiator/srp/bench.h"

namespace weft::test {

// Workers that each write versions to their own blocks, one request at a time, and now and then read one
// back.
class Load {
  public:
    static constexpr std::size_t kWorkers = 24;
    static constexpr std::uint64_t kBlocksEach = 64;

    explicit Load(Bench& bench) : bench_(bench), ios_(kWorkers) {
        for (std::size_t i = 0; i < kWorkers; ++i) {
            ios_[i].next = [this, i](TestIo& io) { on_done(i, io); };
            issue(i);
        }
    }
    void stop() { stopping_ = true; }
    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

    std::map<std::uint64_t, std::uint64_t> acknowledged;  // lba -> version
    std::uint64_t done = 0;
    std::uint64_t wrong = 0;
    std::uint64_t failed = 0;

  private:
    void issue(std::size_t i) {
        if (stopping_) return;
        sim::Random& random = bench_.world.random();
        const std::uint64_t blocks = random.chance(0.2) ? 32 : random.between(1, 8);
        const std::uint64_t lba = i * kBlocksEach + random.below(kBlocksEach - blocks + 1);
        const std::uint64_t kind = random.below(10);
        const block::IoOp op = kind < 7   ? block::IoOp::write
                               : kind < 9 ? block::IoOp::read
                                          : block::IoOp::flush;
        bench_.prepare(ios_[i], op, op == block::IoOp::flush ? 0 : lba, op == block::IoOp::flush ? 0 : blocks,
                       i);
        if (op == block::IoOp::write) bench_.stamp(i, blocks, ++version_);
        versions_[i] = version_;
        ++in_flight_;
        bench_.device->submit(ios_[i]);
    }
    void on_done(std::size_t i, TestIo& io) {
        --in_flight_;
        ++done;
        if (io.status != block::IoStatus::ok) {
            ++failed;
        } else if (io.op == block::IoOp::write) {
            for (std::uint64_t block = 0; block < io.blocks; ++block) {
                acknowledged[io.lba + block] = versions_[i];
                if (bench_.version_on_medium(io.lba + block) != versions_[i]) ++wrong;
            }
        } else if (io.op == block::IoOp::read) {
            for (std::uint64_t block = 0; block < io.blocks; ++block) {
                std::uint64_t version = 0;
                std::memcpy(&version, bench_.buffer(i) + block * bench_.habits.block_size, sizeof version);
                if (version != acknowledged[io.lba + block]) ++wrong;
            }
        }
        issue(i);
    }

    Bench& bench_;
    std::vector<TestIo> ios_;
    std::array<std::uint64_t, kWorkers> versions_{};
    std::uint64_t version_ = 0;
    std::size_t in_flight_ = 0;
    bool stopping_ = false;
};

struct Faults {
    bool cut_one_channel = true;
    bool target_cuts = true;
    bool cut_wires = false;
    bool one_way = false;
    bool kill = false;
};

// Loses connections while the load runs, then lets everything heal; nothing may be lost, late or stuck.
void torture(Bench& bench, const Faults& faults);
// How many seeds a test tries; more with WEFT_SEEDS=n in the environment.
std::uint64_t seeds();

}  // namespace weft::test
