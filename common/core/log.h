// SPDX-License-Identifier: Apache-2.0
// The process log. Not on the data path: a line is for a state change, an error counted once, or
// start and stop. spdlog does the work (log.cc); this header stays light because everybody includes it.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>

namespace weft::log {

enum class Level : std::uint8_t { debug, info, warn, error };

// Any thread; never blocks once start() was called.
void write(Level level, fmt::string_view format, fmt::format_args arguments);

template <class... T>
void debug(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::debug, format, fmt::make_format_args(arguments...));
}
template <class... T>
void info(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::info, format, fmt::make_format_args(arguments...));
}
template <class... T>
void warn(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::warn, format, fmt::make_format_args(arguments...));
}
template <class... T>
void error(fmt::format_string<T...> format, T&&... arguments) {
    write(Level::error, format, fmt::make_format_args(arguments...));
}

// Sets up the log of a daemon: to stderr, through a queue that drops its oldest line rather than
// block the thread that logs. `level`: trace | debug | info | warn | error. Call once, at start,
// before any other thread; returns false for an unknown level.
bool start(const std::string& program, const std::string& level);
// Writes out what is queued. Call once, last.
void stop();

}  // namespace weft::log
