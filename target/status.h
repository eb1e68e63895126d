// SPDX-License-Identifier: Apache-2.0
// The target's status as JSON; docs/status-json.md is the reference.
#pragma once

#include <cstdint>
#include <span>

#include "common/control/message.h"
#include "common/lun/counters.h"
#include "target/srp/status.h"
#include "target/volume.h"

namespace weft::target {

// One reactor's part.
struct HallStatus {
    control::Json reactor;  // daemon::ReactorThread::status()
    PortStatus port;
};

[[nodiscard]] control::Json to_json(const Volume& volume);
[[nodiscard]] control::Json to_json(const lun::Counters& counters);  // more members of a volume's
// nexuses, reactors and the sums over them, as members of the target's status.
[[nodiscard]] control::Json to_json(std::span<const HallStatus> halls);
// What the nexuses have allocated.
[[nodiscard]] std::uint64_t memory_bytes(std::span<const HallStatus> halls);

}  // namespace weft::target
