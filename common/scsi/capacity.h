// SPDX-License-Identifier: Apache-2.0
// READ CAPACITY(10) and (16) parameter data (SBC-3 5.15, 5.16).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace weft::scsi {

struct Capacity {
    std::uint64_t blocks = 0;      // > 0
    std::uint32_t block_size = 0;  // bytes
    // READ CAPACITY(16) only:
    std::uint8_t physical_exponent = 0;  // log2 of logical blocks per physical block, 0..15
    bool thin = false;                   // LBPME: logical block provisioning is there
    bool unmapped_zeroes = false;        // LBPRZ
    std::uint16_t lowest_aligned = 0;    // 14 bits
    bool beyond_32_bits = false;         // decoding the 10-byte form: ask with the 16-byte form

    friend bool operator==(const Capacity&, const Capacity&) = default;
};

inline constexpr std::size_t kCapacity10Bytes = 8;
inline constexpr std::size_t kCapacity16Bytes = 32;

// REQUIRES: blocks > 0 and room in `out`. Return the bytes written.
std::size_t encode_capacity_10(const Capacity& capacity, std::span<std::byte> out);
std::size_t encode_capacity_16(const Capacity& capacity, std::span<std::byte> out);
// Nothing if it is cut short or absurd (a block size of 0, 2^64 blocks).
[[nodiscard]] std::optional<Capacity> decode_capacity_10(std::span<const std::byte> bytes);
[[nodiscard]] std::optional<Capacity> decode_capacity_16(std::span<const std::byte> bytes);

}  // namespace weft::scsi
