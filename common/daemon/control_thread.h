// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "common/control/server.h"
#include "common/core/result.h"
#include "common/daemon/process.h"

namespace weft::daemon {

// Runs `call` on the server's control thread, in order with the methods, and waits for it.
// REQUIRES: the server is started; not on that thread.
[[nodiscard]] Result<void> on_control_thread(control::Server& server,
                                             const std::function<Result<void>()>& call);
// The same for a call that may take long: `on_signal` runs on this thread for each signal meanwhile.
[[nodiscard]] Result<void> on_control_thread(control::Server& server,
                                             const std::function<Result<void>()>& call, Signals& signals,
                                             const std::function<void(int)>& on_signal);

}  // namespace weft::daemon
