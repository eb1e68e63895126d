// SPDX-License-Identifier: Apache-2.0
// VPD page 83: who a logical unit is (SPC-4 7.8.6), and how weft says it.
//
// A weft volume carries, in this order:
//   NAA 6     16 bytes from its UUID; what /dev/disk/by-id/wwn-* and multipath go by
//   UUID      type Ah: the UUID itself (SPC-5)
//   T10       "WEFT    " and the volume's name: how a weft initiator finds a volume by name
//   ports     relative target port 1 and the SRP target port identifier
//
// NAA 6 wants an IEEE company identifier, which weft has none of. It uses 02-57-46, which lies in the
// quadrant of locally, administratively assigned addresses (IEEE 802c): the IEEE never gives it to anybody.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/uuid.h"

namespace weft::scsi {

enum class DesignatorType : std::uint8_t {
    vendor_specific = 0,
    t10_vendor_id = 1,
    eui_64 = 2,
    naa = 3,
    relative_target_port = 4,
    target_port_group = 5,
    scsi_name_string = 8,
    uuid = 0xA,
};
enum class DesignatorAssociation : std::uint8_t { logical_unit = 0, target_port = 1, target_device = 2 };
enum class CodeSet : std::uint8_t { binary = 1, ascii = 2, utf8 = 3 };

struct Designator {
    DesignatorType type{};
    DesignatorAssociation association{};
    CodeSet code_set{};
    std::optional<std::uint8_t> protocol;  // if PIV
    std::span<const std::byte> bytes;      // a view into the page
};

inline constexpr std::string_view kVendor = "WEFT";

struct VolumeIdentity {
    Uuid uuid;
    std::string_view name;
    std::array<std::byte, 16> target_port{};
};

// The 16 bytes of the NAA 6 designator. The same for the same UUID for ever.
[[nodiscard]] std::array<std::uint8_t, 16> naa_of(const Uuid& uuid);

// Writes the page, header included; returns its bytes. REQUIRES: kVpdBytesMax (vpd.h) of room.
std::size_t encode_identification(const VolumeIdentity& identity, std::span<std::byte> out);
// The designators that are whole. Nothing if it is not page 83.
[[nodiscard]] std::optional<std::vector<Designator>> decode_identification(std::span<const std::byte> bytes);

// What a weft volume says of itself in its page 83; nothing if it is not a weft volume.
struct WeftVolume {
    std::string name;
    Uuid uuid;
};
[[nodiscard]] std::optional<WeftVolume> find_weft_volume(std::span<const Designator> designators);

}  // namespace weft::scsi
