// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/leg_media.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/core/check.h"

namespace weft::mirror {

LegMedia::LegMedia(block::BlockDevice& device, const Segment& room) : device_(device), room_(room) {
    WEFT_CHECK(room.length >= kRoomBytes);
    prepare(superblock_io_);
    prepare(page_io_);
}

LegMedia::~LegMedia() { WEFT_CHECK(!busy()); }

void LegMedia::prepare(Io& io) const {
    static_assert(alignof(std::max_align_t) == 16);
    io.memory.resize((device_.scratch_bytes() + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t));
    if (!io.memory.empty()) io.scratch = reinterpret_cast<std::byte*>(io.memory.data());
    io.done = [](block::IoRequest& request) {
        auto& done = static_cast<Io&>(request);
        // It may begin the next one.
        std::exchange(done.then, nullptr)(done.status);
    };
}

Segment LegMedia::room(unsigned page) const {
    return {room_.base + page * std::size_t{kPageBytes}, kPageBytes, room_.region};
}

std::span<const std::byte> LegMedia::view(unsigned page) const { return {room(page).base, kPageBytes}; }

void LegMedia::run(Io& io, block::IoOp op, std::uint64_t at, const Segment& data, bool fua,
                   std::function<void(block::IoStatus)> then) {
    const std::uint32_t block_size = device_.geometry().block_size;
    io.op = op;
    io.lba = at / block_size;
    io.blocks = data.length / block_size;
    io.data = data;
    io.fua = fua;
    io.then = std::move(then);
    device_.submit(io);
}

void LegMedia::read_superblock(SlotRead done) {
    const auto at = superblock_at(bytes(), 0);
    if (!at) {
        done(Slot{.kind = SlotKind::foreign});
        return;
    }
    run(superblock_io_, block::IoOp::read, *at, room(0), false,
        [this, done = std::move(done)](block::IoStatus status) mutable {
            if (status != block::IoStatus::ok) return done(std::nullopt);
            slot0_ = decode_superblock(view(0));
            run(superblock_io_, block::IoOp::read, *superblock_at(bytes(), 1), room(1), false,
                [this, done = std::move(done)](block::IoStatus second) {
                    if (second != block::IoStatus::ok) return done(std::nullopt);
                    on_slots_read(decode_superblock(view(1)), done);
                });
        });
}

void LegMedia::on_slots_read(Slot slot1, const SlotRead& done) {
    const bool newer1 =
        slot1.kind == SlotKind::valid &&
        (slot0_.kind != SlotKind::valid || slot1.superblock.sequence > slot0_.superblock.sequence);
    Slot says = newest(std::move(slot0_), std::move(slot1));
    next_slot_ = newer1 ? 0 : 1;
    sequence_ = says.kind == SlotKind::valid ? says.superblock.sequence : 0;
    known_ = true;
    done(std::move(says));
}

void LegMedia::write_superblock(Superblock superblock, Written done) {
    WEFT_CHECK(known_);
    superblock.sequence = ++sequence_;
    const SuperblockPage page = encode(superblock);
    const Segment from = room(2);
    std::memcpy(from.base, page.data(), page.size());
    const std::uint64_t at = superblock_at(bytes(), next_slot_).value();
    // Not known to be there: what was valid until now stays where it is until it is.
    run(superblock_io_, block::IoOp::write, at, from, true,
        [this, done = std::move(done)](block::IoStatus status) {
            if (status == block::IoStatus::ok)
                next_slot_ = 1 - next_slot_;
            else
                known_ = false;
            done(status == block::IoStatus::ok);
        });
}

void LegMedia::read_page(const Shape& shape, const Uuid& volume, std::uint64_t page, PageRead done) {
    // Its two slots lie beside each other.
    const Segment both{room(3).base, 2 * kPageBytes, room_.region};
    run(page_io_, block::IoOp::read, map_page_at(shape, bytes(), page, 0), both, false,
        [this, volume, page, done = std::move(done)](block::IoStatus status) {
            if (status != block::IoStatus::ok) return done(std::nullopt);
            const auto slot0 = decode_map_page(view(3), volume, page);
            const auto slot1 = decode_map_page(view(4), volume, page);
            const bool second = slot1 && (!slot0 || slot1->sequence > slot0->sequence);
            done(second ? slot1 : slot0);
        });
}

void LegMedia::write_page(const Shape& shape, std::uint64_t page, std::uint64_t sequence,
                          const Segment& bytes_of_page, Written done) {
    WEFT_CHECK(bytes_of_page.length == kPageBytes);
    const auto slot = static_cast<unsigned>(sequence % 2);
    page_written_ = std::move(done);
    run(page_io_, block::IoOp::write, map_page_at(shape, bytes(), page, slot), bytes_of_page, true,
        [this](block::IoStatus status) {
            std::exchange(page_written_, nullptr)(status == block::IoStatus::ok);
        });
}

}  // namespace weft::mirror
