// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace weft::block {

struct IoRequest;

// What a device is. Constant for the life of the device object.
struct Geometry {
    std::uint32_t block_size = 4096;           // bytes: 512 or 4096
    std::uint32_t physical_block_size = 4096;  // bytes: power of two, >= block_size
    std::uint64_t blocks = 0;                  // of block_size
    std::uint32_t transfer_blocks_max = 0;     // per read or write; 0: no limit of its own
    std::uint32_t optimal_blocks = 0;          // preferred transfer; 0: unknown
    std::uint32_t discard_granularity = 0;     // blocks; 0: discard not supported
    std::uint64_t discard_blocks_max = 0;      // per request; 0: no limit of its own
    std::uint64_t zero_blocks_max = 0;         // write_zeroes per request; 0: no limit of its own
    bool write_zeroes = false;                 // supported
    bool discard_zeroes = false;               // discarded blocks surely read as zeros
    bool volatile_cache = false;               // a write is durable only after flush or with fua
    bool read_only = false;
    bool rotational = false;

    [[nodiscard]] std::uint64_t bytes() const { return blocks * block_size; }
    // Whether the request lies inside the device and its buffer has exactly the transfer's length.
    [[nodiscard]] bool contains(const IoRequest& io) const;
};

}  // namespace weft::block
