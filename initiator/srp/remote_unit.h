// SPDX-License-Identifier: Apache-2.0
// What discovery learned of one logical unit of a target.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "common/block/geometry.h"
#include "common/core/uuid.h"
#include "common/scsi/vpd.h"
#include "common/srp/iu.h"

namespace weft::initiator {

struct RemoteUnit {
    srp::Lun lun{};            // as the target reports it
    std::uint32_t number = 0;  // its plain number
    block::Geometry geometry;  // transfer_blocks_max is bounded by kTransferBytesMax

    // Identity. What a unit does not say is empty.
    std::optional<Uuid> uuid;  // from the serial number or a designator
    std::string designator;    // the strongest of VPD 83 (NAA before EUI-64 before T10), hexadecimal
    std::string serial;        // VPD 80
    std::string name;          // weft's volume name
    std::string vendor;
    std::string product;
    scsi::Epoch epoch;  // of what was written to it

    // How it wants to be spoken to.
    bool unmap = false;                       // UNMAP
    bool write_same_unmap = false;            // WRITE SAME(16) with UNMAP, zeros guaranteed
    bool fua = false;                         // the FUA bit is honoured (DPOFUA)
    std::uint64_t unmap_blocks_max = 0;       // per UNMAP; 0: not said
    std::uint64_t write_same_blocks_max = 0;  // per WRITE SAME; 0: not said

    // "volume 'tank' (LUN 3)"
    [[nodiscard]] std::string label() const;
};

// Bytes of one read or write, whatever the unit would take.
inline constexpr std::uint32_t kTransferBytesMax = 1U << 20U;

// Which unit is meant: a LUN, or the volume's name or UUID as text.
using UnitSelector = std::variant<std::uint32_t, std::string>;
[[nodiscard]] bool matches(const RemoteUnit& unit, const UnitSelector& selector);
[[nodiscard]] std::string to_string(const UnitSelector& selector);

// Why `now` cannot stand in for `before` (another medium, another block size, smaller); "" if it can.
[[nodiscard]] std::string difference(const RemoteUnit& before, const RemoteUnit& now);

}  // namespace weft::initiator
