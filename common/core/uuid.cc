// SPDX-License-Identifier: Apache-2.0
#include "common/core/uuid.h"

#include <sys/random.h>

#include "common/core/check.h"

namespace weft {

namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

void mark(Uuid& uuid, unsigned version) {
    uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0FU) | (version << 4U));
    uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3FU) | 0x80U);
}

// FNV-1a, 64 bit: identity, not security.
std::uint64_t hash(std::uint64_t state, std::string_view text) {
    for (const char c : text) {
        state ^= static_cast<std::uint8_t>(c);
        state *= 0x100000001B3U;
    }
    return state;
}

}  // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    Uuid uuid;
    std::size_t digit = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash) {
            if (text[i] != '-') return std::nullopt;
            continue;
        }
        const int value = hex_digit(text[i]);
        if (value < 0) return std::nullopt;
        auto& byte = uuid.bytes[digit / 2];
        byte = static_cast<std::uint8_t>((unsigned{byte} << 4U) | static_cast<unsigned>(value));
        ++digit;
    }
    return uuid;
}

Uuid Uuid::random() {
    Uuid uuid;
    WEFT_CHECK(::getrandom(uuid.bytes.data(), uuid.bytes.size(), 0) == 16);
    mark(uuid, 4);
    return uuid;
}

Uuid Uuid::from_name(std::string_view space, std::string_view name) {
    const std::uint64_t high = hash(hash(hash(0xCBF29CE484222325U, space), "/"), name);
    const std::uint64_t low = hash(hash(hash(high ^ 0x9E3779B97F4A7C15U, name), "/"), space);
    Uuid uuid;
    for (unsigned i = 0; i < 8; ++i) {
        uuid.bytes[i] = static_cast<std::uint8_t>(high >> (8U * (7 - i)));
        uuid.bytes[8 + i] = static_cast<std::uint8_t>(low >> (8U * (7 - i)));
    }
    mark(uuid, 8);
    return uuid;
}

std::string Uuid::to_string() const {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += kDigits[bytes[i] >> 4U];
        text += kDigits[bytes[i] & 0x0FU];
    }
    return text;
}

}  // namespace weft
