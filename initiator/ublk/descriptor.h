// SPDX-License-Identifier: Apache-2.0
// One request as the driver describes it. Pure.
#pragma once

#include <cstdint>

#include "common/block/io_request.h"
#include "initiator/ublk/abi.h"

namespace weft::ublk {

// Fills op, fua, may_unmap, lba, blocks and data.length of `io` (the rest is the tag's own). Returns 0, or
// the errno to answer with: EOPNOTSUPP for an operation that weft does not know, EIO for a request that is
// not in whole blocks or larger than the tag's buffer (the driver never sends one). FAILFAST hints are not
// looked at: what a volume does on loss is its configured policy.
[[nodiscard]] int decode(const abi::IoDescriptor& descriptor, std::uint32_t block_size,
                         std::uint32_t io_bytes_max, block::IoRequest& io);

// What the driver is told of a request that ended so: the full length or a negative errno. Never a short
// length (old kernels would send the rest for ever, new ones take it for all) and never EOPNOTSUPP for a
// flush (which the block layer takes for success).
[[nodiscard]] std::int32_t result_of(const block::IoRequest& io);

}  // namespace weft::ublk
