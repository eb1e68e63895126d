// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace weft::ctl {

// Text in columns as wide as their widest cell. A heading that starts with '>' aligns its column to the
// right.
class Table {
  public:
    explicit Table(std::vector<std::string> headings);
    void add(std::vector<std::string> cells);  // missing cells are "-"
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    // With the headings; each line starts with `indent` spaces and ends without any.
    [[nodiscard]] std::string text(std::size_t indent = 2) const;

  private:
    std::vector<std::string> headings_;
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace weft::ctl
