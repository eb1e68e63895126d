// SPDX-License-Identifier: Apache-2.0
#include "common/block/linear_device.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <string>

namespace weft::block {

namespace {

constexpr std::size_t kScratchUnit = 16;

constexpr std::size_t round_up(std::size_t bytes) {
    return (bytes + kScratchUnit - 1) / kScratchUnit * kScratchUnit;
}

// Of two limits where 0 means none.
template <class T>
T tighter(T a, T b) {
    if (a == 0 || b == 0) return std::max(a, b);
    return std::min(a, b);
}

std::uint32_t common_granularity(std::uint32_t a, std::uint32_t b) {
    const std::uint64_t both = std::lcm(std::uint64_t{a}, std::uint64_t{b});
    return both <= std::numeric_limits<std::uint32_t>::max() ? static_cast<std::uint32_t>(both)
                                                             : std::max(a, b);
}

Geometry combine(const Geometry& a, const Geometry& b) {
    const bool discard = a.discard_granularity != 0 && b.discard_granularity != 0;
    return Geometry{
        .block_size = a.block_size,
        .physical_block_size = std::max(a.physical_block_size, b.physical_block_size),
        .blocks = a.blocks + b.blocks,
        .transfer_blocks_max = tighter(a.transfer_blocks_max, b.transfer_blocks_max),
        .optimal_blocks = std::max(a.optimal_blocks, b.optimal_blocks),
        .discard_granularity = discard ? common_granularity(a.discard_granularity, b.discard_granularity) : 0,
        .discard_blocks_max = tighter(a.discard_blocks_max, b.discard_blocks_max),
        .zero_blocks_max = tighter(a.zero_blocks_max, b.zero_blocks_max),
        .write_zeroes = a.write_zeroes && b.write_zeroes,
        .discard_zeroes = a.discard_zeroes && b.discard_zeroes,
        .volatile_cache = a.volatile_cache || b.volatile_cache,
        .read_only = a.read_only || b.read_only,
        .rotational = a.rotational || b.rotational,
    };
}

}  // namespace

// A request's state, at the start of its scratch; the parts follow, each with its leg's scratch behind it.
struct LinearDevice::Pending {
    LinearDevice* device;
    IoRequest* io;
    std::size_t parts = 0;      // made
    std::size_t remaining = 0;  // not completed
    IoStatus status = IoStatus::ok;
};

struct LinearDevice::Part final : IoRequest {
    explicit Part(Pending& of) : pending(of) {}
    Pending& pending;
};

Result<std::unique_ptr<LinearDevice>> LinearDevice::create(Executor& executor, std::vector<BlockDevice*> legs,
                                                           bool read_only) {
    if (legs.empty()) return fail("a linear volume needs at least one leg");
    const std::uint32_t block_size = legs.front()->geometry().block_size;
    std::uint64_t blocks_left = std::numeric_limits<std::uint64_t>::max() / block_size;
    for (std::size_t i = 0; i < legs.size(); ++i) {
        const Geometry& geometry = legs[i]->geometry();
        const std::string leg = "leg " + std::to_string(i + 1);
        if (geometry.block_size != block_size) {
            return fail(leg + " of a linear volume has blocks of " + std::to_string(geometry.block_size) +
                        " bytes, leg 1 of " + std::to_string(block_size) + ": they must be the same");
        }
        if (geometry.blocks == 0) return fail(leg + " of a linear volume is empty");
        if (geometry.blocks > blocks_left) return fail("a linear volume of 2^64 bytes or more");
        blocks_left -= geometry.blocks;
        WEFT_CHECK(&legs[i]->executor() == &executor);
    }
    auto device = std::unique_ptr<LinearDevice>(new LinearDevice(executor, std::move(legs)));
    device->geometry_.read_only = device->geometry_.read_only || read_only;
    return device;
}

LinearDevice::LinearDevice(Executor& executor, std::vector<BlockDevice*> legs)
    : BlockDevice(executor), geometry_(legs.front()->geometry()) {
    std::uint64_t first = 0;
    std::size_t leg_scratch = 0;
    for (BlockDevice* leg : legs) {
        if (first > 0) geometry_ = combine(geometry_, leg->geometry());
        legs_.push_back({leg, first, leg->geometry().blocks});
        first += leg->geometry().blocks;
        leg_scratch = std::max(leg_scratch, leg->scratch_bytes());
    }
    parts_max_ = legs_.size();
    part_bytes_ = round_up(sizeof(Part)) + round_up(leg_scratch);
    scratch_bytes_ = round_up(sizeof(Pending)) + parts_max_ * part_bytes_;
}

std::optional<Region> LinearDevice::memory() const {
    return legs_.size() == 1 ? legs_.front().device->memory() : std::nullopt;
}

std::size_t LinearDevice::leg_of(std::uint64_t lba) const {
    const auto after =
        std::upper_bound(legs_.begin(), legs_.end(), lba,
                         [](std::uint64_t block, const Leg& leg) { return block < leg.first; });
    return static_cast<std::size_t>(after - legs_.begin()) - 1;
}

LinearDevice::Part& LinearDevice::make_part(Pending& pending, std::size_t leg) {
    WEFT_CHECK(pending.parts < parts_max_);
    const IoRequest& io = *pending.io;
    std::byte* at = io.scratch + round_up(sizeof(Pending)) + pending.parts * part_bytes_;
    Part& part = *::new (at) Part(pending);
    ++pending.parts;
    ++pending.remaining;
    part.op = io.op;
    part.fua = io.fua;
    part.may_unmap = io.may_unmap;
    part.scratch = legs_[leg].device->scratch_bytes() > 0 ? at + round_up(sizeof(Part)) : nullptr;
    part.done = [](IoRequest& request) {
        auto& done = static_cast<Part&>(request);
        Pending& of = done.pending;
        const IoStatus status = done.status;
        std::destroy_at(&done);
        of.device->on_part_done(of, status);
    };
    return part;
}

void LinearDevice::do_submit(IoRequest& io) {
    auto& pending = *::new (io.scratch) Pending{.device = this, .io = &io};
    if (io.op == IoOp::flush)
        start_flush(pending);
    else
        start_range(pending);
}

void LinearDevice::start_flush(Pending& pending) {
    for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
        if (legs_[leg].device->geometry().volatile_cache) legs_[leg].device->submit(make_part(pending, leg));
    }
    if (pending.parts == 0) complete(*pending.io, IoStatus::ok);
}

