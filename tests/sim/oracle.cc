// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/oracle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/core/check.h"

namespace weft::sim {

namespace {

constexpr std::size_t kSector = 512;
constexpr Stamp kTorn = ~Stamp{0};

void add(std::vector<Stamp>& set, Stamp stamp) {
    if (std::find(set.begin(), set.end(), stamp) == set.end()) set.push_back(stamp);
}
bool contains(const std::vector<Stamp>& set, Stamp stamp) {
    return std::find(set.begin(), set.end(), stamp) != set.end();
}
void put(std::byte* at, std::uint64_t value) { std::memcpy(at, &value, sizeof value); }
std::uint64_t get(const std::byte* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
}

}  // namespace

void Oracle::fill(std::byte* buffer, std::uint64_t lba, std::uint64_t count, Stamp stamp) const {
    for (std::uint64_t i = 0; i < count; ++i) {
        for (std::size_t at = 0; at < block_size_; at += kSector) {
            std::byte* const sector = buffer + i * block_size_ + at;
            put(sector, stamp);
            put(sector + 8, lba + i);
            put(sector + kSector / 2, at);
            put(sector + kSector - 8, ~stamp);
        }
    }
}

// The stamp that a whole block carries; kTorn (and a complaint) if it is no whole block of this place.
Stamp Oracle::read_stamp(std::uint64_t lba, const std::byte* content) {
    const Stamp stamp = get(content);
    ++blocks_checked;
    for (std::size_t at = 0; at < block_size_; at += kSector) {
        const std::byte* const sector = content + at;
        const bool zeros = stamp == 0 && get(sector) == 0 && get(sector + 8) == 0 &&
                           get(sector + kSector / 2) == 0 && get(sector + kSector - 8) == 0;
        const bool whole = stamp != 0 && get(sector) == stamp && get(sector + 8) == lba &&
                           get(sector + kSector / 2) == at && get(sector + kSector - 8) == ~stamp;
        if (zeros || whole) continue;
        complain("block " + std::to_string(lba) + " is torn or misplaced: sector at " + std::to_string(at) +
                 " has write " + std::to_string(get(sector)) + " of block " +
                 std::to_string(get(sector + 8)) + ", the first has write " + std::to_string(stamp));
        return kTorn;
    }
    return stamp;
}

std::string Oracle::list(const std::vector<Stamp>& stamps) {
    std::string text = "{";
    for (const Stamp stamp : stamps) text += (text.size() > 1 ? ", " : "") + std::to_string(stamp);
    return text + "}";
}

// It is known that the block has `stamp`; what else it might have had can come back by a power-off only.
void Oracle::settle(Block& block, Stamp stamp) {
    for (const Stamp other : block.possible) {
        if (other != stamp) add(block.below, other);
    }
    block.possible.assign(1, stamp);
}

bool Oracle::write_in_flight(std::uint64_t lba, std::uint64_t count) const {
    for (std::uint64_t i = lba; i < lba + count; ++i) {
        if (blocks_[i].writing) return true;
    }
    return false;
}

void Oracle::write_started(std::uint64_t lba, std::uint64_t count, Stamp stamp) {
    ++clock_;
    for (std::uint64_t i = lba; i < lba + count; ++i) {
        Block& block = blocks_[i];
        WEFT_CHECK(!block.writing);
        block.writing = true;
        block.power_lost = false;
        block.written = stamp;
    }
    for (ReadView* view : reads_) {
        for (std::uint64_t i = 0; i < view->legal.size(); ++i) {
            if (view->lba + i >= lba && view->lba + i < lba + count) add(view->legal[i], stamp);
        }
    }
}

void Oracle::write_ended(std::uint64_t lba, std::uint64_t count, bool ok, bool durable) {
    ++clock_;
    for (std::uint64_t i = lba; i < lba + count; ++i) {
        Block& block = blocks_[i];
        WEFT_CHECK(block.writing);
        block.writing = false;
        ++block.ends;
        block.touched = clock_;
        block.acknowledged = ok;
        block.last = block.written;
        if (ok) block.lost = false;
        // Seen already: it has replaced what was before, failed or not.
        const bool seen = block.possible.size() == 1 && block.possible.front() == block.written;
        if (ok && (durable || !block.power_lost))
            settle(block, block.written);
        else if (!seen)
            add(block.possible, block.written);
        if (ok && durable) block.below.clear();
    }
}

void Oracle::read_started(ReadView& view, std::uint64_t lba, std::uint64_t count) {
    view.lba = lba;
    view.legal.clear();
    view.ends.clear();
    for (std::uint64_t i = lba; i < lba + count; ++i) {
        const Block& block = blocks_[i];
        view.legal.push_back(block.possible);
        if (block.writing) add(view.legal.back(), block.written);
        view.ends.push_back(block.ends);
    }
    reads_.push_back(&view);
}

void Oracle::read_abandoned(ReadView& view) { std::erase(reads_, &view); }

void Oracle::read_ended(ReadView& view, const std::byte* content) {
    read_abandoned(view);
    for (std::uint64_t i = 0; i < view.legal.size(); ++i) {
        const std::uint64_t lba = view.lba + i;
        const Stamp stamp = read_stamp(lba, content + i * block_size_);
        if (stamp == kTorn) return;
        Block& block = blocks_[lba];
        if (!contains(view.legal[i], stamp)) {
            complain("block " + std::to_string(lba) + " read as write " + std::to_string(stamp) +
                     ", may be one of " + list(view.legal[i]) + ", by now " + list(block.possible));
            return;
        }
        if (block.ends != view.ends[i]) continue;  // which of them was there when is not known
        if (contains(block.possible, stamp) || (block.writing && stamp == block.written))
            settle(block, stamp);
    }
}

void Oracle::flush_failed(std::uint64_t started) {
    for (Block& block : blocks_) {
        if (!block.lost || block.touched > started) continue;
        block.lost = false;
        block.acknowledged = false;  // no more
    }
}

void Oracle::note_content(std::uint64_t lba, const std::byte* content) {
    Block& block = blocks_[lba];
    if (!block.writing && block.acknowledged && get(content) != block.last) block.lost = true;
}

void Oracle::flush_ended(std::uint64_t started) {
    for (Block& block : blocks_) {
        if (block.lost && block.touched <= started)
            complain("block " + std::to_string(&block - blocks_.data()) + " lost the acknowledged write " +
                     std::to_string(block.last) + " in a power-off, and a flush says that all is well");
        if (!block.writing && block.touched <= started) block.below.clear();
    }
}

void Oracle::power_off(std::uint64_t first, std::uint64_t count) {
    ++clock_;
    for (std::uint64_t i = first; i < first + count; ++i) {
        Block& block = blocks_[i];
        for (const Stamp stamp : std::exchange(block.below, {})) add(block.possible, stamp);
        block.power_lost = true;
        ++block.ends;
        for (ReadView* view : reads_) {
            if (i < view->lba || i >= view->lba + view->legal.size()) continue;
            for (const Stamp stamp : block.possible) add(view->legal[i - view->lba], stamp);
        }
    }
}

void Oracle::check_medium(std::uint64_t lba, const std::byte* content) {
    const Stamp stamp = read_stamp(lba, content);
    const Block& block = blocks_[lba];
    if (stamp != kTorn && !block.writing && !contains(block.possible, stamp))
        complain("block " + std::to_string(lba) + " has write " + std::to_string(stamp) +
                 " on the medium, may be one of " + list(block.possible));
}

}  // namespace weft::sim
