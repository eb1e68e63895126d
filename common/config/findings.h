// SPDX-License-Identifier: Apache-2.0
// What is wrong with a file: lines of "file:line: what, and what to do", bounded in number.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/config/schema.h"
#include "common/core/result.h"

namespace weft::config {

// What is quoted from a file may hold line breaks and control characters (as escapes do); a message may not.
[[nodiscard]] std::string one_line(std::string text);

class Findings {
  public:
    explicit Findings(std::string file) : file_(std::move(file)) {}

    void add(int line, std::string what);
    void add(const Place& place, std::string what) { add(place.line, std::move(what)); }

    [[nodiscard]] bool empty() const { return found_.empty(); }
    [[nodiscard]] const std::string& file() const { return file_; }
    // In the order of lines; the first kErrorsMax, then one line that counts the rest.
    [[nodiscard]] Error error() const;

  private:
    struct Finding {
        int line = 0;
        std::string what;
    };
    std::string file_;
    std::vector<Finding> found_;
    std::size_t more_ = 0;
};

}  // namespace weft::config
