// SPDX-License-Identifier: Apache-2.0
// The initiator's status as JSON; docs/status-json.md is the reference.
#pragma once

#include "common/control/message.h"
#include "initiator/srp/status.h"
#include "initiator/volume.h"

namespace weft::initiator {

[[nodiscard]] control::Json to_json(const VolumeStatus& volume);
[[nodiscard]] control::Json to_json(const SessionStatus& session);

}  // namespace weft::initiator
