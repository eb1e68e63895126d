// SPDX-License-Identifier: Apache-2.0
// ASCII fields of INQUIRY data (SPC-4 4.3.1): printable, left-aligned, padded with spaces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weft::scsi {

inline void put_text(std::string_view text, std::span<std::uint8_t> field) {
    std::fill(field.begin(), field.end(), std::uint8_t{' '});
    const std::size_t length = std::min(text.size(), field.size());
    for (std::size_t i = 0; i < length; ++i)
        field[i] = text[i] >= ' ' && text[i] <= '~' ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{'?'};
}

// Up to the first NUL, without trailing spaces; bytes that are not printable ASCII become '?'.
[[nodiscard]] inline std::string get_text(std::span<const std::uint8_t> field) {
    std::string text;
    for (const std::uint8_t byte : field) {
        if (byte == 0) break;
        text += byte >= ' ' && byte <= '~' ? static_cast<char>(byte) : '?';
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

}  // namespace weft::scsi
