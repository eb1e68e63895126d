// SPDX-License-Identifier: Apache-2.0
// The part of a task that touches the medium: up to kPieces pieces of a command in flight at once.
//
// A piece goes through some of these steps, by the kind of its plan (may_follow() below is the law):
//   read           borrow -> reading -> delivering      straight from volume memory: delivering
//   write          borrow -> fetching -> writing        immediate data: writing
//   verify         borrow -> reading
//   compare        borrow -> fetching -> reading        immediate data: borrow -> reading
//   write_verify   borrow -> fetching -> writing -> reading
//   fill           writing, all pieces out of one borrowed buffer full of the pattern
//   ranges         ranging, one piece at a time
// Pieces are made in ascending order and a failed one ends the making. A piece never waits for a second
// buffer while it holds one, so tasks cannot starve each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/block/block_device.h"
#include "common/core/region.h"
#include "common/scsi/sense.h"
#include "common/scsi/unmap.h"

namespace weft::lun {

class Task;

// Pieces of one command in flight at once.
inline constexpr std::size_t kPieces = 4;
// Bytes of the command in one piece, at most.
inline constexpr std::uint32_t kPieceBytesMax = 256U * 1024U;

// What a command does to the medium. Decided by LogicalUnit, which has checked all of it against the
// geometry.
struct MediaPlan {
    enum class Kind : std::uint8_t { read, write, verify, compare, write_verify, fill, ranges, flush };

    Kind kind = Kind::flush;
    std::uint64_t lba = 0;
    std::uint64_t blocks = 0;
    std::uint64_t deliver_bytes = 0;     // read: what of it the initiator's buffer holds
    bool fua = false;                    // write
    bool flush_first = false;            // read, verify, compare: what is read must be on the medium
    bool check_bytes = false;            // write_verify: compare what is read back
    std::span<const std::byte> pattern;  // fill: one block, or empty for zeros; stays valid
    block::IoOp range_op = block::IoOp::discard;
    bool may_unmap = true;                   // ranges of write_zeroes
    std::uint64_t range_blocks_max = 0;      // ranges: per request; 0: no limit
    std::optional<scsi::UnmapList> extents;  // ranges: instead of lba and blocks; stays valid
};

// Owner: its Task. Thread: the reactor's.
class MediaTransfer {
  public:
    enum class Step : std::uint8_t { idle, fetching, reading, writing, ranging, flushing, delivering };

    explicit MediaTransfer(Task& task);
    MediaTransfer(const MediaTransfer&) = delete;
    MediaTransfer& operator=(const MediaTransfer&) = delete;
    ~MediaTransfer() = default;

    // REQUIRES: quiet()
    void start(block::BlockDevice& device, const MediaPlan& plan);
    void pump();  // makes as many pieces as it can
    void stop();  // makes no more

    void on_fetched(std::uint32_t token, bool ok);
    void on_delivered(std::uint32_t token, bool ok);
    void on_buffer_free();

    // Nothing is left to do but to wait for on_delivered().
    [[nodiscard]] bool over() const;
    // Nothing at all is in flight.
    [[nodiscard]] bool quiet() const;
    // Gives back what is not being delivered and tells the task how it went. REQUIRES: over()
    void finish();
    [[nodiscard]] std::string_view waits_for() const;

  private:
    struct Piece : public block::IoRequest {
        MediaTransfer* transfer = nullptr;
        std::uint32_t token = 0;
        Step step = Step::idle;
        std::uint64_t first = 0;  // first block, counted from the start of the command
        std::uint64_t count = 0;  // blocks
        Segment buffer;           // the command's data
        Segment second;           // what is read from the medium to be compared
        Segment lent;             // what to give back; length 0: nothing
        // After a medium error of a read, the search for the block that failed: [0, good) was read well,
        // [good, bad) holds one that was not. bad 0: no search.
        std::uint64_t good = 0;
        std::uint64_t bad = 0;
    };
    enum class Fault : std::uint8_t { none, device, miscompare, data_phase };
    struct Failure {
        Fault fault = Fault::none;
        block::IoStatus status = block::IoStatus::ok;
        block::IoOp op = block::IoOp::read;
        std::uint64_t first = 0;  // the first block, counted from the start, of which it is known
        std::uint64_t lba = 0;
    };

    static constexpr bool may_follow(Step from, Step to);
    static Segment part(const Segment& segment, std::uint64_t offset, std::uint64_t length);
    static void on_io_done(block::IoRequest& io);

    void enter(Piece& piece, Step step);
    [[nodiscard]] std::uint32_t block_size() const { return device_->geometry().block_size; }
    [[nodiscard]] Piece* idle_piece();
    [[nodiscard]] bool settled() const;  // every piece is idle or being delivered
    [[nodiscard]] bool all_made() const;

    bool make(Piece& piece);  // false: no buffer
    bool make_moving(Piece& piece);
    bool make_filling(Piece& piece);
    void make_direct(Piece& piece);
    void make_ranging(Piece& piece);
    void skip_finished_extents();
    [[nodiscard]] Segment borrow(std::uint32_t buffers_per_block);
    [[nodiscard]] std::uint64_t piece_blocks_max() const;
    void release(Piece& piece);

    void submit(Piece& piece, Step step, block::IoOp op, Segment data);
    void flush();
    void deliver(Piece& piece);
    void on_executed(Piece& piece);
    void on_read(Piece& piece);
    void on_written(Piece& piece);
    void on_io_failed(Piece& piece);
    bool read_for_failure(Piece& piece);
    // Nobody asks any more what becomes of it: the task is withdrawn, or failed further in front.
    [[nodiscard]] bool given_up(const Piece& piece) const;
    void fail(Piece& piece, Fault fault);
    void record(const Failure& failure);

    Task& task_;
    block::BlockDevice* device_ = nullptr;
    MediaPlan plan_;
    std::optional<Region> direct_;  // volume memory the front end sends from
    std::uint64_t next_ = 0;        // block the next piece starts at; with extents: within the extent
    std::size_t next_extent_ = 0;
    Segment pattern_;            // fill: the borrowed buffer
    bool flush_before_ = false;  // due before the first piece
    bool flush_after_ = false;   // due behind the last: the device refused FUA and a flush stands in for it
    bool stopped_ = true;
    bool waiting_ = false;  // for a buffer
    Failure failure_;
    std::array<Piece, kPieces> pieces_;
};

}  // namespace weft::lun
