// SPDX-License-Identifier: Apache-2.0
// MODE SENSE parameter data (SPC-4 7.5, SBC-3 6.5): the caching (08h) and control (0Ah) pages and the
// device-specific bits WP and DPOFUA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/scsi/cdb.h"

namespace weft::scsi {

inline constexpr std::uint8_t kModePageCaching = 0x08;
inline constexpr std::uint8_t kModePageControl = 0x0A;
inline constexpr std::uint8_t kModePageAll = 0x3F;
inline constexpr std::uint8_t kModeSubpageAll = 0xFF;
inline constexpr std::size_t kModeBytesMax = 64;

struct ModeParameters {
    bool write_protected = false;
    bool dpo_fua = false;
    bool write_cache = false;       // WCE
    bool descriptor_sense = false;  // D_SENSE
    std::uint64_t blocks = 0;
    std::uint32_t block_size = 0;
};

// Whether the page and subpage asked for exist.
[[nodiscard]] bool has_mode_page(const ModeSenseCdb& cdb);
// The whole parameter data, before truncation to the allocation length. All pages are unchangeable: PC 1
// answers zeros. REQUIRES: has_mode_page(cdb), cdb.control != 3, room for kModeBytesMax. Returns the bytes
// written.
std::size_t encode_mode(const ModeSenseCdb& cdb, const ModeParameters& parameters, std::span<std::byte> out);

struct ModeState {
    bool write_protected = false;
    bool dpo_fua = false;
    std::optional<bool> write_cache;  // if a caching page is there
};
// `ten`: the form of the command. A page cut short before its WCE byte counts as absent.
[[nodiscard]] std::optional<ModeState> decode_mode(std::span<const std::byte> bytes, bool ten);

}  // namespace weft::scsi
