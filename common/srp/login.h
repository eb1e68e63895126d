// SPDX-License-Identifier: Apache-2.0
// Login over RDMA/CM private data, and the few bytes of it in which two weft peers recognise each other.
// Bytes: srp.md 1.2 to 1.5 and 6.1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/srp/iu.h"

namespace weft::srp {

// Private data of the connection messages; what a login IU leaves free is zero.
using RequestBytes = std::array<std::byte, 56>;
using ResponseBytes = std::array<std::byte, 196>;
using RejectBytes = std::array<std::byte, 32>;

inline constexpr std::uint16_t kDirectFormat = 0x0002;  // in the buffer format masks
inline constexpr std::uint16_t kIndirectFormat = 0x0004;
inline constexpr std::uint16_t kFormats = kDirectFormat | kIndirectFormat;

// What weft peers may agree on beyond SRP: a bit mask, none defined yet. Nothing of it is ever enabled unless
// both sides said it.
using Features = std::uint16_t;
inline constexpr Features kFeaturesKnown = 0;
inline constexpr std::uint8_t kExtensionVersion = 1;

// In a request: what the initiator speaks. In a response: what both will use. Absent: a plain SRP peer.
struct Extension {
    std::uint8_t version = kExtensionVersion;  // >= 1
    Features features = 0;
    friend bool operator==(const Extension&, const Extension&) = default;
};

// The target's answer to what an initiator offered: the lower version, the common features.
[[nodiscard]] Extension agree(const Extension& offered);
// Whether a response's extension is one that `offered` allows; if not, the peer is to be taken as plain.
[[nodiscard]] bool is_answer_to(const Extension& answer, const Extension& offered);

enum class MultiChannelAction : std::uint8_t { terminate = 0, keep = 1 };  // SINGLE, MULTI
enum class MultiChannelResult : std::uint8_t { none_existed = 0, terminated = 1, kept = 2 };

struct LoginRequest {
    Tag tag;
    std::uint16_t buffer_formats = kFormats;
    MultiChannelAction action = MultiChannelAction::terminate;
    bool immediate_data = false;         // the initiator wishes to send it
    std::uint16_t immediate_offset = 0;  // from the start of the IU
    std::uint32_t it_iu_length = 0;      // longest IU the initiator wants to send
    PortId initiator_port{};
    PortId target_port{};
    std::optional<Extension> extension;
    friend bool operator==(const LoginRequest&, const LoginRequest&) = default;
};

struct LoginResponse {
    Tag tag;
    std::int32_t request_limit_delta = 0;
    std::uint32_t it_iu_length = 0;  // longest IU the target takes
    std::uint32_t ti_iu_length = 0;  // longest IU the target sends
    std::uint16_t buffer_formats = kFormats;
    MultiChannelResult result = MultiChannelResult::none_existed;
    bool immediate_data = false;  // the target takes it
    std::optional<Extension> extension;
    friend bool operator==(const LoginResponse&, const LoginResponse&) = default;
};

enum class RejectReason : std::uint32_t {
    cannot_establish = 0x00010000,
    insufficient_resources = 0x00010001,
    iu_length = 0x00010002,  // requested IU length too large (or unusable)
    cannot_associate = 0x00010003,
    buffer_format = 0x00010004,
    no_multi_channel = 0x00010005,
    channel_limit = 0x00010006,  // also what Linux says for "not permitted"
};
[[nodiscard]] std::string_view to_string(RejectReason reason);

struct LoginReject {
    Tag tag;
    RejectReason reason = RejectReason::cannot_establish;  // a peer may send any value
    std::uint16_t buffer_formats = kFormats;
    friend bool operator==(const LoginReject&, const LoginReject&) = default;
};

[[nodiscard]] RequestBytes encode(const LoginRequest& request);
[[nodiscard]] ResponseBytes encode(const LoginResponse& response);
[[nodiscard]] RejectBytes encode(const LoginReject& reject);

// None: too short, another opcode, or a value that SRP reserves. Longer input is legal (CM zero-pads).
[[nodiscard]] std::optional<LoginRequest> decode_login_request(std::span<const std::byte> bytes);
[[nodiscard]] std::optional<LoginResponse> decode_login_response(std::span<const std::byte> bytes);
[[nodiscard]] std::optional<LoginReject> decode_login_reject(std::span<const std::byte> bytes);

// The 64-byte form that T10 defines for InfiniBand's own connection manager: it has no room for an extension.
[[nodiscard]] std::array<std::byte, 64> encode_ib(const LoginRequest& request);
[[nodiscard]] std::optional<LoginRequest> decode_ib_login_request(std::span<const std::byte> bytes);

}  // namespace weft::srp
