// SPDX-License-Identifier: Apache-2.0
// A device's geometry in the driver's terms. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/block/geometry.h"
#include "common/core/result.h"
#include "initiator/ublk/abi.h"

namespace weft::ublk {

// Bytes of the largest request: `wanted`, or less where the device takes less; whole pages of 4 KiB.
// Error: `wanted` is not such a size, or the device takes less than a page.
[[nodiscard]] Result<std::uint32_t> io_bytes_of(const block::Geometry& geometry, std::uint32_t wanted);

// What SET_PARAMS is told. Flush and FUA are asked for only where there is a volatile cache, because the
// driver sends a flush only then, and must then. Error: the kernel has no way to say this geometry. REQUIRES:
// io_bytes_max from io_bytes_of().
[[nodiscard]] Result<abi::Parameters> parameters_of(const block::Geometry& geometry,
                                                    std::uint32_t io_bytes_max);

// Why a tree of this geometry cannot serve the disk that the kernel has, or nullopt if it can: the disk may
// promise its users less than the tree offers, never more.
[[nodiscard]] std::optional<std::string> cannot_serve(const block::Geometry& geometry,
                                                      const abi::Parameters& disk);

}  // namespace weft::ublk
