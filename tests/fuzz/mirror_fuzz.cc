// SPDX-License-Identifier: Apache-2.0
// What stands at the ends of legs is anybody's: three legs of two slots each, and a page of a map.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "common/core/check.h"
#include "common/core/crc32c.h"
#include "common/mirror/assembly.h"
#include "common/mirror/dirty_map.h"

namespace {

using namespace weft;

constexpr std::size_t kSlots = 6;

// A page that begins with the input's bytes and has a right checksum, which no fuzzer would find.
mirror::MapPage page_of(std::span<const std::byte> bytes) {
    mirror::MapPage page{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), page.size()), page.begin());
    return page;
}
void set_checksum(mirror::MapPage& page, std::size_t at) {
    std::fill_n(page.begin() + static_cast<std::ptrdiff_t>(at), 4, std::byte{0});
    const std::uint32_t crc = crc32c(page);
    for (unsigned i = 0; i < 4; ++i) page.at(at + i) = static_cast<std::byte>(crc >> (24 - 8 * i));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    std::array<mirror::Slot, kSlots> slots;
    const std::size_t each = bytes.size() / kSlots;
    for (std::size_t i = 0; i < kSlots; ++i) {
        mirror::MapPage page = page_of(bytes.subspan(i * each, each));
        if (page[0] != std::byte{0}) set_checksum(page, 12);
        slots.at(i) = mirror::decode_superblock(page);
        if (slots.at(i).kind != mirror::SlotKind::valid) continue;
        const mirror::Slot again = mirror::decode_superblock(mirror::encode(slots.at(i).superblock));
        WEFT_CHECK(again.superblock == slots.at(i).superblock);
    }
    const mirror::Assembly assembly =
        mirror::assemble({mirror::newest(slots[0], slots[1]), mirror::newest(slots[2], slots[3]),
                          mirror::newest(slots[4], slots[5]), std::nullopt});
    WEFT_CHECK(!assembly.complete || assembly.base);
    WEFT_CHECK(assembly.complete || !assembly.why.empty());

    mirror::MapPage page = page_of(bytes);
    set_checksum(page, 4);
    mirror::DirtyMap map(
        {.block_size = 4096, .region_bytes = mirror::kRegionBytesMin, .bytes = 99 * mirror::kRegionBytesMin});
    Uuid volume;
    std::memcpy(volume.bytes.data(), &page[16], 8);
    if (const auto view = mirror::decode_map_page(page, volume, 0)) map.merge(0, *view);
    WEFT_CHECK(map.count(mirror::RegionState::never_written) + map.count(mirror::RegionState::clean) +
                   map.count(mirror::RegionState::dirty) ==
               99);
    return 0;
}
