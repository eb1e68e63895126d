// SPDX-License-Identifier: Apache-2.0
#include "common/config/findings.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/config/parse.h"

namespace weft::config {

std::string one_line(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    return text;
}

void Findings::add(int line, std::string what) {
    constexpr std::size_t kKeptMax = 1000;
    if (found_.size() < kKeptMax)
        found_.push_back({line, one_line(std::move(what))});
    else
        ++more_;
}

Error Findings::error() const {
    std::vector<Finding> sorted = found_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Finding& a, const Finding& b) { return a.line < b.line; });
    const bool all = sorted.size() <= kErrorsMax;
    const std::size_t shown = all ? sorted.size() : kErrorsMax - 1;
    std::string text;
    for (std::size_t i = 0; i < shown; ++i) {
        if (i > 0) text += '\n';
        text += fmt::format("{}:{}: {}", file_, sorted[i].line, sorted[i].what);
    }
    if (!all)
        text += fmt::format("\n{}:{}: {} more errors from here on; correct the ones above first", file_,
                            sorted[shown].line, sorted.size() - shown + more_);
    return Error{std::move(text), 0};
}

}  // namespace weft::config
