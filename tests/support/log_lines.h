// SPDX-License-Identifier: Apache-2.0
// The lines that are logged while it lives.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/core/log_listener.h"

namespace weft::test {

class LogLines final : public log::Listener {
  public:
    LogLines() { log::listen(this); }
    LogLines(const LogLines&) = delete;
    LogLines& operator=(const LogLines&) = delete;
    ~LogLines() override { log::listen(nullptr); }

    // How many lines of this level hold `text`.
    [[nodiscard]] std::size_t count(log::Level level, const std::string& text) const {
        return static_cast<std::size_t>(std::count_if(lines_.begin(), lines_.end(), [&](const auto& line) {
            return line.first == level && line.second.find(text) != std::string::npos;
        }));
    }
    void clear() { lines_.clear(); }

  private:
    void on_line(log::Level level, const std::string& line) override { lines_.emplace_back(level, line); }

    std::vector<std::pair<log::Level, std::string>> lines_;
};

}  // namespace weft::test
