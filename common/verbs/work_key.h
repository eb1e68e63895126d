// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace weft::verbs {

// What a work request's 64-bit wr_id says: whose it is and which. The generation tells a late completion of a
// destroyed queue pair from one of the queue pair that has its slot now.
struct WorkKey {
    std::uint16_t slot = 0;        // of the queue pair in its device
    std::uint16_t generation = 0;  // of the slot
    bool receive = false;
    std::uint32_t index = 0;  // of the entry in its ring, < 2^31

    [[nodiscard]] static constexpr WorkKey decode(std::uint64_t wr_id) {
        return {.slot = static_cast<std::uint16_t>(wr_id >> 48U),
                .generation = static_cast<std::uint16_t>(wr_id >> 32U),
                .receive = ((wr_id >> 31U) & 1U) != 0,
                .index = static_cast<std::uint32_t>(wr_id & 0x7FFFFFFFU)};
    }
    [[nodiscard]] constexpr std::uint64_t encode() const {
        return (std::uint64_t{slot} << 48U) | (std::uint64_t{generation} << 32U) |
               (std::uint64_t{receive ? 1U : 0U} << 31U) | (index & 0x7FFFFFFFU);
    }
    friend constexpr bool operator==(const WorkKey&, const WorkKey&) = default;
};

}  // namespace weft::verbs
