// SPDX-License-Identifier: Apache-2.0
// What a block device owes its user, block by block (mirror.md, for one leg):
//  - after an acknowledged write a read returns it;
//  - a write that failed, or is still under way, is there or not; once it was read (or once what was before
//  it
//    was read, after it had ended) it stays so;
//  - nothing that was overwritten ever comes back (a ghost), no block is half one write and half another;
//  - a power-off may take back what was not made durable by a flush or by fua; then old or new, and it stays;
//  - after a power-off that did take back acknowledged writes, no flush that covers them is acknowledged
//  before one has failed: their writer is told.
// Every write has a number of its own, stamped with its place into each sector. No two writes of one block
// may be under way at once (an application that lets them race has no claim); reads may race with anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::sim {

using Stamp = std::uint64_t;  // of a write; 0: zeros

class Oracle {
  public:
    Oracle(std::uint64_t blocks, std::uint32_t block_size) : block_size_(block_size), blocks_(blocks) {}

    // What a read was promised when it was submitted. Belongs to one read.
    struct ReadView {
        std::uint64_t lba = 0;
        std::vector<std::vector<Stamp>> legal;  // by block
        std::vector<std::uint64_t> ends;        // writes ended by then, by block
    };

    [[nodiscard]] bool write_in_flight(std::uint64_t lba, std::uint64_t count) const;
    // A write (or what writes zeros) is submitted. REQUIRES: !write_in_flight(lba, count)
    void write_started(std::uint64_t lba, std::uint64_t count, Stamp stamp);
    void write_ended(std::uint64_t lba, std::uint64_t count, bool ok, bool durable);

    void read_started(ReadView& view, std::uint64_t lba, std::uint64_t count);
    void read_ended(ReadView& view, const std::byte* content);
    void read_abandoned(ReadView& view);

    // The moment a flush is submitted, to be handed back when it was acknowledged.
    [[nodiscard]] std::uint64_t flush_started() const { return clock_; }
    void flush_ended(std::uint64_t started);
    void flush_failed(std::uint64_t started);

    void power_off(std::uint64_t first, std::uint64_t count);
    // What the medium has after it, block by block.
    void note_content(std::uint64_t lba, const std::byte* block);
    // The medium itself, when nothing is under way.
    void check_medium(std::uint64_t lba, const std::byte* block);

    void fill(std::byte* buffer, std::uint64_t lba, std::uint64_t count, Stamp stamp) const;

    // The first thing that was wrong; "" if nothing was.
    [[nodiscard]] const std::string& complaint() const { return complaint_; }
    void complain(const std::string& what) {
        if (complaint_.empty()) complaint_ = what;
    }

    std::uint64_t blocks_checked = 0;

  private:
    struct Block {
        std::vector<Stamp> possible{0};  // with no write under way, one of these is there
        std::vector<Stamp> below;        // may be there after a power-off
        bool writing = false;
        bool lost = false;          // its last acknowledged write was taken back, and nobody was told
        bool power_lost = false;    // while writing: its answer may be on the way, and what it wrote gone
        Stamp written = 0;          // while writing
        std::uint64_t ends = 0;     // of writes
        std::uint64_t touched = 0;  // clock of the last end
        bool acknowledged = true;   // the last write to end was
        Stamp last = 0;             // that write
    };

    [[nodiscard]] Stamp read_stamp(std::uint64_t lba, const std::byte* content);
    void settle(Block& block, Stamp stamp);
    [[nodiscard]] static std::string list(const std::vector<Stamp>& stamps);

    std::uint32_t block_size_;
    std::vector<Block> blocks_;
    std::vector<ReadView*> reads_;
    std::uint64_t clock_ = 1;
    std::string complaint_;
};

}  // namespace weft::sim
