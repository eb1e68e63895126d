// SPDX-License-Identifier: Apache-2.0
// The control protocol: JSON text, one object per line. Pure functions; docs/status-json.md is the reference.
//
//     {"id":1,"method":"status","params":{}}
//     {"id":1,"result":{...}}     or     {"id":1,"error":{"code":"not_found","message":"..."}}
//     {"event":{...}}             and    {"dropped":3}             to a client that follows events
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/result.h"

namespace weft::control {

using Json = nlohmann::json;

inline constexpr std::size_t kLineBytesMax = 64U << 10U;  // of a request, without the newline
inline constexpr int kNestingMax = 16;                    // of objects and arrays in a request

struct Request {
    Json id;  // null, an integer or a string of at most 64 bytes; echoed
    std::string method;
    Json params = Json::object();
};

// Why a request was not carried out. `code` is for programs and comes from a closed list (message.cc).
struct Refusal {
    std::string code;
    std::string message;
};

// Never throws, whatever the bytes are. A failure's `id` is the request's if it could be read, else null.
struct Parsed {
    Request request;
    std::optional<Refusal> refusal;
};
[[nodiscard]] Parsed parse_request(std::string_view line);

// One line each, the newline included. Text that is not UTF-8 is replaced, not refused.
[[nodiscard]] std::string result_line(const Json& id, const Json& result);
[[nodiscard]] std::string error_line(const Json& id, const Refusal& refusal);
[[nodiscard]] std::string line(const Json& message);

// The code for an errno in Error.code: ENOENT -> "not_found", EBUSY -> "busy", ... ; 0 -> "failed".
[[nodiscard]] Refusal refusal_of(const Error& error);

}  // namespace weft::control
