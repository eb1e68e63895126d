// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/control/message.h"

namespace weft::ctl {

// The status document of either daemon (docs/status-json.md) as tables. Rates come from the difference to an
// `earlier` document, `seconds` older; without one (null, or 0 seconds) they are "-". Pure; any JSON will do.
[[nodiscard]] std::string status_text(const control::Json& status, const control::Json& earlier,
                                      double seconds);

}  // namespace weft::ctl
