// SPDX-License-Identifier: Apache-2.0
// What a logical unit says about itself: its limits, INQUIRY data and VPD pages, out of geometry and
// identity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/block/geometry.h"
#include "common/lun/identity.h"
#include "common/scsi/capacity.h"
#include "common/scsi/inquiry.h"

namespace weft::lun {

// What one command may ask for, in blocks. Also what VPD B0 says.
struct UnitLimits {
    std::uint32_t transfer_max = 0;
    std::uint64_t write_same_max = 0;
    std::uint64_t unmap_blocks_max = 0;  // 0: no UNMAP
    std::uint32_t unmap_extents_max = 0;
};

[[nodiscard]] UnitLimits limits_of(const block::Geometry& geometry);
// Whether blocks can be unmapped: LBPME, UNMAP, the UNMAP bit of WRITE SAME.
[[nodiscard]] bool is_thin(const block::Geometry& geometry);
[[nodiscard]] scsi::Capacity capacity_of(const block::Geometry& geometry);

// `name`: of the volume, in the product field when it fits. Returns the bytes written. REQUIRES:
// kInquiryBytes
std::size_t encode_standard_inquiry(std::uint8_t peripheral, std::string_view name, std::span<std::byte> out);
// The VPD page; nothing if there is no such page. REQUIRES: scsi::kVpdBytesMax of room
[[nodiscard]] std::optional<std::size_t> encode_vpd(std::uint8_t page, const block::Geometry& geometry,
                                                    const Identity& identity, std::span<std::byte> out);

}  // namespace weft::lun
