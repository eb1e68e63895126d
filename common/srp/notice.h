// SPDX-License-Identifier: Apache-2.0
// The small IUs (srp.md 2.5): credit and event requests of the target, their answers, and the logouts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/srp/iu.h"

namespace weft::srp {

enum class LogoutReason : std::uint32_t {
    none = 0,
    inactive_reclaimed = 1,
    invalid_iu = 2,
    unexpected_response = 3,
    multi_channel_action = 4,  // a new login ended this channel
    data_out_format = 5,
    data_in_format = 6,
    iu_length = 8,
};

// CRED_REQ, CRED_RSP, AER_RSP, I_LOGOUT, T_LOGOUT.
struct Notice {
    Opcode opcode = Opcode::credit_request;
    Tag tag;
    std::int32_t request_limit_delta = 0;      // credit_request
    LogoutReason reason = LogoutReason::none;  // target_logout; a peer may send any value
    friend bool operator==(const Notice&, const Notice&) = default;
};

// AER_REQ. Received: `sense` is a view into the IU, empty if that is shorter than its sense length says.
struct EventRequest {
    Tag tag;
    std::int32_t request_limit_delta = 0;
    Lun lun{};
    std::span<const std::byte> sense;
};

inline constexpr std::size_t kNoticeBytes = sizeof(wire::Notice);
inline constexpr std::size_t kEventRequestBytes = sizeof(wire::EventRequest);

// REQUIRES: the opcode is one of the five
[[nodiscard]] std::array<std::byte, kNoticeBytes> encode(const Notice& notice);
// None: too short, or none of the five.
[[nodiscard]] std::optional<Notice> decode_notice(std::span<const std::byte> iu);

// Returns the bytes written. REQUIRES: into.size() >= kEventRequestBytes + event.sense.size()
std::size_t encode(std::span<std::byte> into, const EventRequest& event);
// None: shorter than its fixed part, or another opcode.
[[nodiscard]] std::optional<EventRequest> decode_event_request(std::span<const std::byte> iu);

}  // namespace weft::srp
