// SPDX-License-Identifier: Apache-2.0
// Vital product data pages 00, 80, B0, B1, B2 (SPC-4 7.8, SBC-3 6.6) and weft's C0. Page 83: designator.h.
// Encoders write the page for a disk, header included, and return its bytes; REQUIRES: kVpdBytesMax of room.
// Decoders take what came back, header included; fields beyond a short answer read as zero; nothing if it is
// not that page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/uuid.h"

namespace weft::scsi {

inline constexpr std::uint8_t kVpdSupportedPages = 0x00;
inline constexpr std::uint8_t kVpdSerialNumber = 0x80;
inline constexpr std::uint8_t kVpdIdentification = 0x83;
inline constexpr std::uint8_t kVpdBlockLimits = 0xB0;
inline constexpr std::uint8_t kVpdCharacteristics = 0xB1;
inline constexpr std::uint8_t kVpdProvisioning = 0xB2;
inline constexpr std::uint8_t kVpdEpoch = 0xC0;  // weft's own
inline constexpr std::size_t kVpdHeaderBytes = 4;
inline constexpr std::size_t kVpdBytesMax = 1024;

// Writes the header of a page with `length` bytes after it. For the codecs of pages.
std::size_t encode_vpd_header(std::uint8_t page, std::size_t length, std::span<std::byte> out);
// The bytes after the header, as far as there are any; nothing if the header is missing or of another page.
[[nodiscard]] std::optional<std::span<const std::byte>> vpd_body(std::uint8_t page,
                                                                 std::span<const std::byte> bytes);

// `pages` ascending.
std::size_t encode_supported_pages(std::span<const std::uint8_t> pages, std::span<std::byte> out);
[[nodiscard]] std::optional<std::vector<std::uint8_t>> decode_supported_pages(
    std::span<const std::byte> bytes);

std::size_t encode_serial_number(std::string_view serial, std::span<std::byte> out);
[[nodiscard]] std::optional<std::string> decode_serial_number(std::span<const std::byte> bytes);

// All in logical blocks; 0 says "not reported".
struct BlockLimits {
    bool write_same_nonzero = false;  // WSNZ: WRITE SAME with 0 blocks is refused
    std::uint16_t optimal_granularity = 0;
    std::uint32_t transfer_max = 0;
    std::uint32_t transfer_optimal = 0;
    std::uint32_t unmap_blocks_max = 0;  // per command
    std::uint32_t unmap_extents_max = 0;
    std::uint32_t unmap_granularity = 0;
    std::optional<std::uint32_t> unmap_alignment = std::nullopt;
    std::uint64_t write_same_max = 0;

    friend bool operator==(const BlockLimits&, const BlockLimits&) = default;
};
std::size_t encode_block_limits(const BlockLimits& limits, std::span<std::byte> out);
[[nodiscard]] std::optional<BlockLimits> decode_block_limits(std::span<const std::byte> bytes);

struct Characteristics {
    std::uint16_t rotation_rate = 0;  // 0 not reported, 1 not rotating, else rpm
    std::uint8_t zoned = 0;

    friend bool operator==(const Characteristics&, const Characteristics&) = default;
};
std::size_t encode_characteristics(const Characteristics& characteristics, std::span<std::byte> out);
[[nodiscard]] std::optional<Characteristics> decode_characteristics(std::span<const std::byte> bytes);

struct Provisioning {
    bool unmap = false;            // LBPU
    bool write_same_16 = false;    // LBPWS
    bool write_same_10 = false;    // LBPWS10
    std::uint8_t read_zeroes = 0;  // LBPRZ: 1 unmapped blocks read as zeros
    std::uint8_t type = 0;         // 0 not reported, 1 resource, 2 thin

    friend bool operator==(const Provisioning&, const Provisioning&) = default;
};
std::size_t encode_provisioning(const Provisioning& provisioning, std::span<std::byte> out);
[[nodiscard]] std::optional<Provisioning> decode_provisioning(std::span<const std::byte> bytes);

// How long a unit is sure to have kept what was written to it. While `id` stays the same, nothing that it has
// answered is lost; when it changes, what was not flushed may be gone, or, with `whole`, everything.
struct Epoch {
    Uuid id;             // nil: the unit says nothing
    bool whole = false;  // the unit lives in memory

    [[nodiscard]] bool known() const { return id != Uuid{}; }
    friend bool operator==(const Epoch&, const Epoch&) = default;
};
std::size_t encode_epoch(const Epoch& epoch, std::span<std::byte> out);
// Nothing also if the page is another vendor's.
[[nodiscard]] std::optional<Epoch> decode_epoch(std::span<const std::byte> bytes);

}  // namespace weft::scsi
