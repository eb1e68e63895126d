// SPDX-License-Identifier: Apache-2.0
// Requests into commands, and their answers back. When they wait and for what: remote_device_recovery.cc.
#include "initiator/srp/remote_device.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "common/core/log.h"
#include "common/scsi/cdb.h"
#include "common/scsi/unmap.h"
#include "initiator/srp/remote_device_pending.h"

namespace weft::initiator {

namespace {

constexpr std::uint16_t kFailuresMax = 10;           // answers that ask to be tried again at once
constexpr std::uint64_t kWriteSameDefault = 0xFFFF;  // where the unit does not say, as Linux has it

RemoteUnit as_it_was(RemoteUnit unit, const std::optional<RemoteDeviceOptions::Heritage>& heritage) {
    if (heritage && heritage->epoch != Uuid{}) unit.epoch.id = heritage->epoch;
    return unit;
}

bool modifies(block::IoOp op) {
    return op == block::IoOp::write || op == block::IoOp::discard || op == block::IoOp::write_zeroes;
}

}  // namespace

RemoteDevice::RemoteDevice(Session& session, RemoteUnit unit, RemoteDeviceOptions options)
    : BlockDevice(session.executor()),
      session_(session),
      unit_(as_it_was(std::move(unit), options.heritage)),
      options_(std::move(options)),
      since_(session.executor().now()),
      changes_(options_.heritage ? 1 : 0),
      epoch_(unit_.epoch.id),
      next_epoch_(epoch_) {
    session_.attach(*this);
    if (!session_.live() || options_.heritage)
        out_of_ready(RemoteDeviceState::disconnected, session_.live()
                                                          ? "asking whether its cache is the one it was"
                                                          : "the session is not live");
    // Has it changed since the daemon before us?
    if (session_.live() && options_.heritage) start_verification();
}

RemoteDevice::~RemoteDevice() {
    close();
    session_.detach(*this);
}

std::size_t RemoteDevice::scratch_bytes() const {
    static_assert(alignof(Pending) <= 16);
    return (sizeof(Pending) + 15) / 16 * 16;
}

void RemoteDevice::do_submit(block::IoRequest& io) {
    if (state_ == RemoteDeviceState::closed || failing_) {
        ++counters_.errors;
        complete(io, block::IoStatus::connection_lost);
        return;
    }
    const bool unsupported = (io.op == block::IoOp::discard && !unit_.unmap) ||
                             (io.op == block::IoOp::write_zeroes && !unit_.geometry.write_zeroes);
    if (unsupported) {
        ++counters_.errors;
        complete(io, block::IoStatus::not_supported);
        return;
    }
    Pending& pending = *::new (io.scratch) Pending;
    pending.device = this;
    pending.io = &io;
    pending.user = this;
    pending.done = &RemoteDevice::on_done;
    pending.lun = unit_.lun;
    pending.order = next_order_++;
    pending.submitted = executor().now();
    dispatch(pending);
}

void RemoteDevice::dispatch(Pending& pending) {
    if (state_ != RemoteDeviceState::ready) {
        held_.push_back(pending);
        return;
    }
    if (must_fail(pending)) {
        fail_flush(pending);
        return;
    }
    // What one cache took before the session was lost and another after it is not one write: begin it again.
    if (pending.power != powers_) {
        pending.power = powers_;
        pending.blocks_done = 0;
        pending.syncing = false;
    }
    pending.covers = changes_;
    build(pending);
    session_.submit(pending);
}

void RemoteDevice::build(Pending& pending) {
    pending.direction = Direction::none;
    pending.data = Segment{};
    pending.parameter = {};
    pending.modifies = !pending.syncing && modifies(pending.io->op);
    if (pending.syncing || pending.io->op == block::IoOp::flush) {
        pending.piece = 0;
        pending.cdb = scsi::encode_synchronize_cache();
    } else if (pending.io->op == block::IoOp::discard) {
        build_discard(pending);
    } else if (pending.io->op == block::IoOp::write_zeroes) {
        build_zeroes(pending);
    } else {
        build_transfer(pending);
    }
}

void RemoteDevice::build_transfer(Pending& pending) {
    const block::IoRequest& io = *pending.io;
    const block::Geometry& geometry = unit_.geometry;
    const std::uint64_t left = io.blocks - pending.blocks_done;
    pending.piece = std::min<std::uint64_t>(left, geometry.transfer_blocks_max);
    const std::uint64_t lba = io.lba + pending.blocks_done;
    const auto blocks = static_cast<std::uint32_t>(pending.piece);
    pending.data = {io.data.base + pending.blocks_done * geometry.block_size, blocks * geometry.block_size,
                    io.data.region};
    if (io.op == block::IoOp::read) {
        pending.direction = Direction::in;
        pending.cdb = scsi::encode_read(lba, blocks);
    } else {
        pending.direction = Direction::out;
        const bool fua = io.fua && geometry.volatile_cache && unit_.fua;
        pending.cdb = scsi::encode_write(lba, blocks, {.fua = fua});
    }
}

void RemoteDevice::build_discard(Pending& pending) {
    const block::IoRequest& io = *pending.io;
    const std::uint64_t most = std::min<std::uint64_t>(unit_.unmap_blocks_max, 0xFFFFFFFF);
    pending.piece = std::min(io.blocks - pending.blocks_done, most);
    const scsi::UnmapExtent extent{.lba = io.lba + pending.blocks_done,
                                   .blocks = static_cast<std::uint32_t>(pending.piece)};
    const std::size_t length = scsi::encode_unmap_list(std::span(&extent, 1), pending.parameters);
    pending.direction = Direction::out;
    pending.parameter = std::span<const std::byte>(pending.parameters).first(length);
    pending.cdb = scsi::encode_unmap(static_cast<std::uint16_t>(length));
}

void RemoteDevice::build_zeroes(Pending& pending) {
    const block::IoRequest& io = *pending.io;
    const std::uint64_t said = unit_.write_same_blocks_max;
    const std::uint64_t most = std::min<std::uint64_t>(said == 0 ? kWriteSameDefault : said, 0xFFFFFFFF);
    pending.piece = std::min(io.blocks - pending.blocks_done, most);
    // Only a weft unit is known to take WRITE SAME without a block of data.
    const bool no_data = session_.weft_peer() && !unit_.name.empty();
    if (!no_data) {
        pending.direction = Direction::out;
        pending.data = session_.zeroes(unit_.geometry.block_size);
    }
    pending.cdb =
        scsi::encode_write_same_16(io.lba + pending.blocks_done, static_cast<std::uint32_t>(pending.piece),
                                   io.may_unmap && unit_.write_same_unmap, no_data);
}

void RemoteDevice::on_done(Command& command) {
    Pending& pending = static_cast<Pending&>(command);
    RemoteDevice& device = *pending.device;
    switch (pending.outcome) {
        case Outcome::answered: device.on_answered(pending); return;
        case Outcome::withdrawn: device.finish(pending, block::IoStatus::connection_lost); return;
        case Outcome::unregistered: device.finish(pending, block::IoStatus::io_error); return;
        case Outcome::resend:
            if (device.may_wait(pending))
                device.retry(pending);
            else
                device.finish(pending, block::IoStatus::connection_lost);
            return;
        case Outcome::timed_out:
            if (device.may_wait(pending))
                device.retry(pending);
            else
                device.finish(pending, block::IoStatus::timed_out);
            return;
    }
    WEFT_UNREACHABLE("Outcome");
}

void RemoteDevice::on_answered(Pending& pending) {
    const auto sense = scsi::decode_sense(pending.sense.span());
    const scsi::Verdict verdict = scsi::judge(pending.status, sense);
    if (verdict.status == block::IoStatus::ok) {
        on_good(pending);
        return;
    }
    if (sense && sense->key == scsi::SenseKey::unit_attention) on_attention(sense->code);
    switch (verdict.retry) {
        case scsi::Retry::no: break;
        case scsi::Retry::at_once:
            if (++pending.failures > kFailuresMax || state_ == RemoteDeviceState::closed) break;
            retry(pending);
            return;
        case scsi::Retry::later:
            if (!may_wait(pending)) break;
            delay(pending);
            return;
    }
    finish(pending, verdict.status);
}

void RemoteDevice::on_good(Pending& pending) {
    const block::IoRequest& io = *pending.io;
    const bool transfer = io.op == block::IoOp::read || io.op == block::IoOp::write;
    if (transfer && !pending.syncing && (pending.residual != 0 || pending.overflow)) {
        if (counters_.errors == 0)
            log::error("{}: {} answered GOOD, but moved {} bytes less than asked", options_.name,
                       unit_.label(), pending.residual);
        finish(pending, block::IoStatus::io_error);
        return;
    }
    pending.delays = 0;
    pending.failures = 0;
    pending.blocks_done += pending.piece;
    if (!pending.syncing && pending.blocks_done < io.blocks) {
        dispatch(pending);
        return;
    }
    // FUA that no bit of the command can ask for.
    const bool no_bit = io.op == block::IoOp::write_zeroes || !unit_.fua;
    if (io.fua && modifies(io.op) && unit_.geometry.volatile_cache && no_bit && !pending.syncing) {
        pending.syncing = true;
        dispatch(pending);
        return;
    }
    // The cache that was flushed need not be the one that the data went into: dispatch() begins again.
    if (pending.syncing && pending.power != powers_) {
        retry(pending);
        return;
    }
    finish(pending, block::IoStatus::ok);
}

void RemoteDevice::count(const block::IoRequest& io) {
    const std::uint64_t bytes = io.blocks * unit_.geometry.block_size;
    switch (io.op) {
        case block::IoOp::read:
            ++counters_.reads;
            counters_.bytes_read += bytes;
            return;
        case block::IoOp::write:
            ++counters_.writes;
            counters_.bytes_written += bytes;
            return;
        case block::IoOp::flush: ++counters_.flushes; return;
        case block::IoOp::discard: ++counters_.discards; return;
        case block::IoOp::write_zeroes: ++counters_.zeroes; return;
    }
}

void RemoteDevice::finish(Pending& pending, block::IoStatus status) {
    WEFT_CHECK(pending.state() == CommandState::idle && !pending.linked());
    block::IoRequest& io = *pending.io;
    if (status == block::IoStatus::ok) {
        count(io);
        note_finished(pending);
    } else {
        ++counters_.errors;
    }
    pending.~Pending();
    complete(io, status);
}

}  // namespace weft::initiator
