// SPDX-License-Identifier: Apache-2.0
#include "tools/weftctl/document.h"

#include <fmt/format.h>

#include "tools/weftctl/quantity.h"

namespace weft::ctl {

const Json& member(const Json& object, const char* key) {
    static const Json kNone;
    if (!object.is_object()) return kNone;
    const auto found = object.find(key);
    return found == object.end() ? kNone : *found;
}

const Json& list(const Json& object, const char* key) {
    static const Json kEmpty = Json::array();
    const Json& found = member(object, key);
    return found.is_array() ? found : kEmpty;
}

std::optional<std::uint64_t> number(const Json& object, const char* key) {
    const Json& found = member(object, key);
    if (found.is_number_unsigned()) return found.get<std::uint64_t>();
    if (found.is_number_integer() && found.get<std::int64_t>() >= 0) return found.get<std::uint64_t>();
    return std::nullopt;
}

std::string word(const Json& object, const char* key) {
    const Json& found = member(object, key);
    if (found.is_string())
        return found.get_ref<const std::string&>().empty() ? "-" : printable(found.get<std::string>());
    if (found.is_boolean()) return found.get<bool>() ? "yes" : "no";
    if (found.is_number_unsigned()) return fmt::format("{}", found.get<std::uint64_t>());
    if (found.is_number_integer()) return fmt::format("{}", found.get<std::int64_t>());
    if (found.is_number_float()) return fmt::format("{}", found.get<double>());
    return "-";
}

std::string bytes(const Json& object, const char* key) {
    const auto found = number(object, key);
    return found ? bytes_text(*found) : "-";
}

std::string age(const Json& object, const char* key) {
    const auto found = number(object, key);
    return found ? age_text(*found) : "-";
}

}  // namespace weft::ctl
