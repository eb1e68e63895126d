// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

// RFC 4122 UUID, bytes in the order they are written.
struct Uuid {
    std::array<std::uint8_t, 16> bytes{};

    // "8-4-4-4-12" hexadecimal digits, either case.
    [[nodiscard]] static std::optional<Uuid> parse(std::string_view text);
    [[nodiscard]] static Uuid random();  // version 4
    // Version 8 (custom), the same for the same name everywhere: for things the user gave only a name.
    [[nodiscard]] static Uuid from_name(std::string_view space, std::string_view name);
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

}  // namespace weft
