// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "common/core/uuid.h"
#include "common/scsi/vpd.h"

namespace weft::lun {

// Who a logical unit is, whichever initiator asks, for as long as the volume lives.
struct Identity {
    Uuid uuid;                                // gives the NAA identifier and the unit serial number
    std::string name;                         // volume name; in the T10 designator and, if short, the product
    std::array<std::byte, 16> target_port{};  // SRP target port identifier, for VPD 83
    scsi::Epoch epoch;                        // how long it surely keeps what it answered; VPD C0
};

}  // namespace weft::lun
