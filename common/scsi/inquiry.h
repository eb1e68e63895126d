// SPDX-License-Identifier: Apache-2.0
// Standard INQUIRY data (SPC-4 6.6.2). Vital product data: vpd.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace weft::scsi {

inline constexpr std::uint8_t kPeripheralDisk = 0x00;
inline constexpr std::uint8_t kPeripheralWellKnown = 0x1E;
inline constexpr std::uint8_t kPeripheralNone = 0x7F;  // qualifier 011b: no unit can be here

struct StandardInquiry {
    std::uint8_t peripheral = kPeripheralDisk;  // qualifier in bits 7:5, type in bits 4:0
    bool removable = false;
    std::uint8_t version = 6;  // SPC-4
    std::uint8_t tpgs = 0;
    std::string vendor;    // 8 characters at most, ASCII; decoded: trailing spaces removed
    std::string product;   // 16
    std::string revision;  // 4

    friend bool operator==(const StandardInquiry&, const StandardInquiry&) = default;
};

inline constexpr std::size_t kInquiryBytes = 96;
inline constexpr std::size_t kInquiryBytesLeast = 36;

// Writes kInquiryBytes. Longer texts are cut, characters that are not printable ASCII become '?'.
std::size_t encode_inquiry_data(const StandardInquiry& inquiry, std::span<std::byte> out);
// Nothing if shorter than kInquiryBytesLeast.
[[nodiscard]] std::optional<StandardInquiry> decode_inquiry_data(std::span<const std::byte> bytes);

}  // namespace weft::scsi
