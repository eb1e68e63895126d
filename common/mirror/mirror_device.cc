// SPDX-License-Identifier: Apache-2.0
// The way of a request: its blocks to itself, its regions dirty, its legs, and nothing acknowledged that a
// leg in sync missed.
#include "common/mirror/mirror_device.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "common/core/log.h"
#include "common/mirror/mirror_pending.h"

namespace weft::mirror {

namespace {

using block::IoOp;
using block::IoStatus;

constexpr std::size_t kScratchUnit = 16;

constexpr std::size_t round_up(std::size_t bytes) {
    return (bytes + kScratchUnit - 1) / kScratchUnit * kScratchUnit;
}

// What every leg can do. Zeros are needed for regions that were never written.
block::Geometry combine(const block::Geometry& a, const block::Geometry& b) {
    const auto tighter = [](auto x, auto y) { return x == 0 || y == 0 ? std::max(x, y) : std::min(x, y); };
    block::Geometry both = a;
    both.physical_block_size = std::max(a.physical_block_size, b.physical_block_size);
    both.transfer_blocks_max = tighter(a.transfer_blocks_max, b.transfer_blocks_max);
    both.optimal_blocks = std::max(a.optimal_blocks, b.optimal_blocks);
    both.discard_granularity = a.discard_granularity == 0 || b.discard_granularity == 0
                                   ? 0
                                   : std::max(a.discard_granularity, b.discard_granularity);
    both.discard_blocks_max = tighter(a.discard_blocks_max, b.discard_blocks_max);
    both.zero_blocks_max = tighter(a.zero_blocks_max, b.zero_blocks_max);
    both.write_zeroes = a.write_zeroes && b.write_zeroes;
    // Legs may differ in what a discarded block reads as, unless all give zeros.
    both.discard_zeroes = a.discard_zeroes && b.discard_zeroes;
    if (!both.discard_zeroes) both.discard_granularity = 0;
    both.volatile_cache = a.volatile_cache || b.volatile_cache;
    both.read_only = a.read_only || b.read_only;
    both.rotational = a.rotational || b.rotational;
    return both;
}

std::vector<std::optional<Superblock>> say(const std::vector<MirrorParts::Leg>& legs) {
    std::vector<std::optional<Superblock>> says;
    for (const auto& leg : legs) says.push_back(leg.says);
    return says;
}

}  // namespace

MirrorDevice::MirrorDevice(Executor& executor, MirrorParts parts, MirrorOptions options)
    : BlockDevice(executor),
      options_(std::move(options)),
      shape_(parts.base.shape),
      region_blocks_(shape_.region_bytes / shape_.block_size),
      copy_room_{parts.room.base + kPageBytes, kCopyBytes, parts.room.region},
      membership_(parts.base, say(parts.legs)),
      map_(std::move(parts.map)),
      log_(*this, map_, shape_, parts.base.volume, {parts.room.base, kPageBytes, parts.room.region},
           std::move(parts.sequences)),
      unreconciled_(map_.regions()),
      touched_(map_.regions()),
      idle_(map_.regions()),
      copier_(std::make_unique<Copier>(*this)) {
    WEFT_CHECK(parts.room.length >= kRoomBytes);
    std::size_t leg_scratch = 0;
    for (auto& part : parts.legs) {
        Leg& leg = legs_.emplace_back();
        leg.media = std::move(part.media);
        leg.device = &leg.media->device();
        leg.up = part.says.has_value();
        const block::Geometry& geometry = leg.device->geometry();
        WEFT_CHECK(geometry.block_size == shape_.block_size && geometry.write_zeroes);
        geometry_ = legs_.size() == 1 ? geometry : combine(geometry_, geometry);
        leg_scratch = std::max(leg_scratch, leg.device->scratch_bytes());
        own_io_.push_back(std::make_unique<OwnIo>(*leg.device));
        flush_io_.push_back(std::make_unique<OwnIo>(*leg.device));
    }
    geometry_.blocks = shape_.bytes / shape_.block_size;
    part_bytes_ = round_up(sizeof(Part)) + round_up(leg_scratch);
    scratch_bytes_ = round_up(sizeof(Pending)) + legs_.size() * part_bytes_;
    // Whoever served it died, perhaps while it wrote here.
    for (auto region = map_.next_dirty(0); region && !parts.base.clean;
         region = map_.next_dirty(*region + 1)) {
        unreconciled_[*region] = true;
        ++unreconciled_count_;
    }
    membership_.set_clean(false);
    executor.defer(rounds_);
    executor.start(probe_timer_, options_.probe_period);
    executor.start(clean_timer_, options_.clean_period);
}

MirrorDevice::~MirrorDevice() { WEFT_CHECK(closing_ && closed_ == nullptr); }

void MirrorDevice::do_submit(block::IoRequest& io) {
    auto& pending = *::new (io.scratch) Pending(*this, io);
    if (io.op == IoOp::flush || lock_.acquire(pending.hold)) granted(pending);
}

void MirrorDevice::granted(Pending& pending) {
    pending.holds = pending.io.op != IoOp::flush;
    proceed(pending);
}

// Until something changes.
void MirrorDevice::park(Pending& pending) { parked_.push_back(pending); }

void MirrorDevice::wake() {
    for (std::size_t left = parked_.size(); left > 0; --left) proceed(parked_.pop_front());
}

void MirrorDevice::proceed(Pending& pending) {
    if (!membership_.settled()) {
        park(pending);
        return;
    }
    switch (pending.io.op) {
        case IoOp::read: read(pending); return;
        case IoOp::flush: send(pending, static_cast<Legs>(in_sync_ & ~pending.good)); return;
        case IoOp::write:
        case IoOp::discard:
        case IoOp::write_zeroes: change(pending); return;
    }
    WEFT_UNREACHABLE("IoOp");
}

void MirrorDevice::read(Pending& pending) {
    const block::IoRequest& io = pending.io;
    bool written = false;
    for (std::uint64_t region = region_of(io.lba); region <= region_of(io.lba + io.blocks - 1); ++region) {
        written = written || map_.at(region) != RegionState::never_written;
        if (!unreconciled_[region] || is_last(static_cast<std::size_t>(__builtin_ctz(in_sync_)))) continue;
        wanted_.push_back(region);
        if (!copies_.pending()) executor().defer(copies_);
        // Without its blocks, which the copy needs.
        if (pending.holds) lock_.release(pending.hold);
        pending.holds = false;
        park(pending);
        return;
    }
    if (!pending.holds) {
        pending.holds = lock_.acquire(pending.hold);
        if (!pending.holds) return;
    }
    if (!written) {
        std::memset(io.data.base, 0, io.data.length);
        finish(pending, IoStatus::ok);
        return;
    }
    std::optional<std::size_t> best;
    for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
        if ((in_sync_ & ~pending.bad & bit(leg)) == 0) continue;
        if (!best || legs_[leg].device->in_flight() < legs_[*best].device->in_flight()) best = leg;
    }
    if (!best) {
        finish(pending, pending.status);
        return;
    }
    Part& part = make_part(pending, *best);
    legs_[*best].device->submit(part);
}

