// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/dirty_map.h"

#include <algorithm>
#include <cstring>

#include "common/core/big_endian.h"
#include "common/core/check.h"
#include "common/core/crc32c.h"

namespace weft::mirror {

namespace {

constexpr std::array<char, 4> kMagic = {'W', 'M', 'A', 'P'};

// 2 bits per region follow, four to a byte, the first in the low bits; 3 is read as dirty.
struct WireHeader {
    std::array<char, 4> magic;
    be32 crc;  // CRC-32C of the page with zeros here
    be64 sequence;
    std::array<std::uint8_t, 8> volume;  // the first half of its UUID
    be64 page;
};
static_assert(sizeof(WireHeader) == 32 && (kPageBytes - sizeof(WireHeader)) * 4 == kRegionsPerPage);

constexpr unsigned kStatesPerByte = 4;
constexpr std::uint8_t kDirtyBits = 0xAA;
constexpr std::uint8_t kAnyBits = 0xFF;

std::uint32_t crc_of(std::span<const std::byte> page) {
    constexpr std::size_t kAt = offsetof(WireHeader, crc);
    constexpr std::array<std::byte, sizeof(be32)> kZeros{};
    return crc32c(page.subspan(kAt + kZeros.size()), crc32c(kZeros, crc32c(page.first(kAt))));
}

unsigned shift_of(std::uint64_t region) { return static_cast<unsigned>(region % kStatesPerByte) * 2; }

RegionState state_in(std::uint8_t byte, std::uint64_t region) {
    return static_cast<RegionState>((byte >> shift_of(region)) & 3);
}

}  // namespace

std::optional<MapPageView> decode_map_page(std::span<const std::byte> bytes, const Uuid& volume,
                                           std::uint64_t page) {
    WEFT_CHECK(bytes.size() == kPageBytes);
    WireHeader header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    if (header.magic != kMagic || header.crc.value() != crc_of(bytes) || header.page.value() != page ||
        !std::equal(header.volume.begin(), header.volume.end(), volume.bytes.begin()))
        return std::nullopt;
    return MapPageView{.sequence = header.sequence.value(), .states = bytes.subspan(sizeof(header))};
}

DirtyMap::DirtyMap(const Shape& shape)
    : regions_(shape.regions()),
      pages_(shape.pages()),
      states_((regions_ + kStatesPerByte - 1) / kStatesPerByte) {
    WEFT_CHECK(fault_of(shape).empty());
    counts_[0] = regions_;
}

RegionState DirtyMap::at(std::uint64_t region) const {
    WEFT_CHECK(region < regions_);
    return state_in(states_[region / kStatesPerByte], region);
}

void DirtyMap::set(std::uint64_t region, RegionState state) {
    const RegionState before = at(region);
    std::uint8_t& byte = states_[region / kStatesPerByte];
    const auto cleared = byte & ~(3U << shift_of(region));
    byte = static_cast<std::uint8_t>(cleared | static_cast<unsigned>(state) << shift_of(region));
    --counts_.at(static_cast<std::size_t>(before));
    ++counts_.at(static_cast<std::size_t>(state));
}

std::optional<std::uint64_t> DirtyMap::next_dirty(std::uint64_t from) const { return next(from, kDirtyBits); }
std::optional<std::uint64_t> DirtyMap::next_written(std::uint64_t from) const { return next(from, kAnyBits); }

std::optional<std::uint64_t> DirtyMap::next(std::uint64_t from, std::uint8_t mask) const {
    while (from < regions_) {
        const std::size_t at = from / kStatesPerByte;
        // Large maps are mostly of one kind: eight bytes at a time.
        if (from % kStatesPerByte == 0 && at + sizeof(std::uint64_t) <= states_.size()) {
            std::uint64_t word = 0;
            std::memcpy(&word, &states_[at], sizeof(word));
            if ((word & (~std::uint64_t{0} / 0xFF * mask)) == 0) {
                from += sizeof(word) * kStatesPerByte;
                continue;
            }
        }
        if (((states_[at] & mask) >> shift_of(from) & 3) != 0) return from;
        ++from;
    }
    return std::nullopt;
}

std::uint64_t DirtyMap::end_of(std::uint64_t page) const {
    WEFT_CHECK(page < pages_);
    return std::min(regions_, first_of(page + 1));
}

void DirtyMap::encode(std::uint64_t page, const Uuid& volume, std::uint64_t sequence, MapPage& out) const {
    const std::uint64_t first = first_of(page);
    const std::size_t bytes = (end_of(page) - first + kStatesPerByte - 1) / kStatesPerByte;
    WireHeader header{.magic = kMagic, .sequence = sequence, .page = page};
    std::copy_n(volume.bytes.begin(), header.volume.size(), header.volume.begin());
    out.fill(std::byte{0});
    std::memcpy(out.data(), &header, sizeof(header));
    std::memcpy(out.data() + sizeof(header), &states_[first / kStatesPerByte], bytes);
    header.crc = crc_of(out);
    std::memcpy(out.data(), &header, sizeof(header));
}

void DirtyMap::merge(std::uint64_t page, const MapPageView& view) {
    const std::uint64_t first = first_of(page);
    for (std::uint64_t region = first; region < end_of(page); ++region) {
        const auto byte = static_cast<std::uint8_t>(view.states[(region - first) / kStatesPerByte]);
        const RegionState said = std::min(state_in(byte, region - first), RegionState::dirty);
        if (said > at(region)) set(region, said);
    }
}

void DirtyMap::lose(std::uint64_t page) {
    for (std::uint64_t region = first_of(page); region < end_of(page); ++region)
        set(region, RegionState::dirty);
}

}  // namespace weft::mirror
