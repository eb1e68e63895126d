// SPDX-License-Identifier: Apache-2.0
#include "common/srp/login.h"

#include <algorithm>

namespace weft::srp {
namespace {

constexpr std::uint8_t kActionMask = 0x03;
constexpr std::uint8_t kResultMask = 0x03;
constexpr std::uint8_t kImmediate = 0x80;

// Bytes 50..55 of the request.
constexpr std::uint16_t kRequestMagic = 0x5746;
struct RequestExtension {
    be16 magic;
    std::uint8_t version = 0;
    be16 features;
    std::uint8_t crc = 0;  // CRC-8 of the five bytes before
};
static_assert(sizeof(RequestExtension) == 6 && alignof(RequestExtension) == 1);

// Bytes 52..195 of the response: a header, then parameters {u8 type, u8 length, value}, none defined yet.
constexpr std::size_t kResponseExtensionOffset = sizeof(wire::LoginResponse);
constexpr std::uint32_t kResponseMagic = 0x57454654;
struct ResponseExtension {
    be32 magic;
    std::uint8_t version = 0;
    std::uint8_t reserved1 = 0;
    be16 features;
    be16 parameter_bytes;
    std::array<std::uint8_t, 2> reserved2{};
    be32 crc;  // CRC-32C of header and parameters, this field taken as zero
    std::array<std::uint8_t, 128> parameters{};
};
constexpr std::size_t kResponseExtensionHeader = 16;
static_assert(sizeof(ResponseExtension) == 144 && alignof(ResponseExtension) == 1);
static_assert(offsetof(ResponseExtension, parameters) == kResponseExtensionHeader);
static_assert(kResponseExtensionOffset + sizeof(ResponseExtension) == std::tuple_size_v<ResponseBytes>);

// Bit by bit: a login is rare and short.
std::uint8_t crc8(std::span<const std::byte> bytes) {  // polynomial 07h, initial value FFh
    std::uint8_t crc = 0xFF;
    for (const std::byte byte : bytes) {
        crc = static_cast<std::uint8_t>(crc ^ std::to_integer<std::uint8_t>(byte));
        for (int bit = 0; bit < 8; ++bit)
            crc = static_cast<std::uint8_t>(unsigned{crc} << 1U ^ ((crc & 0x80U) != 0 ? 0x07U : 0U));
    }
    return crc;
}

std::uint32_t crc32c(std::span<const std::byte> bytes) {
    std::uint32_t crc = 0xFFFFFFFF;
    for (const std::byte byte : bytes) {
        crc ^= std::to_integer<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
    }
    return ~crc;
}

std::span<const std::byte> bytes_of(const RequestExtension& extension) {
    return std::as_bytes(std::span(&extension, 1));
}

std::array<std::uint8_t, 6> encode_extension(const std::optional<Extension>& extension) {
    if (!extension) return {};
    RequestExtension out;
    out.magic = kRequestMagic;
    out.version = extension->version;
    out.features = extension->features;
    out.crc = crc8(bytes_of(out).first(5));
    return std::bit_cast<std::array<std::uint8_t, 6>>(out);
}

std::optional<Extension> decode_extension(const std::array<std::uint8_t, 6>& bytes) {
    const auto in = std::bit_cast<RequestExtension>(bytes);
    if (in.magic.value() != kRequestMagic || in.version == 0) return std::nullopt;
    if (in.crc != crc8(bytes_of(in).first(5))) return std::nullopt;
    return Extension{.version = in.version, .features = in.features.value()};
}

std::uint32_t crc_of(ResponseExtension extension) {
    extension.crc = 0;
    const std::size_t bytes = kResponseExtensionHeader + extension.parameter_bytes.value();
    return crc32c(std::as_bytes(std::span(&extension, 1)).first(bytes));
}

std::optional<Extension> decode_response_extension(std::span<const std::byte> bytes) {
    if (bytes.size() < kResponseExtensionOffset + sizeof(ResponseExtension)) return std::nullopt;
    const auto in = wire::load<ResponseExtension>(bytes, kResponseExtensionOffset);
    if (in.magic.value() != kResponseMagic || in.version == 0) return std::nullopt;
    if (in.parameter_bytes.value() > in.parameters.size() || in.crc.value() != crc_of(in))
        return std::nullopt;
    return Extension{.version = in.version, .features = in.features.value()};
}

std::uint8_t request_flags(const LoginRequest& request) {
    return static_cast<std::uint8_t>(static_cast<unsigned>(request.action) |
                                     (request.immediate_data ? kImmediate : 0U));
}

// The fields that both forms of the request have under the same names.
template <class Wire>
std::optional<LoginRequest> decode_request_fields(const Wire& in) {
    if (in.opcode != static_cast<std::uint8_t>(Opcode::login_request)) return std::nullopt;
    const unsigned action = in.flags & kActionMask;
    if (action > static_cast<unsigned>(MultiChannelAction::keep)) return std::nullopt;
    return LoginRequest{.tag = in.tag,
                        .buffer_formats = in.buffer_formats.value(),
                        .action = static_cast<MultiChannelAction>(action),
                        .immediate_data = (in.flags & kImmediate) != 0,
                        .immediate_offset = in.immediate_offset.value(),
                        .it_iu_length = in.it_iu_length.value(),
                        .initiator_port = in.initiator_port,
                        .target_port = in.target_port};
}

template <class Wire>
Wire encode_request_fields(const LoginRequest& request) {
    Wire out;
    out.opcode = static_cast<std::uint8_t>(Opcode::login_request);
    out.tag = request.tag;
    out.buffer_formats = request.buffer_formats;
    out.flags = request_flags(request);
    out.it_iu_length = request.it_iu_length;
    out.initiator_port = request.initiator_port;
    out.target_port = request.target_port;
    out.immediate_offset = request.immediate_offset;
    return out;
}

}  // namespace

Extension agree(const Extension& offered) {
    return {.version = std::min(offered.version, kExtensionVersion),
            .features = static_cast<Features>(offered.features & kFeaturesKnown)};
}

bool is_answer_to(const Extension& answer, const Extension& offered) {
    return answer.version <= offered.version && (answer.features & ~offered.features) == 0;
}

std::string_view to_string(RejectReason reason) {
    switch (reason) {
        case RejectReason::cannot_establish: return "unable to establish the channel";
        case RejectReason::insufficient_resources: return "insufficient resources";
        case RejectReason::iu_length: return "requested IU length not possible";
        case RejectReason::cannot_associate: return "no such target port";
        case RejectReason::buffer_format: return "unsupported buffer format";
        case RejectReason::no_multi_channel: return "multi-channel not supported";
        case RejectReason::channel_limit: return "not permitted, or channel limit reached";
    }
    return "unknown reason";
}

RequestBytes encode(const LoginRequest& request) {
    auto out = encode_request_fields<wire::LoginRequestRdma>(request);
    out.extension = encode_extension(request.extension);
    return std::bit_cast<RequestBytes>(out);
}

std::optional<LoginRequest> decode_login_request(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(wire::LoginRequestRdma)) return std::nullopt;
    const auto in = wire::load<wire::LoginRequestRdma>(bytes);
    auto request = decode_request_fields(in);
    if (request) request->extension = decode_extension(in.extension);
    return request;
}