void MirrorDevice::change(Pending& pending) {
    const block::IoRequest& io = pending.io;
    if (!pending.sent && begin_zeroing(pending)) return;
    if (!pending.intended) {
        pending.want.first = region_of(io.lba);
        pending.want.last = region_of(io.lba + io.blocks - 1);
        touch(io.lba, io.blocks);
        if (!log_.require(pending.want)) return;
        pending.intended = true;
    }
    pending.sent = true;
    send(pending, static_cast<Legs>((in_sync_ | rebuilding_) & ~pending.good));
}

// A region that was never written reads as zeros. Before it is said to have been written, all of it is zero
// on every leg. True: it is on its way.
bool MirrorDevice::begin_zeroing(Pending& pending) {
    const block::IoRequest& io = pending.io;
    const std::uint64_t last = region_of(io.lba + io.blocks - 1);
    std::uint64_t region = std::max(region_of(io.lba), pending.zeroed);
    while (region <= last && map_.at(region) != RegionState::never_written) ++region;
    if (region > last) return false;
    if (!pending.whole_regions) {
        lock_.release(pending.hold);
        pending.holds = false;
        pending.whole_regions = true;
        const std::uint64_t first = region_of(io.lba);
        pending.hold.set(Touch::write, first * region_blocks_, (last + 1 - first) * region_blocks_);
        if (!lock_.acquire(pending.hold)) return true;
        pending.holds = true;
    }
    if (!pending.zeroing || pending.region != region) pending.good = 0;
    pending.zeroing = true;
    pending.region = region;
    send(pending, static_cast<Legs>((in_sync_ | rebuilding_) & ~pending.good));
    return true;
}

