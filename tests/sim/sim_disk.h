// SPDX-License-Identifier: Apache-2.0
// The simulated disk. Fault model:
//  - latency: each request takes a random time; requests overtake each other freely; a slow spell multiplies
//    all of it;
//  - a read takes its blocks, a write gives them, at some instant between submission and completion, larger
//    ones in two parts at two instants: the buffer belongs to the disk all that time. One block is atomic;
//  - errors: now and then a request fails (medium_error); a failed write may have been done in part;
//  - volatile cache: what was written and not flushed survives the death of a process. At a power-off each
//    such block is, by chance, as it was before or as it was written. A flush makes durable what was there
//    when it was submitted; fua, what the request itself writes;
//  - a killed process: of its writes in flight each part lands, later, or never does. What has not landed
//  when
//    the next process opens the medium is decided then: nothing of an earlier process lands after that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "common/block/block_device.h"
#include "tests/sim/world.h"

namespace weft::sim {

// Mistakes that are made on purpose, so that the oracle can be seen to find them.
enum class Plant : std::uint8_t {
    none,
    early_answer,       // a write is answered before it is done
    lands_twice,        // some writes are done once more, late
    flush_not_done,     // a flush is answered, nothing becomes durable
    outlives_process,   // a killed process' writes land after the next one has opened the medium
    loses_write,        // now and then a write is answered and never done
    silent_power_loss,  // a target does not tell that its host lost power
    new_name,           // a restarted initiator logs in under another name: nothing ends its old commands
};

struct DiskHabits {
    std::uint32_t block_size = 512;
    std::uint64_t blocks = 1024;
    bool volatile_cache = true;
    Duration latency_min{10us};
    Duration latency_max{300us};
    double error_chance = 0;
    Plant plant = Plant::none;
};

// What stays when processes die. Owner: the scenario; outlives every process that opens it.
class SimMedium {
  public:
    SimMedium(World& world, const DiskHabits& habits);
    SimMedium(const SimMedium&) = delete;
    SimMedium& operator=(const SimMedium&) = delete;

    void power_off();  // REQUIRES: its process is dead

    [[nodiscard]] const DiskHabits& habits() const { return habits_; }
    [[nodiscard]] std::uint64_t epoch() const { return epoch_; }  // another one after each loss of power
    [[nodiscard]] const std::byte* block(std::uint64_t lba) const {
        return content_.data() + lba * habits_.block_size;
    }

    std::uint64_t slowness = 1;         // factor of every latency
    bool errors = true;                 // may happen
    std::uint64_t errors_injected = 0;  // requests that ended with one

  private:
    friend class SimDisk;
    struct Operation {
        block::IoRequest* io;
        block::IoStatus status = block::IoStatus::ok;
    };

    void open();  // a new process: what is undecided of the old one is decided
    void process_died();
    void transfer(Operation& operation, std::uint64_t first, std::uint64_t count);
    void store(std::uint64_t lba, const std::byte* from, bool durable);
    [[nodiscard]] std::byte* at(std::uint64_t lba) { return content_.data() + lba * habits_.block_size; }

    struct Cached {
        std::vector<std::byte> durable;  // what the medium has below the cache
        std::uint64_t version;
    };
    struct Orphan {
        std::shared_ptr<Operation> operation;
        std::uint64_t first;
        std::uint64_t count;
    };

    World& world_;
    const DiskHabits habits_;
    std::vector<std::byte> content_;
    std::map<std::uint64_t, Cached> cached_;  // by block
    std::uint64_t version_ = 0;
    std::uint64_t epoch_ = 0;
    bool orphaned_ = false;        // that process is dead
    std::vector<Orphan> pending_;  // parts not transferred yet
};

// One process' handle on the medium.
class SimDisk final : public block::BlockDevice {
  public:
    SimDisk(Node& node, SimMedium& medium);

    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  private:
    using Operation = SimMedium::Operation;
    void do_submit(block::IoRequest& io) override;
    void schedule_part(const std::shared_ptr<Operation>& operation, std::uint64_t first, std::uint64_t count,
                       Duration delay);
    void schedule_flush(const std::shared_ptr<Operation>& operation, Duration delay);
    void plant_late_landing(const block::IoRequest& io, Duration delay);
    [[nodiscard]] Duration latency();

    Node& node_;
    SimMedium& medium_;
    block::Geometry geometry_;
};

}  // namespace weft::sim
