// SPDX-License-Identifier: Apache-2.0
// SRP_RSP (srp.md 2.2): the answer to a command or to a task management function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/srp/iu.h"

namespace weft::srp {

// How the bytes moved differ from what the initiator's buffer holds.
struct Residual {
    enum class Kind : std::uint8_t { none, under, over };
    Kind kind = Kind::none;
    std::uint32_t bytes = 0;
    friend bool operator==(const Residual&, const Residual&) = default;
};

// Byte 3 of the response data: the outcome of a task management function, or what was wrong with a request.
enum class ResponseCode : std::uint8_t {
    complete = 0,
    fields_invalid = 2,
    not_supported = 4,
    failed = 5,
};

// To be sent: `sense` outlives the encoding. Received: a view into the IU.
struct Response {
    Tag tag;
    std::int32_t request_limit_delta = 0;
    std::uint8_t status = 0;  // SCSI status (SAM-5 5.3)
    Residual data_out;
    Residual data_in;
    std::optional<ResponseCode> code;  // a peer may send any value
    std::span<const std::byte> sense;
};

inline constexpr std::size_t kResponseDataBytes = 4;

[[nodiscard]] constexpr std::size_t encoded_bytes(const Response& response) {
    return kResponseBytes + (response.code ? kResponseDataBytes : 0) + response.sense.size();
}
// Returns the bytes written. REQUIRES: into.size() >= encoded_bytes(response)
std::size_t encode(std::span<std::byte> into, const Response& response);
// None: too short for what it says, or another opcode.
[[nodiscard]] std::optional<Response> decode_response(std::span<const std::byte> iu);

}  // namespace weft::srp