MirrorDevice::Part& MirrorDevice::make_part(Pending& pending, std::size_t leg) {
    std::byte* at = pending.io.scratch + round_up(sizeof(Pending)) + leg * part_bytes_;
    auto& part = *::new (at) Part(pending, leg);
    const block::IoRequest& io = pending.io;
    if (pending.zeroing) {
        part.op = IoOp::write_zeroes;
        part.fua = true;
        part.lba = pending.region * region_blocks_;
        part.blocks = region_blocks_;
    } else {
        part.op = io.op;
        part.fua = io.fua;
        part.may_unmap = io.may_unmap;
        part.lba = io.lba;
        part.blocks = io.blocks;
        part.data = io.data;
    }
    part.scratch = legs_[leg].device->scratch_bytes() > 0 ? at + round_up(sizeof(Part)) : nullptr;
    part.done = [](block::IoRequest& request) {
        auto& done = static_cast<Part&>(request);
        done.pending.mirror.on_part(done);
    };
    ++pending.outstanding;
    return part;
}

void MirrorDevice::send(Pending& pending, Legs whom) {
    Legs left = whom;
    for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
        if ((left & bit(leg)) == 0) continue;
        const bool needed = pending.io.op != IoOp::flush || legs_[leg].device->geometry().volatile_cache;
        if (!needed) {
            pending.good |= bit(leg);
            continue;
        }
        legs_[leg].device->submit(make_part(pending, leg));
    }
    if (pending.outstanding == 0) on_sent(pending);
}

void MirrorDevice::on_part(Part& part) {
    Pending& pending = part.pending;
    const std::size_t leg = part.leg;
    const IoStatus status = part.status;
    std::destroy_at(&part);
    --pending.outstanding;
    const bool read = pending.io.op == IoOp::read;
    if (status == IoStatus::ok) {
        pending.good |= bit(leg);
    } else if (read && status != IoStatus::connection_lost && status != IoStatus::timed_out) {
        pending.bad |= bit(leg);
        pending.status = status;
    } else if (is_last(leg) && status != IoStatus::connection_lost) {
        pending.status = status;  // there is nobody else to ask
    } else {
        leg_failed(leg, std::string(to_string(status)));
    }
    if (pending.outstanding == 0) on_sent(pending);
}

void MirrorDevice::on_sent(Pending& pending) {
    if (pending.io.op == IoOp::read) {
        if (pending.good == 0) return proceed(pending);
        const block::IoRequest& io = pending.io;
        // What was never written there is not what the leg happens to hold.
        for (std::uint64_t block = 0; block < io.blocks; ++block) {
            if (map_.at(region_of(io.lba + block)) == RegionState::never_written)
                std::memset(io.data.base + block * shape_.block_size, 0, shape_.block_size);
        }
        return finish(pending, IoStatus::ok);
    }
    if (pending.status != IoStatus::ok) return finish(pending, pending.status);
    if (!membership_.settled()) return park(pending);
    if ((in_sync_ & ~pending.good) != 0) return proceed(pending);
    if (!pending.zeroing) return finish(pending, IoStatus::ok);
    pending.zeroing = false;
    pending.zeroed = pending.region + 1;
    pending.good = 0;
    proceed(pending);
}

void MirrorDevice::touch(std::uint64_t lba, std::uint64_t blocks) {
    for (std::uint64_t region = region_of(lba); region <= region_of(lba + blocks - 1); ++region)
        touched_[region] = true;
}

void MirrorDevice::finish(Pending& pending, IoStatus status) {
    block::IoRequest& io = pending.io;
    if (io.op != IoOp::read && io.op != IoOp::flush) touch(io.lba, io.blocks);
    if (pending.holds) lock_.release(pending.hold);
    std::destroy_at(&pending);
    complete(io, status);
}

}  // namespace weft::mirror
