// SPDX-License-Identifier: Apache-2.0
// What becomes of acknowledged writes that were not flushed when the target's host loses its power. They may
// be gone, and only their writer can write them again: so the flush that would have covered them fails, once,
// as fsync() fails on a local disk that lost its cache.
#include <algorithm>

#include "common/core/log.h"
#include "initiator/srp/remote_device.h"
#include "initiator/srp/remote_device_pending.h"

namespace weft::initiator {

namespace {
constexpr Duration kEpochDelay = 1ms;
}

void RemoteDevice::note_finished(const Pending& pending) {
    switch (pending.io->op) {
        case block::IoOp::read: return;
        case block::IoOp::flush: flushed_ = std::max(flushed_, pending.covers); return;
        case block::IoOp::write:
        case block::IoOp::discard:
        case block::IoOp::write_zeroes:
            if (!pending.io->fua) ++changes_;
            return;
    }
    WEFT_UNREACHABLE("IoOp");
}

// The unit has told its epoch, which mostly is the one it was in before.
void RemoteDevice::begin_epoch(const Uuid& epoch) {
    if (epoch == Uuid{} || epoch == next_epoch_) return;
    next_epoch_ = epoch;
    if (epoch_ == Uuid{} || changes_ == flushed_ || !unit_.geometry.volatile_cache) {
        adopt_epoch();
        return;
    }
    ++counters_.lost_caches;
    lost_changes_ = changes_;
    lost_order_ = next_order_;
    log::error(
        "{}: {} of target {} has lost its power or its host was started anew: writes that were acknowledged "
        "but not flushed may be gone; the next flush fails, so that whoever wrote them knows",
        options_.name, unit_.label(), session_.target());
}

// What there was to report has been reported.
void RemoteDevice::adopt_epoch() {
    epoch_ = next_epoch_;
    flushed_ = std::max(flushed_, lost_changes_);
    telling_ = nullptr;
    // Later: the failed flush's answer is with the kernel by then, and a daemon that dies before it was given
    // leaves the old epoch on record, so that the next one tells again.
    if (options_.on_epoch && state_ != RemoteDeviceState::closed) executor().start(epoch_timer_, kEpochDelay);
}

void RemoteDevice::remember_epoch() { options_.on_epoch(epoch_); }

// Every flush that was submitted before the loss was seen covers the same writes; those after it fail until
// one of them has been answered.
bool RemoteDevice::must_fail(const Pending& flush) const {
    if (flush.io->op != block::IoOp::flush) return false;
    return flush.order < lost_order_ || next_epoch_ != epoch_;
}

void RemoteDevice::fail_flush(Pending& flush) {
    if (flush.order >= lost_order_) telling_ = flush.io->scratch;
    finish(flush, block::IoStatus::io_error);
}

void RemoteDevice::on_failure_told(const std::byte* scratch) {
    if (telling_ != nullptr && scratch == telling_ && next_epoch_ != epoch_) adopt_epoch();
}

}  // namespace weft::initiator
