// SPDX-License-Identifier: Apache-2.0
// Figures as people read them. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace weft::ctl {

[[nodiscard]] std::string bytes_text(std::uint64_t bytes);  // "1.5 GiB"
[[nodiscard]] std::string age_text(std::uint64_t ms);       // "230ms", "4.2s", "3m12s", "2h05m", "3d4h"
[[nodiscard]] std::string rate_text(double per_second);     // "0", "940", "12.3k"
[[nodiscard]] std::string throughput_text(double bytes_per_second);  // MB/s, decimal: "0", "12.3"
// Safe for a terminal: control characters become '?'.
[[nodiscard]] std::string printable(std::string text);

}  // namespace weft::ctl
