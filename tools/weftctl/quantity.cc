// SPDX-License-Identifier: Apache-2.0
#include "tools/weftctl/quantity.h"

#include <fmt/format.h>

#include <array>

namespace weft::ctl {

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
    const bool whole = value == static_cast<double>(static_cast<std::uint64_t>(value));
    return whole ? fmt::format("{:.0f} {}", value, kUnits.at(unit))
                 : fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string age_text(std::uint64_t ms) {
    const std::uint64_t seconds = ms / 1000;
    if (seconds == 0) return fmt::format("{}ms", ms);
    if (seconds < 60) return fmt::format("{}.{}s", seconds, ms % 1000 / 100);
    if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
    if (seconds < 86'400) return fmt::format("{}h{:02}m", seconds / 3600, seconds % 3600 / 60);
    return fmt::format("{}d{}h", seconds / 86'400, seconds % 86'400 / 3600);
}

std::string rate_text(double per_second) {
    if (per_second < 10'000) return fmt::format("{:.0f}", per_second);
    if (per_second < 1e6) return fmt::format("{:.1f}k", per_second / 1e3);
    return fmt::format("{:.2f}M", per_second / 1e6);
}

std::string throughput_text(double bytes_per_second) {
    const double mb = bytes_per_second / 1e6;
    if (mb == 0) return "0";
    return mb < 100 ? fmt::format("{:.1f}", mb) : fmt::format("{:.0f}", mb);
}

std::string printable(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    return text;
}

}  // namespace weft::ctl
