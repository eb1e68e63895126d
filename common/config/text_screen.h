// SPDX-License-Identifier: Apache-2.0
// What is refused before a YAML parser sees it: things that are surely not a configuration file, and things
// that the YAML library reports badly.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::config {

struct TextFinding {
    int line = 0;
    std::string what;  // and what to do
};

// Size, length of lines, UTF-8, control characters, tabs that indent. Pure.
[[nodiscard]] std::optional<TextFinding> screen_text(std::string_view text);

}  // namespace weft::config
