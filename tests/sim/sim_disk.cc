// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft::sim {

using block::IoOp;
using block::IoStatus;

SimMedium::SimMedium(World& world, const DiskHabits& habits)
    : world_(world), habits_(habits), content_(habits.blocks * habits.block_size) {}

void SimMedium::store(std::uint64_t lba, const std::byte* from, bool durable) {
    std::byte* const to = at(lba);
    const bool cached = habits_.volatile_cache && !durable;
    const auto found = cached_.find(lba);
    if (!cached) {
        if (found != cached_.end()) cached_.erase(found);
    } else if (found == cached_.end()) {
        cached_.emplace(lba, Cached{{to, to + habits_.block_size}, ++version_});
    } else {
        // The disk writes its cache back when it likes.
        if (world_.random().chance(0.3)) found->second.durable.assign(to, to + habits_.block_size);
        found->second.version = ++version_;
    }
    if (from != nullptr)
        std::memcpy(to, from, habits_.block_size);
    else
        std::memset(to, 0, habits_.block_size);
}

void SimMedium::transfer(Operation& operation, std::uint64_t first, std::uint64_t count) {
    const block::IoRequest& io = *operation.io;
    for (std::uint64_t i = first; i < first + count; ++i) {
        std::byte* const buffer = io.data.base == nullptr ? nullptr : io.data.base + i * habits_.block_size;
        if (io.op == IoOp::read)
            std::memcpy(buffer, at(io.lba + i), habits_.block_size);
        else
            store(io.lba + i, buffer, io.fua);
    }
}

void SimMedium::open() {
    orphaned_ = false;
    if (habits_.plant == Plant::outlives_process) return;
    for (const Orphan& part : std::exchange(pending_, {})) {
        if (part.operation->io->op != IoOp::read && world_.random().chance(0.5))
            transfer(*part.operation, part.first, part.count);
    }
}

void SimMedium::process_died() {
    orphaned_ = true;
    std::erase_if(pending_, [this](const Orphan& part) {
        return part.operation->io->op == IoOp::read || world_.random().chance(0.4);
    });
}

void SimMedium::power_off() {
    WEFT_CHECK(orphaned_ || pending_.empty());
    pending_.clear();
    if (habits_.plant != Plant::silent_power_loss) ++epoch_;
    for (auto& [lba, cached] : std::exchange(cached_, {})) {
        if (world_.random().chance(0.5)) std::memcpy(at(lba), cached.durable.data(), cached.durable.size());
    }
}

SimDisk::SimDisk(Node& node, SimMedium& medium) : BlockDevice(node), node_(node), medium_(medium) {
    medium_.open();
    node.on_death([&medium] { medium.process_died(); });
    geometry_.block_size = medium.habits().block_size;
    geometry_.physical_block_size = medium.habits().block_size;
    geometry_.blocks = medium.habits().blocks;
    geometry_.discard_granularity = 1;
    geometry_.discard_zeroes = true;
    geometry_.write_zeroes = true;
    geometry_.volatile_cache = medium.habits().volatile_cache;
}

Duration SimDisk::latency() {
    const DiskHabits& habits = medium_.habits();
    const auto factor = static_cast<Duration::rep>(medium_.slowness);
    return medium_.world_.random().between(habits.latency_min, habits.latency_max) * factor;
}

void SimDisk::do_submit(block::IoRequest& io) {
    Random& random = medium_.world_.random();
    const auto operation = std::make_shared<Operation>(Operation{&io});
    const bool write = io.op != IoOp::read && io.op != IoOp::flush;
    const Plant plant = medium_.habits().plant;
    if (medium_.errors && random.chance(medium_.habits().error_chance)) {
        operation->status = IoStatus::medium_error;
        ++medium_.errors_injected;
    }
    Duration end = latency();
    const bool lost = plant == Plant::loses_write && io.op == IoOp::write && random.chance(0.02);
    if (io.op == IoOp::flush) {
        if (operation->status == IoStatus::ok && plant != Plant::flush_not_done)
            schedule_flush(operation, end);
    } else if (!lost) {
        const std::uint64_t split = io.blocks > 1 && random.chance(0.3) ? random.below(io.blocks) : 0;
        // A request that fails does a part of its work at most.
        if (split > 0) schedule_part(operation, 0, split, random.between(Duration{0}, end));
        if (operation->status == IoStatus::ok || random.chance(0.3))
            schedule_part(operation, split, io.blocks - split, random.between(Duration{0}, end));
    }
    if (plant == Plant::lands_twice && io.op == IoOp::write && random.chance(0.05))
        plant_late_landing(io, end);
    if (plant == Plant::early_answer && write) end = std::min<Duration>(end, 5us);
    medium_.world_.after(end, &node_, [this, operation] { complete(*operation->io, operation->status); });
}

void SimDisk::schedule_part(const std::shared_ptr<Operation>& operation, std::uint64_t first,
                            std::uint64_t count, Duration delay) {
    SimMedium& medium = medium_;
    const block::IoRequest& io = *operation->io;
    if (medium.habits().plant == Plant::early_answer && io.op == IoOp::write) {
        // Its buffer will be somebody else's by then.
        std::vector<std::byte> copy(io.data.base, io.data.base + io.data.length);
        medium.world_.after(delay, nullptr, [&medium, first, count, lba = io.lba, copy = std::move(copy)] {
            for (std::uint64_t i = first; i < first + count; ++i)
                medium.store(lba + i, copy.data() + i * medium.habits().block_size, false);
        });
        return;
    }
    medium.pending_.push_back({operation, first, count});
    medium.world_.after(delay, nullptr, [&medium, operation, first, count] {
        const auto part = std::find_if(medium.pending_.begin(), medium.pending_.end(), [&](const auto& each) {
            return each.operation == operation && each.first == first;
        });
        if (part == medium.pending_.end()) return;
        medium.pending_.erase(part);
        medium.transfer(*operation, first, count);
    });
}

void SimDisk::schedule_flush(const std::shared_ptr<Operation>& operation, Duration delay) {
    SimMedium& medium = medium_;
    (void)operation;
    medium.world_.after(delay, &node_, [&medium, until = medium.version_] {
        std::erase_if(medium.cached_, [until](const auto& entry) { return entry.second.version <= until; });
    });
}

void SimDisk::plant_late_landing(const block::IoRequest& io, Duration delay) {
    SimMedium& medium = medium_;
    std::vector<std::byte> copy(io.data.base, io.data.base + io.data.length);
    medium.world_.after(delay * 4, nullptr, [&medium, lba = io.lba, copy = std::move(copy)] {
        const std::uint32_t size = medium.habits().block_size;
        for (std::size_t i = 0; i * size < copy.size(); ++i)
            medium.store(lba + i, copy.data() + i * size, false);
    });
}

}  // namespace weft::sim
