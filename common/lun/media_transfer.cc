// SPDX-License-Identifier: Apache-2.0
#include "common/lun/media_transfer.h"

#include <algorithm>
#include <cstring>

#include "common/lun/task.h"

namespace weft::lun {

namespace {

using block::IoOp;
using block::IoStatus;
using Kind = MediaPlan::Kind;

// Fills `buffer` with `pattern` over and over; without one, with zeros.
void repeat(std::span<const std::byte> pattern, const Segment& buffer) {
    if (pattern.empty()) {
        std::memset(buffer.base, 0, buffer.length);
        return;
    }
    for (std::size_t offset = 0; offset + pattern.size() <= buffer.length; offset += pattern.size())
        std::memcpy(buffer.base + offset, pattern.data(), pattern.size());
}

}  // namespace

constexpr bool MediaTransfer::may_follow(Step from, Step to) {
    switch (from) {
        case Step::idle: return to != Step::idle;
        case Step::fetching: return to == Step::reading || to == Step::writing || to == Step::idle;
        case Step::reading: return to == Step::reading || to == Step::delivering || to == Step::idle;
        case Step::writing: return to == Step::writing || to == Step::reading || to == Step::idle;
        case Step::ranging:
        case Step::flushing:
        case Step::delivering: return to == Step::idle;
    }
    return false;
}

Segment MediaTransfer::part(const Segment& segment, std::uint64_t offset, std::uint64_t length) {
    WEFT_CHECK(offset + length <= segment.length);
    return {segment.base + offset, static_cast<std::uint32_t>(length), segment.region};
}

MediaTransfer::MediaTransfer(Task& task) : task_(task) {
    for (std::uint32_t i = 0; i < kPieces; ++i) {
        pieces_[i].transfer = this;
        pieces_[i].token = i;
        pieces_[i].done = &MediaTransfer::on_io_done;
    }
}

void MediaTransfer::start(block::BlockDevice& device, const MediaPlan& plan) {
    WEFT_CHECK(quiet() && stopped_ && pattern_.length == 0);
    WEFT_CHECK(task_.scratch.size() >= kPieces * device.scratch_bytes());
    device_ = &device;
    plan_ = plan;
    next_ = 0;
    next_extent_ = 0;
    flush_before_ = plan.flush_first || plan.kind == Kind::flush;
    flush_after_ = false;
    stopped_ = false;
    waiting_ = false;
    failure_ = {};
    direct_ = plan.kind == Kind::read ? device.memory() : std::nullopt;
    if (direct_ && !task_.mover_.reaches(direct_->id)) direct_.reset();
    skip_finished_extents();
    // A direct read may be over with its first pieces, and a task does not finish inside execute().
    if (direct_)
        task_.schedule();
    else
        pump();
}

void MediaTransfer::pump() {
    if (stopped_ || waiting_) return;
    if (flush_before_) {
        if (settled()) flush();
        return;
    }
    while (!all_made()) {
        Piece* piece = idle_piece();
        if (piece == nullptr || !make(*piece)) return;
    }
    if (flush_after_ && settled()) flush();
}

void MediaTransfer::stop() {
    stopped_ = true;
    waiting_ = false;
}

bool MediaTransfer::settled() const {
    return std::all_of(pieces_.begin(), pieces_.end(), [](const Piece& piece) {
        return piece.step == Step::idle || piece.step == Step::delivering;
    });
}

bool MediaTransfer::over() const {
    return settled() && (stopped_ || (!flush_before_ && all_made() && !flush_after_));
}

bool MediaTransfer::quiet() const {
    return std::all_of(pieces_.begin(), pieces_.end(),
                       [](const Piece& piece) { return piece.step == Step::idle; });
}

bool MediaTransfer::all_made() const {
    return plan_.extents ? next_extent_ == plan_.extents->size() : next_ == plan_.blocks;
}

MediaTransfer::Piece* MediaTransfer::idle_piece() {
    const std::size_t width = plan_.kind == Kind::ranges ? 1 : kPieces;
    for (Piece& piece : std::span(pieces_).first(width))
        if (piece.step == Step::idle) return &piece;
    return nullptr;
}

void MediaTransfer::enter(Piece& piece, Step step) {
    WEFT_CHECK(may_follow(piece.step, step));
    piece.step = step;
}

// --- Making pieces ---

bool MediaTransfer::make(Piece& piece) {
    piece.first = next_;
    piece.good = 0;
    piece.bad = 0;
    switch (plan_.kind) {
        case Kind::read:
        case Kind::write:
        case Kind::verify:
        case Kind::compare:
        case Kind::write_verify:
            if (!direct_) return make_moving(piece);
            make_direct(piece);
            return true;
        case Kind::fill: return make_filling(piece);
        case Kind::ranges: make_ranging(piece); return true;
        case Kind::flush: break;
    }
    WEFT_UNREACHABLE("a flush has no pieces");
}

std::uint64_t MediaTransfer::piece_blocks_max() const {
    const std::uint64_t own = kPieceBytesMax / block_size();
    const std::uint32_t device = device_->geometry().transfer_blocks_max;
    return std::min({own, device == 0 ? own : device, plan_.blocks - next_});
}

Segment MediaTransfer::borrow(std::uint32_t buffers_per_block) {
    const std::uint32_t least = buffers_per_block * block_size();
    const auto most = static_cast<std::uint32_t>(least * piece_blocks_max());
    const Segment lent = task_.mover_.borrow(task_, least, most);
    waiting_ = lent.length == 0;
    WEFT_CHECK(waiting_ || lent.length >= least);
    return lent;
}

bool MediaTransfer::make_moving(Piece& piece) {
    const bool takes_data = plan_.kind != Kind::read && plan_.kind != Kind::verify;
    const bool compares = plan_.kind == Kind::compare || plan_.kind == Kind::write_verify;
    const bool in_place = takes_data && task_.immediate.length != 0;
    const std::uint32_t buffers = (takes_data && !in_place ? 1U : 0U) + (compares || !takes_data ? 1U : 0U);
    piece.count = piece_blocks_max();
    piece.lent = {};
    if (buffers != 0) {
        piece.lent = borrow(buffers);
        if (waiting_) return false;
        piece.count = std::min<std::uint64_t>(piece.count, piece.lent.length / (buffers * block_size()));
    }
    const std::uint64_t bytes = piece.count * block_size();
    const std::uint64_t offset = piece.first * block_size();
    piece.buffer = in_place ? part(task_.immediate, offset, bytes) : part(piece.lent, 0, bytes);
    if (compares) piece.second = part(piece.lent, in_place ? 0 : bytes, bytes);
    next_ += piece.count;

    if (!takes_data) {
        submit(piece, Step::reading, IoOp::read, piece.buffer);
    } else if (in_place) {
        on_executed(piece);
    } else {
        enter(piece, Step::fetching);
        task_.mover_.fetch(task_, piece.token, offset, piece.buffer);
    }
    return true;
}

void MediaTransfer::make_direct(Piece& piece) {
    piece.count = std::min<std::uint64_t>(kPieceBytesMax / block_size(), plan_.blocks - next_);
    piece.lent = {};
    const std::uint64_t offset = (plan_.lba + piece.first) * block_size();
    WEFT_CHECK(offset + piece.count * block_size() <= direct_->length);
    piece.buffer = {direct_->base + offset, static_cast<std::uint32_t>(piece.count * block_size()),
                    direct_->id};
    next_ += piece.count;
    deliver(piece);
}

bool MediaTransfer::make_filling(Piece& piece) {
    if (pattern_.length == 0) {
        const Segment lent = borrow(1);
        if (waiting_) return false;
        pattern_ = lent;
        repeat(plan_.pattern, pattern_);
    }
    piece.count = std::min<std::uint64_t>(piece_blocks_max(), pattern_.length / block_size());
    piece.lent = {};
    piece.buffer = part(pattern_, 0, piece.count * block_size());
    next_ += piece.count;
    submit(piece, Step::writing, IoOp::write, piece.buffer);
    return true;
}

void MediaTransfer::make_ranging(Piece& piece) {
    const scsi::UnmapExtent extent =
        plan_.extents ? plan_.extents->at(next_extent_) : scsi::UnmapExtent{plan_.lba, 0};
    const std::uint64_t blocks = plan_.extents ? extent.blocks : plan_.blocks;
    piece.count = blocks - next_;
    if (plan_.range_blocks_max != 0) piece.count = std::min(piece.count, plan_.range_blocks_max);
    piece.lent = {};
    piece.lba = extent.lba + next_;
    next_ += piece.count;
    skip_finished_extents();
    piece.may_unmap = plan_.may_unmap;
    submit(piece, Step::ranging, plan_.range_op, {});
}

void MediaTransfer::skip_finished_extents() {
    if (!plan_.extents) return;
    while (next_extent_ < plan_.extents->size() && next_ == plan_.extents->at(next_extent_).blocks) {
        ++next_extent_;
        next_ = 0;
    }
}

void MediaTransfer::release(Piece& piece) {
    enter(piece, Step::idle);
    if (piece.lent.length != 0) task_.mover_.give_back(task_, piece.lent);
    piece.lent = {};
}

// --- Steps ---

void MediaTransfer::submit(Piece& piece, Step step, IoOp op, Segment data) {
    enter(piece, step);
    piece.op = op;
    piece.data = data;
    piece.scratch = task_.scratch.data() + piece.token * device_->scratch_bytes();
    if (step != Step::ranging) piece.lba = plan_.lba + piece.first + piece.good;
    piece.blocks = step == Step::ranging ? piece.count : data.length / block_size();
    piece.fua = op == IoOp::write && plan_.fua;
    device_->submit(piece);
}

void MediaTransfer::flush() {
    Piece& piece = pieces_[0];
    piece.first = 0;
    piece.good = 0;
    piece.lent = {};
    submit(piece, Step::flushing, IoOp::flush, {});
}

void MediaTransfer::deliver(Piece& piece) {
    const std::uint64_t offset = piece.first * block_size();
    WEFT_CHECK(offset < plan_.deliver_bytes);
    const std::uint64_t bytes =
        std::min<std::uint64_t>(piece.count * block_size(), plan_.deliver_bytes - offset);
    enter(piece, Step::delivering);
    task_.concluding_ = over() && !task_.aborted();
    task_.mover_.deliver(task_, piece.token, offset, part(piece.buffer, 0, bytes));
}

// --- The end ---

void MediaTransfer::finish() {
    WEFT_CHECK(over());
    stop();
    if (pattern_.length != 0) task_.mover_.give_back(task_, pattern_);
    pattern_ = {};

    const bool failed = failure_.fault != Fault::none;
    // Without its flush nothing of a write that stands for FUA is known to be durable.
    if (failed && flush_after_) failure_.first = 0;
    const bool has_lba = failure_.op != IoOp::flush && !flush_after_;
    const std::uint64_t bytes = (failed ? failure_.first : plan_.blocks) * block_size();
    switch (plan_.kind) {
        case Kind::read: task_.data_in_done = std::min(bytes, plan_.deliver_bytes); break;
        case Kind::write:
        case Kind::compare:
        case Kind::write_verify: task_.data_out_done = bytes; break;
        case Kind::verify:
        case Kind::fill:
        case Kind::ranges:
        case Kind::flush: break;
    }
    switch (failure_.fault) {
        case Fault::none: task_.set_result(scsi::Status::good); return;
        case Fault::miscompare:
            task_.set_result({.key = scsi::SenseKey::miscompare, .code = scsi::SenseCode::miscompare});
            return;
        case Fault::data_phase:
            task_.set_result(
                {.key = scsi::SenseKey::aborted_command, .code = scsi::SenseCode::data_phase_error});
            return;
        case Fault::device: break;
    }
    const auto ending =
        scsi::ending_of(failure_.status, failure_.op, has_lba ? std::optional(failure_.lba) : std::nullopt);
    if (ending.status == scsi::Status::check_condition)
        task_.set_result(ending.sense);
    else
        task_.set_result(ending.status);
}

std::string_view MediaTransfer::waits_for() const {
    const auto any = [this](Step step) {
        return std::any_of(pieces_.begin(), pieces_.end(), [step](const Piece& p) { return p.step == step; });
    };
    if (any(Step::flushing)) return "a flush";
    if (any(Step::reading) || any(Step::writing) || any(Step::ranging)) return "the device";
    if (any(Step::fetching)) return "data-out";
    if (waiting_) return "a buffer";
    if (any(Step::delivering)) return "data-in";
    return "its turn";
}

}  // namespace weft::lun
