// SPDX-License-Identifier: Apache-2.0
// How the codecs of this room move wire structs in and out of bytes.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "common/core/check.h"

namespace weft::scsi {

// The first sizeof(T) bytes as a T, or nothing when there are fewer.
template <class T>
[[nodiscard]] std::optional<T> load(std::span<const std::byte> bytes) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);
    if (bytes.size() < sizeof(T)) return std::nullopt;
    T result;
    std::memcpy(&result, bytes.data(), sizeof(T));
    return result;
}

// As load(), but fields beyond the end read as zero: for pages that grew over the years.
template <class T>
[[nodiscard]] T load_short(std::span<const std::byte> bytes) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);
    T result{};
    if (!bytes.empty())
        std::memcpy(&result, bytes.data(), bytes.size() < sizeof(T) ? bytes.size() : sizeof(T));
    return result;
}

// Writes `value` at the start of `out` and returns its size. REQUIRES: room for it.
template <class T>
std::size_t store(const T& value, std::span<std::byte> out) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);
    WEFT_CHECK(out.size() >= sizeof(T));
    std::memcpy(out.data(), &value, sizeof(T));
    return sizeof(T);
}

}  // namespace weft::scsi
