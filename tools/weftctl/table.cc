// SPDX-License-Identifier: Apache-2.0
#include "tools/weftctl/table.h"

#include <algorithm>
#include <utility>

namespace weft::ctl {

namespace {

// Characters, not bytes; wide ones are rare in names that are [A-Za-z0-9._-].
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

}  // namespace

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
    for (std::string& heading : headings_) {
        right_.push_back(heading.starts_with('>'));
        if (right_.back()) heading.erase(0, 1);
    }
}

void Table::add(std::vector<std::string> cells) {
    cells.resize(headings_.size(), "-");
    rows_.push_back(std::move(cells));
}

std::string Table::text(std::size_t indent) const {
    std::vector<std::size_t> widths;
    for (std::size_t column = 0; column < headings_.size(); ++column) {
        widths.push_back(width(headings_[column]));
        for (const auto& row : rows_) widths[column] = std::max(widths[column], width(row[column]));
    }
    std::string all;
    const auto write = [&](const std::vector<std::string>& cells) {
        std::string line(indent, ' ');
        for (std::size_t column = 0; column < cells.size(); ++column) {
            const std::string space(widths[column] - width(cells[column]), ' ');
            if (column > 0) line += "  ";
            line += right_[column] ? space + cells[column] : cells[column] + space;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        all += line + '\n';
    };
    write(headings_);
    for (const auto& row : rows_) write(row);
    return all;
}

}  // namespace weft::ctl