std::array<std::byte, 64> encode_ib(const LoginRequest& request) {
    return std::bit_cast<std::array<std::byte, 64>>(encode_request_fields<wire::LoginRequest>(request));
}

std::optional<LoginRequest> decode_ib_login_request(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(wire::LoginRequest)) return std::nullopt;
    return decode_request_fields(wire::load<wire::LoginRequest>(bytes));
}

ResponseBytes encode(const LoginResponse& response) {
    ResponseBytes bytes{};
    wire::LoginResponse out;
    out.opcode = static_cast<std::uint8_t>(Opcode::login_response);
    out.request_limit_delta = static_cast<std::uint32_t>(response.request_limit_delta);
    out.tag = response.tag;
    out.it_iu_length = response.it_iu_length;
    out.ti_iu_length = response.ti_iu_length;
    out.buffer_formats = response.buffer_formats;
    out.flags = static_cast<std::uint8_t>(static_cast<unsigned>(response.result) |
                                          (response.immediate_data ? kImmediate : 0U));
    wire::store(bytes, 0, out);
    if (response.extension) {
        ResponseExtension extension;
        extension.magic = kResponseMagic;
        extension.version = response.extension->version;
        extension.features = response.extension->features;
        extension.crc = crc_of(extension);
        wire::store(bytes, kResponseExtensionOffset, extension);
    }
    return bytes;
}

std::optional<LoginResponse> decode_login_response(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(wire::LoginResponse)) return std::nullopt;
    const auto in = wire::load<wire::LoginResponse>(bytes);
    if (in.opcode != static_cast<std::uint8_t>(Opcode::login_response)) return std::nullopt;
    const unsigned result = in.flags & kResultMask;
    if (result > static_cast<unsigned>(MultiChannelResult::kept)) return std::nullopt;
    return LoginResponse{.tag = in.tag,
                         .request_limit_delta = static_cast<std::int32_t>(in.request_limit_delta.value()),
                         .it_iu_length = in.it_iu_length.value(),
                         .ti_iu_length = in.ti_iu_length.value(),
                         .buffer_formats = in.buffer_formats.value(),
                         .result = static_cast<MultiChannelResult>(result),
                         .immediate_data = (in.flags & kImmediate) != 0,
                         .extension = decode_response_extension(bytes)};
}

RejectBytes encode(const LoginReject& reject) {
    wire::LoginReject out;
    out.opcode = static_cast<std::uint8_t>(Opcode::login_reject);
    out.reason = static_cast<std::uint32_t>(reject.reason);
    out.tag = reject.tag;
    out.buffer_formats = reject.buffer_formats;
    return std::bit_cast<RejectBytes>(out);
}

std::optional<LoginReject> decode_login_reject(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(wire::LoginReject)) return std::nullopt;
    const auto in = wire::load<wire::LoginReject>(bytes);
    if (in.opcode != static_cast<std::uint8_t>(Opcode::login_reject)) return std::nullopt;
    return LoginReject{.tag = in.tag,
                       .reason = static_cast<RejectReason>(in.reason.value()),
                       .buffer_formats = in.buffer_formats.value()};
}

}  // namespace weft::srp
