// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/control/event_log.h"
#include "common/control/message.h"

namespace weft::control {

// {"sequence":7,"time":"2025-01-31T12:00:00.123Z","severity":"info","object":"volume data","text":"..."}
[[nodiscard]] Json to_json(const Event& event);

}  // namespace weft::control
