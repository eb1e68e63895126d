// SPDX-License-Identifier: Apache-2.0
// The target's status as JSON; docs/status-json.md is the reference.
#pragma once

#include "common/control/message.h"
#include "target/srp/status.h"
#include "target/volume.h"

namespace weft::target {

[[nodiscard]] control::Json to_json(const Volume& volume);
[[nodiscard]] control::Json to_json(const NexusStatus& nexus);

}  // namespace weft::target
