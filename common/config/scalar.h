// SPDX-License-Identifier: Apache-2.0
// The forms a single value may have. Pure; each failure says what is wrong and what to write instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "common/config/schema.h"
#include "common/core/uuid.h"

namespace weft::config {

template <class T>
using Scalar = tl::expected<T, std::string>;

// Decimal digits, no sign, no leading zero.
[[nodiscard]] Scalar<std::uint64_t> parse_count(std::string_view text);
// A decimal fraction such as 0.5.
[[nodiscard]] Scalar<double> parse_fraction(std::string_view text);
// Bytes, or with one of KiB MiB GiB TiB.
[[nodiscard]] Scalar<std::uint64_t> parse_size(std::string_view text);
// With one of ms s m h; 0 needs none.
[[nodiscard]] Scalar<std::chrono::milliseconds> parse_duration(std::string_view text);
[[nodiscard]] Scalar<bool> parse_flag(std::string_view text);
[[nodiscard]] Scalar<Uuid> parse_uuid(std::string_view text);
[[nodiscard]] Scalar<PortId> parse_port_id(std::string_view text);

// These return their text.
// A letter or digit, then letters, digits and . _ - up to `limit` in all; nothing that reads as a UUID or a
// port id.
[[nodiscard]] Scalar<std::string> parse_name(std::string_view text, std::size_t limit);
// A numeric IPv4 or IPv6 address, the latter with %interface if it is link-local.
[[nodiscard]] Scalar<std::string> parse_address(std::string_view text);
// From the root, without "..", at most `limit` bytes.
[[nodiscard]] Scalar<std::string> parse_absolute_path(std::string_view text, std::size_t limit);

// The shortest exact form that parse_size and parse_duration read back.
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] std::string hex(const PortId& id);
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

}  // namespace weft::config
