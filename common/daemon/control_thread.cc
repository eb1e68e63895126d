// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/control_thread.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <future>
#include <utility>

namespace weft::daemon {

Result<void> on_control_thread(control::Server& server, const std::function<Result<void>()>& call) {
    std::promise<Result<void>> done;
    auto future = done.get_future();
    server.post([&] { done.set_value(call()); });
    return future.get();
}

Result<void> on_control_thread(control::Server& server, const std::function<Result<void>()>& call,
                               Signals& signals, const std::function<void(int)>& on_signal) {
    const UniqueFd ended(::eventfd(0, EFD_CLOEXEC));
    if (!ended) return fail_errno("eventfd", errno);
    std::promise<Result<void>> done;
    auto future = done.get_future();
    server.post([&] {
        auto result = call();
        ::eventfd_write(ended.get(), 1);
        done.set_value(std::move(result));
    });
    while (const int signal = signals.wait(ended.get())) on_signal(signal);
    return future.get();
}

}  // namespace weft::daemon
