// SPDX-License-Identifier: Apache-2.0
// What happens to the pieces of a transfer: answers of the front end and of the device, and failures.
#include <cstring>

#include "common/lun/media_transfer.h"
#include "common/lun/task.h"

namespace weft::lun {

using block::IoOp;
using block::IoStatus;
using Kind = MediaPlan::Kind;

namespace {

bool same(const Segment& a, const Segment& b) {
    WEFT_CHECK(a.length == b.length);
    return std::memcmp(a.base, b.base, a.length) == 0;
}

}  // namespace

void MediaTransfer::on_fetched(std::uint32_t token, bool ok) {
    Piece& piece = pieces_.at(token);
    WEFT_CHECK(piece.step == Step::fetching);
    if (!ok)
        fail(piece, Fault::data_phase);
    else if (given_up(piece))
        release(piece);
    else
        on_executed(piece);
    pump();
}

void MediaTransfer::on_delivered(std::uint32_t token, bool ok) {
    Piece& piece = pieces_.at(token);
    WEFT_CHECK(piece.step == Step::delivering);
    if (ok)
        release(piece);
    else
        fail(piece, Fault::data_phase);
    // What a direct read delivers next may be its last, so it needs a turn of its own.
    if (!direct_)
        pump();
    else if (!stopped_)
        task_.schedule();
}

void MediaTransfer::on_buffer_free() {
    if (!waiting_) return;
    waiting_ = false;
    pump();
}

void MediaTransfer::on_io_done(block::IoRequest& io) {
    auto& piece = static_cast<Piece&>(io);
    MediaTransfer& transfer = *piece.transfer;
    if (io.status == IoStatus::ok)
        transfer.on_executed(piece);
    else
        transfer.on_io_failed(piece);
    transfer.pump();
    transfer.task_.settle(true);
}

// The step the piece is in went well (idle: its data is there already).
void MediaTransfer::on_executed(Piece& piece) {
    switch (piece.step) {
        case Step::idle:
        case Step::fetching:
            if (plan_.kind == Kind::compare)
                submit(piece, Step::reading, IoOp::read, piece.second);
            else
                submit(piece, Step::writing, IoOp::write, piece.buffer);
            return;
        case Step::reading: on_read(piece); return;
        case Step::writing: on_written(piece); return;
        case Step::flushing:
            (flush_before_ ? flush_before_ : flush_after_) = false;
            release(piece);
            return;
        case Step::ranging: release(piece); return;
        case Step::delivering: break;
    }
    WEFT_UNREACHABLE("a delivery is not I/O");
}

void MediaTransfer::on_read(Piece& piece) {
    if (piece.bad != 0) {
        piece.good += piece.blocks;
        if (!read_for_failure(piece)) fail(piece, Fault::device);
        return;
    }
    if (given_up(piece)) {
        release(piece);
        return;
    }
    switch (plan_.kind) {
        case Kind::read: deliver(piece); return;
        case Kind::write_verify:
        case Kind::compare:
            if ((plan_.kind == Kind::compare || plan_.check_bytes) && !same(piece.buffer, piece.second)) {
                fail(piece, Fault::miscompare);
                return;
            }
            break;
        default: break;
    }
    release(piece);
}

void MediaTransfer::on_written(Piece& piece) {
    if (plan_.kind == Kind::write_verify && !given_up(piece))
        submit(piece, Step::reading, IoOp::read, piece.second);
    else
        release(piece);
}

void MediaTransfer::on_io_failed(Piece& piece) {
    if (piece.op == IoOp::write && piece.fua && piece.status == IoStatus::not_supported && !given_up(piece)) {
        plan_.fua = false;
        flush_after_ = true;
        submit(piece, Step::writing, IoOp::write, piece.buffer);
        return;
    }
    const bool reads_once = plan_.kind == Kind::read || plan_.kind == Kind::verify;
    if (piece.status == IoStatus::medium_error && piece.op == IoOp::read && reads_once && !task_.aborted()) {
        stop();
        piece.bad = piece.bad == 0 ? piece.count : piece.good + piece.blocks;
        if (read_for_failure(piece)) return;
    }
    fail(piece, Fault::device);
}

// Reads half of what is in doubt, so that sense data names the block that failed and all before it arrives.
// False: it is found, or the task is withdrawn.
bool MediaTransfer::read_for_failure(Piece& piece) {
    WEFT_CHECK(piece.good < piece.bad);
    if (piece.bad - piece.good == 1 || task_.aborted()) return false;
    const std::uint64_t blocks = (piece.bad - piece.good) / 2;
    submit(piece, Step::reading, IoOp::read,
           part(piece.buffer, piece.good * block_size(), blocks * block_size()));
    return true;
}

bool MediaTransfer::given_up(const Piece& piece) const {
    return task_.aborted() || (failure_.fault != Fault::none && piece.first > failure_.first);
}

void MediaTransfer::fail(Piece& piece, Fault fault) {
    stop();
    const bool flushing = piece.step == Step::flushing;
    const bool found = piece.bad != 0 && fault == Fault::device;
    Failure failure{.fault = fault, .status = piece.status, .op = piece.op, .first = piece.first};
    if (found) {
        failure.first += piece.good;
        failure.status = IoStatus::medium_error;
    }
    if (flushing) failure.first = 0;
    failure.lba = plan_.kind == Kind::ranges ? piece.lba : plan_.lba + failure.first;
    record(failure);
    if (found && piece.good != 0 && plan_.kind == Kind::read && !task_.aborted()) {
        piece.count = piece.good;
        deliver(piece);
    } else {
        release(piece);
    }
}

void MediaTransfer::record(const Failure& failure) {
    if (failure_.fault == Fault::none || failure.first < failure_.first) failure_ = failure;
}

}  // namespace weft::lun
