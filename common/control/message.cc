// SPDX-License-Identifier: Apache-2.0
#include "common/control/message.h"

#include <fmt/format.h>

#include <cerrno>

namespace weft::control {

namespace {

constexpr std::size_t kIdBytesMax = 64;
constexpr std::size_t kMethodBytesMax = 64;

// Brackets outside of strings, counted before the parser builds anything: copying and destroying a Json
// recurses as deep as it is nested.
bool nested_too_deep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    bool escaped = false;
    for (const char c : text) {
        if (in_string) {
            if (!escaped && c == '"') in_string = false;
            escaped = !escaped && c == '\\';
            continue;
        }
        if (c == '"') in_string = true;
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        if (depth > kNestingMax) return true;
    }
    return false;
}

Parsed refuse(Parsed parsed, std::string message) {
    parsed.refusal = Refusal{"bad_request", std::move(message)};
    return parsed;
}

bool is_id(const Json& id) {
    return id.is_null() || id.is_number_integer() ||
           (id.is_string() && id.get_ref<const std::string&>().size() <= kIdBytesMax);
}

Parsed parse_checked(std::string_view line) {
    Parsed parsed;
    if (line.size() > kLineBytesMax) {
        parsed.refusal = Refusal{"too_large", fmt::format("a request has at most {} bytes", kLineBytesMax)};
        return parsed;
    }
    if (nested_too_deep(line))
        return refuse(std::move(parsed), fmt::format("nested more than {} deep", kNestingMax));
    Json message = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (message.is_discarded()) return refuse(std::move(parsed), "not JSON; send one object per line");
    if (!message.is_object()) return refuse(std::move(parsed), "not a JSON object; send {\"method\": ...}");
    if (const auto id = message.find("id"); id != message.end()) {
        if (!is_id(*id)) return refuse(std::move(parsed), "id must be an integer or a short string");
        parsed.request.id = *id;
    }
    for (const auto& [key, value] : message.items())
        if (key != "id" && key != "method" && key != "params")
            return refuse(std::move(parsed),
                          fmt::format("unknown member \"{:.64}\"; there are id, method, params", key));
    const auto method = message.find("method");
    if (method == message.end() || !method->is_string() || method->get_ref<const std::string&>().empty() ||
        method->get_ref<const std::string&>().size() > kMethodBytesMax)
        return refuse(std::move(parsed), "method must be a short string");
    parsed.request.method = method->get<std::string>();
    if (const auto params = message.find("params"); params != message.end()) {
        if (!params->is_object()) return refuse(std::move(parsed), "params must be an object");
        parsed.request.params = std::move(*params);
    }
    return parsed;
}

}  // namespace

Parsed parse_request(std::string_view line) {
    try {
        return parse_checked(line);
    } catch (const std::exception& exception) {
        return refuse({}, exception.what());
    }
}

std::string line(const Json& message) {
    return message.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string result_line(const Json& id, const Json& result) { return line({{"id", id}, {"result", result}}); }

std::string error_line(const Json& id, const Refusal& refusal) {
    return line({{"id", id}, {"error", {{"code", refusal.code}, {"message", refusal.message}}}});
}

Refusal refusal_of(const Error& error) {
    const auto code = [&]() -> const char* {
        switch (error.code) {
            case ENOENT:
            case ENODEV: return "not_found";
            case EEXIST: return "exists";
            case EBUSY: return "busy";
            case EINVAL: return "bad_request";
            case ETIMEDOUT: return "timed_out";
            case EOPNOTSUPP: return "not_supported";
            case EPERM:
            case EACCES: return "not_permitted";
            case ENOMEM: return "no_memory";
            default: return "failed";
        }
    };
    return {code(), error.what};
}

}  // namespace weft::control
