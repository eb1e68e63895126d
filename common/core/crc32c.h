// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft {

// CRC-32C (RFC 3720, appendix B.4: polynomial 1EDC6F41h reflected, initial value and final XOR all ones).
// `before`: of the bytes before these, to go on with. REQUIRES: less than 2^31 bytes.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

}  // namespace weft
