// SPDX-License-Identifier: Apache-2.0
#include "common/control/event_json.h"

#include <fmt/chrono.h>

namespace weft::control {

Json to_json(const Event& event) {
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::milliseconds>(event.time.time_since_epoch());
    const auto ms = since_epoch.count() % 1000;
    const std::time_t seconds = since_epoch.count() / 1000;
    return {{"sequence", event.sequence},
            {"time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), ms)},
            {"severity", to_string(event.severity)},
            {"object", event.object},
            {"text", event.text}};
}

}  // namespace weft::control
