// SPDX-License-Identifier: Apache-2.0
// "Did you mean ...?"
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::config {

// The word of `known` nearest to `text`: the same but for case, '-' and '_', or at most two typing errors
// away (one for words of up to four letters). Pure.
[[nodiscard]] std::optional<std::string> nearest(std::string_view text,
                                                 const std::vector<std::string>& known);

}  // namespace weft::config
