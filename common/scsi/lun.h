// SPDX-License-Identifier: Apache-2.0
// Logical unit numbers as 8 bytes (SAM-5 4.7) and the REPORT LUNS parameter data (SPC-4 6.33). Linux writes
// LUN 300 as 01 2C, where the standard's flat space method says 41 2C: both name the same unit here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace weft::scsi {

using LunBytes = std::array<std::byte, 8>;

inline constexpr std::uint16_t kLunMax = 0x3FFF;

struct Lun {
    std::uint16_t number = 0;
    bool report_luns = false;  // the REPORT LUNS well-known logical unit, C1 01

    friend auto operator<=>(const Lun&, const Lun&) = default;
};

// Peripheral device and flat space addressing of one level, and the well-known unit; nothing otherwise.
[[nodiscard]] std::optional<Lun> decode_lun(const LunBytes& bytes);
// Method 00b below 256, 01b from there. REQUIRES: number <= kLunMax
[[nodiscard]] LunBytes encode_lun(Lun lun);

inline constexpr std::size_t kReportLunsHeader = 8;

// Writes the header and as many entries as fit; the header counts them all. Returns the bytes written.
std::size_t encode_report_luns(std::span<const Lun> luns, std::span<std::byte> out);
struct LunList {
    std::vector<LunBytes> luns;  // those that fitted in the buffer
    bool complete = false;       // false: ask again with a buffer of `bytes_needed`
    std::size_t bytes_needed = 0;
};
[[nodiscard]] std::optional<LunList> decode_report_luns_list(std::span<const std::byte> bytes);

}  // namespace weft::scsi
