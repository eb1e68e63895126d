// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "common/control/server.h"
#include "common/core/result.h"

namespace weft::daemon {

// Runs `call` on the server's control thread, in order with the methods, and waits for it.
// REQUIRES: the server is started; not on that thread.
[[nodiscard]] Result<void> on_control_thread(control::Server& server,
                                             const std::function<Result<void>()>& call);

}  // namespace weft::daemon
