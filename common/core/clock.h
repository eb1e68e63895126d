// SPDX-License-Identifier: Apache-2.0
// Monotonic time. An Instant comes from an Executor only, so that simulated time is possible.
#pragma once

#include <chrono>

namespace weft {

using Duration = std::chrono::nanoseconds;
struct MonotonicClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;

using namespace std::chrono_literals;

}  // namespace weft
