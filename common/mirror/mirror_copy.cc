// SPDX-License-Identifier: Apache-2.0
// What is made the same again: regions that legs in sync may differ in after their server died, and what a
// leg lacks that is back. And when a region is clean.
#include <algorithm>
#include <utility>

#include "common/core/log.h"
#include "common/mirror/mirror_device.h"
#include "common/mirror/mirror_pending.h"

namespace weft::mirror {

namespace {

using block::IoOp;
using block::IoStatus;

std::size_t lowest(unsigned legs) { return static_cast<std::size_t>(__builtin_ctz(legs)); }

}  // namespace

void MirrorDevice::copy_more() {
    if (copier_->kind != CopyKind::none) return;
    if (closing_ || !membership_.settled()) return check_closed();
    if (!choose_region()) return check_closed();
    copier_->done_blocks = 0;
    copy_piece();
}

// What somebody waits for first, then what legs in sync may differ in, then what a leg lacks.
bool MirrorDevice::choose_region() {
    Copier& copy = *copier_;
    if (is_last(lowest(in_sync_))) {
        // There is nothing that it could differ from. It is what counts from now on.
        std::fill(unreconciled_.begin(), unreconciled_.end(), false);
        unreconciled_count_ = 0;
        wanted_.clear();
        wake();
    }
    while (!wanted_.empty() && !unreconciled_[wanted_.back()]) wanted_.pop_back();
    if (unreconciled_count_ > 0) {
        copy.kind = CopyKind::reconcile;
        copy.region =
            !wanted_.empty()
                ? wanted_.back()
                : static_cast<std::uint64_t>(std::find(unreconciled_.begin(), unreconciled_.end(), true) -
                                             unreconciled_.begin());
        copy.source = lowest(in_sync_);
        copy.targets = static_cast<Legs>(in_sync_ & ~bit(copy.source));
        return true;
    }
    if (rebuilding_ == 0) return false;
    const std::size_t leg = lowest(rebuilding_);
    if ((taking_pages_ & bit(leg)) != 0) {
        end_rebuilding();
        return false;
    }
    rebuilt_ = leg;
    const bool from_nothing = membership_.confirmed().members[leg].from_nothing;
    const auto next =
        from_nothing ? map_.next_written(legs_[leg].copied) : map_.next_dirty(legs_[leg].copied);
    if (!next) {
        end_rebuilding();
        return false;
    }
    copy.kind = CopyKind::rebuild;
    copy.region = *next;
    copy.source = lowest(in_sync_);
    copy.targets = bit(leg);
    return true;
}

void MirrorDevice::copy_piece() {
    Copier& copy = *copier_;
    const std::uint64_t most = kCopyBytes / shape_.block_size;
    const std::uint64_t blocks = std::min(most, region_blocks_ - copy.done_blocks);
    // Reads wait for what legs in sync differ in.
    copy.set(copy.kind == CopyKind::reconcile ? Touch::write : Touch::copy,
             copy.region * region_blocks_ + copy.done_blocks, blocks);
    copy.failed = false;
    if (lock_.acquire(copy)) copy_read();
}

void MirrorDevice::copy_read() {
    Copier& copy = *copier_;
    if (!membership_.settled() || (in_sync_ & bit(copy.source)) == 0 ||
        ((in_sync_ | rebuilding_) & copy.targets) != copy.targets) {
        copy.failed = true;
        end_piece();
        return;
    }
    OwnIo& io = *own_io_[copy.source];
    io.op = IoOp::read;
    io.fua = false;
    io.lba = copy.first();
    io.blocks = copy.count();
    io.data = {copy_room_.base, static_cast<std::uint32_t>(copy.count() * shape_.block_size),
               copy_room_.region};
    io.then = [this](IoStatus status) { on_copy_read(status); };
    legs_[copy.source].device->submit(io);
}

void MirrorDevice::on_copy_read(IoStatus status) {
    Copier& copy = *copier_;
    if (status != IoStatus::ok) {
        copy.failed = true;
        if (!is_last(copy.source) || status == IoStatus::connection_lost)
            leg_failed(copy.source, "it could not be copied from: " + std::string(to_string(status)));
        end_piece();
        return;
    }
    copy.outstanding = 0;
    for (std::size_t leg = 0; leg < legs_.size(); ++leg)
        copy.outstanding += (copy.targets & bit(leg)) != 0 ? 1 : 0;
    for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
        if ((copy.targets & bit(leg)) == 0) continue;
        OwnIo& io = *own_io_[leg];
        const OwnIo& from = *own_io_[copy.source];
        io.op = IoOp::write;
        io.fua = false;
        io.lba = from.lba;
        io.blocks = from.blocks;
        io.data = from.data;
        io.then = [this, leg](IoStatus written) { on_copy_written(leg, written); };
        legs_[leg].device->submit(io);
    }
}

void MirrorDevice::on_copy_written(std::size_t leg, IoStatus status) {
    Copier& copy = *copier_;
    if (status == IoStatus::ok) {
        bytes_copied_ += copy.count() * shape_.block_size;
    } else {
        copy.failed = true;
        leg_failed(leg, "it could not be copied to: " + std::string(to_string(status)));
    }
    if (--copy.outstanding == 0) end_piece();
}

