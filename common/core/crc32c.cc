// SPDX-License-Identifier: Apache-2.0
#include "common/core/crc32c.h"

#include <isa-l/crc.h>

#include <limits>

#include "common/core/check.h"

namespace weft {

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
    WEFT_CHECK(bytes.size() <= std::numeric_limits<int>::max());
    // It reads only, whatever its signature says.
    auto* at = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    return ~crc32_iscsi(at, static_cast<int>(bytes.size()), ~before);
}

}  // namespace weft
