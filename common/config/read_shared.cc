// SPDX-License-Identifier: Apache-2.0
#include "common/config/read_shared.h"

#include <fmt/format.h>

namespace weft::config {

using std::chrono::milliseconds;

Scalar<std::string> name_form(std::string_view text) { return parse_name(text, kNameMax); }
Scalar<std::string> path_form(std::string_view text) { return parse_absolute_path(text, kPathMax); }

void read_daemon(Section& section, std::uint32_t& reactors, std::uint32_t& poll_us, std::string& control,
                 std::string& log_level) {
    section.count("reactors", reactors, {1, 64});
    section.count("poll_us", poll_us, {0, 10'000});
    section.text(
        "control", control, [](std::string_view text) { return parse_absolute_path(text, kSocketPathMax); },
        Need::optional, "path");
    static constexpr std::array<Choice<int>, 5> kLevels = {
        {{"trace", 0}, {"debug", 1}, {"info", 2}, {"warn", 3}, {"error", 4}}};
    int level = 2;
    section.choice("log_level", level, kLevels);
    log_level = kLevels.at(static_cast<std::size_t>(level)).first;
}

void read_timers(Section& top, Timers& timers) {
    Section section = top.section("timers", Need::optional);
    section.duration("connect_timeout", timers.connect_timeout, {milliseconds{10}, std::chrono::minutes{10}});
    section.duration("reconnect_min", timers.reconnect_min, {milliseconds{1}, std::chrono::minutes{10}});
    section.duration("reconnect_max", timers.reconnect_max, {milliseconds{1}, std::chrono::minutes{10}});
    section.duration("heartbeat", timers.heartbeat, {milliseconds{0}, std::chrono::minutes{1}});
    section.count("heartbeat_misses", timers.heartbeat_misses, {1, 100});
    section.duration("command_timeout", timers.command_timeout, {milliseconds{100}, std::chrono::hours{1}});
    section.fraction("scale", timers.scale, 0.1, 100);
    if (timers.reconnect_max < timers.reconnect_min)
        section.find("reconnect_max", fmt::format("{} is less than reconnect_min ({}); make it at least that",
                                                  format_duration(timers.reconnect_max),
                                                  format_duration(timers.reconnect_min)));
}

bool Unique::add(Findings& findings, const std::string& path, const Place& place, const std::string& value) {
    for (const Taken& taken : taken_) {
        if (taken.value != value) continue;
        findings.add(place, fmt::format("{}: the {} {} is taken already in line {}; use another", path, what_,
                                        value, taken.line));
        return false;
    }
    taken_.push_back({value, place.line});
    return true;
}

}  // namespace weft::config