void MirrorDevice::end_piece() {
    Copier& copy = *copier_;
    const CopyKind kind = copy.kind;
    copy.done_blocks += copy.count();
    const bool done = copy.done_blocks == region_blocks_;
    const bool failed = copy.failed;
    if (done || failed) copy.kind = CopyKind::none;
    if (done && !failed) {
        if (kind == CopyKind::rebuild) legs_[rebuilt_].copied = copy.region + 1;
        if (kind == CopyKind::reconcile && unreconciled_[copy.region]) {
            unreconciled_[copy.region] = false;
            --unreconciled_count_;
        }
    }
    lock_.release(copy);
    if (!done && !failed) return copy_piece();
    if (kind == CopyKind::reconcile) wake();
    if (!copies_.pending()) executor().defer(copies_);
}

// It has all data. Then: they are on its medium; it has the map, page by page, and every page that is written
// from now on; it has been told the epoch; it is in sync.
void MirrorDevice::end_rebuilding() {
    const std::size_t leg = rebuilt_;
    if ((rebuilding_ & bit(leg)) == 0 || legs_[leg].asking || !legs_[leg].up) return;
    if ((taking_pages_ & bit(leg)) == 0) {
        legs_[leg].asking = true;
        OwnIo& io = *own_io_[leg];
        io.op = IoOp::flush;
        io.lba = io.blocks = 0;
        io.fua = false;
        io.data = {};
        io.then = [this, leg](IoStatus status) {
            legs_[leg].asking = false;
            if (status != IoStatus::ok)
                return leg_failed(leg, "it could not be flushed: " + std::string(to_string(status)));
            if ((rebuilding_ & bit(leg)) == 0 || !legs_[leg].up) return;
            taking_pages_ |= bit(leg);
            passes_ = 0;
            tell_log();
            save_map();
        };
        legs_[leg].device->submit(io);
        return;
    }
    if (!log_.saved()) return;  // on_pages_saved() comes
    // Twice, so that neither slot has what it had before.
    if (++passes_ < 2) {
        save_map();
        return;
    }
    if (membership_.wants_introduction(leg)) {
        legs_[leg].asking = true;
        Superblock superblock = membership_.confirmed();
        superblock.self = leg;
        const Epoch epoch = superblock.epoch;
        legs_[leg].media->write_superblock(superblock, [this, leg, epoch](bool durably) {
            legs_[leg].asking = false;
            if (!durably) return leg_failed(leg, "it did not take its superblock");
            if (membership_.wants_introduction(leg) && membership_.confirmed().epoch == epoch)
                membership_.introduced(leg);
            if (!copies_.pending()) executor().defer(copies_);
        });
        return;
    }
    log::info("{}: leg {} is in sync", options_.name, leg);
    membership_.promote(leg);
    if (!rounds_.pending()) executor().defer(rounds_);
}

void MirrorDevice::save_map() {
    for (std::uint64_t page = 0; page < map_.pages(); ++page) log_.save(page);
}

// --- clean

void MirrorDevice::clean() {
    if (!closing_) executor().start(clean_timer_, options_.clean_period);
    if (flushing_ > 0 || !membership_.settled() || !all_in_sync() || unreconciled_count_ > 0) return;
    bool any = false;
    std::fill(idle_.begin(), idle_.end(), false);
    for (auto region = map_.next_dirty(0); region; region = map_.next_dirty(*region + 1)) {
        if (touched_[*region] || lock_.is_used(*region * region_blocks_, region_blocks_)) continue;
        idle_[*region] = any = true;
    }
    std::fill(touched_.begin(), touched_.end(), false);
    if (any) flush_legs();
}

bool MirrorDevice::all_in_sync() const { return in_sync_ == static_cast<Legs>((1U << legs_.size()) - 1); }

// What legs in sync have is on their media then.
void MirrorDevice::flush_legs() {
    flush_failed_ = false;
    const Legs whom = in_sync_;
    for (std::size_t leg = 0; leg < legs_.size(); ++leg) flushing_ += (whom & bit(leg)) != 0 ? 1 : 0;
    for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
        if ((whom & bit(leg)) == 0) continue;
        OwnIo& io = *flush_io_[leg];
        io.op = IoOp::flush;
        io.then = [this, leg](IoStatus status) { on_leg_flushed(leg, status); };
        legs_[leg].device->submit(io);
    }
}

void MirrorDevice::on_leg_flushed(std::size_t leg, IoStatus status) {
    if (status != IoStatus::ok) {
        flush_failed_ = true;
        if (!is_last(leg) || status == IoStatus::connection_lost)
            leg_failed(leg, "it could not be flushed: " + std::string(to_string(status)));
    }
    if (--flushing_ > 0) return;
    if (closing_) {
        if (!flush_failed_ && said_clean_) membership_.set_clean(true);
        check_closed();
        return;
    }
    end_cleaning();
}

void MirrorDevice::end_cleaning() {
    if (flush_failed_ || !membership_.settled() || !all_in_sync()) return;
    for (std::uint64_t region = 0; region < map_.regions(); ++region) {
        if (!idle_[region] || touched_[region] || map_.at(region) != RegionState::dirty) continue;
        if (lock_.is_used(region * region_blocks_, region_blocks_)) continue;
        map_.set(region, RegionState::clean);
        log_.save(DirtyMap::page_of(region));
    }
}

}  // namespace weft::mirror
