// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/control_thread.h"

#include <future>
#include <utility>

namespace weft::daemon {

Result<void> on_control_thread(control::Server& server, const std::function<Result<void>()>& call) {
    std::promise<Result<void>> done;
    auto future = done.get_future();
    server.post([&] { done.set_value(call()); });
    return future.get();
}

}  // namespace weft::daemon
