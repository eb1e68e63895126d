// SPDX-License-Identifier: Apache-2.0
// Big-endian integers of alignment 1 for wire structs: no packed attribute, no byte swap in logic.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace weft {

template <std::unsigned_integral T>
class BigEndian {
  public:
    constexpr BigEndian() = default;
    constexpr BigEndian(T value) { store(value); }  // NOLINT(google-explicit-constructor)
    constexpr BigEndian& operator=(T value) {
        store(value);
        return *this;
    }

    [[nodiscard]] constexpr T value() const {
        T result = 0;
        for (const std::uint8_t byte : bytes_) result = static_cast<T>(shift(result) | byte);
        return result;
    }

    friend constexpr bool operator==(const BigEndian&, const BigEndian&) = default;

  private:
    static constexpr T shift(T value) {
        if constexpr (sizeof(T) == 1)
            return 0;
        else
            return static_cast<T>(value << 8U);
    }
    constexpr void store(T value) {
        for (std::size_t i = sizeof(T); i-- > 0;) {
            bytes_[i] = static_cast<std::uint8_t>(value & 0xFFU);
            if constexpr (sizeof(T) > 1) value = static_cast<T>(value >> 8U);
        }
    }

    std::array<std::uint8_t, sizeof(T)> bytes_{};
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

static_assert(sizeof(be64) == 8 && alignof(be64) == 1);

}  // namespace weft
