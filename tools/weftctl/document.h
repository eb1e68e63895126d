// SPDX-License-Identifier: Apache-2.0
// Reading a status document that may be of another version: whatever is missing or of another type is "-".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/control/message.h"

namespace weft::ctl {

using control::Json;

[[nodiscard]] const Json& member(const Json& object, const char* key);  // null if there is none
[[nodiscard]] const Json& list(const Json& object, const char* key);    // an empty array if there is none
[[nodiscard]] std::optional<std::uint64_t> number(const Json& object, const char* key);

[[nodiscard]] std::string word(const Json& object,
                               const char* key);  // text, numbers and booleans as they are
[[nodiscard]] std::string bytes(const Json& object, const char* key);  // "1.5 GiB"
[[nodiscard]] std::string age(const Json& object, const char* key);    // from milliseconds

}  // namespace weft::ctl