// Walks the parts as start_flush() made them.
void LinearDevice::tell_failure(const Pending& pending) {
    const std::byte* at = pending.io->scratch + round_up(sizeof(Pending)) + round_up(sizeof(Part));
    for (const Leg& leg : legs_) {
        if (!leg.device->geometry().volatile_cache) continue;
        leg.device->on_failure_told(at);
        at += part_bytes_;
    }
}

void LinearDevice::start_range(Pending& pending) {
    const IoRequest& io = *pending.io;
    std::uint64_t lba = io.lba;
    std::uint64_t left = io.blocks;
    std::byte* data = io.data.base;
    for (std::size_t leg = leg_of(lba); left > 0; ++leg) {
        const std::uint64_t at = lba - legs_[leg].first;
        const std::uint64_t blocks = std::min(left, legs_[leg].blocks - at);
        Part& part = make_part(pending, leg);
        part.lba = at;
        part.blocks = blocks;
        if (io.data.length > 0) {
            part.data = {data, static_cast<std::uint32_t>(blocks * geometry_.block_size), io.data.region};
            data += part.data.length;
        }
        lba += blocks;
        left -= blocks;
        legs_[leg].device->submit(part);
    }
}

void LinearDevice::on_part_done(Pending& pending, IoStatus status) {
    WEFT_CHECK(pending.remaining > 0);
    if (pending.status == IoStatus::ok) pending.status = status;
    if (--pending.remaining > 0) return;
    const IoStatus result = pending.status;
    IoRequest& io = *pending.io;
    if (io.op == IoOp::flush && result != IoStatus::ok) tell_failure(pending);
    std::destroy_at(&pending);
    complete(io, result);
}

}  // namespace weft::block
