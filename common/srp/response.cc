// SPDX-License-Identifier: Apache-2.0
#include "common/srp/response.h"

#include <algorithm>

#include "common/core/check.h"

namespace weft::srp {
namespace {

constexpr std::uint8_t kResponseValid = 0x01;
constexpr std::uint8_t kSenseValid = 0x02;
constexpr std::uint8_t kDataOutOver = 0x04;
constexpr std::uint8_t kDataOutUnder = 0x08;
constexpr std::uint8_t kDataInOver = 0x10;
constexpr std::uint8_t kDataInUnder = 0x20;

std::uint8_t flags_of(const Residual& residual, std::uint8_t over, std::uint8_t under) {
    switch (residual.kind) {
        case Residual::Kind::none: return 0;
        case Residual::Kind::under: return under;
        case Residual::Kind::over: return over;
    }
    WEFT_UNREACHABLE("Residual::Kind");
}

Residual residual_of(std::uint8_t flags, std::uint8_t over, std::uint8_t under, std::uint32_t bytes) {
    if ((flags & under) != 0) return {.kind = Residual::Kind::under, .bytes = bytes};
    if ((flags & over) != 0) return {.kind = Residual::Kind::over, .bytes = bytes};
    return {};
}

}  // namespace

std::size_t encode(std::span<std::byte> into, const Response& response) {
    const std::size_t bytes = encoded_bytes(response);
    WEFT_CHECK(into.size() >= bytes);
    wire::Response out;
    out.opcode = static_cast<std::uint8_t>(Opcode::response);
    out.request_limit_delta = static_cast<std::uint32_t>(response.request_limit_delta);
    out.tag = response.tag;
    out.status = response.status;
    unsigned flags = flags_of(response.data_out, kDataOutOver, kDataOutUnder);
    flags |= flags_of(response.data_in, kDataInOver, kDataInUnder);
    if (response.code) flags |= kResponseValid;
    if (!response.sense.empty()) flags |= kSenseValid;
    out.flags = static_cast<std::uint8_t>(flags);
    out.data_out_residual = response.data_out.bytes;
    out.data_in_residual = response.data_in.bytes;
    out.sense_length = static_cast<std::uint32_t>(response.sense.size());
    out.response_length = response.code ? static_cast<std::uint32_t>(kResponseDataBytes) : 0U;
    wire::store(into, 0, out);
    std::size_t end = kResponseBytes;
    if (response.code) {
        wire::store(into, end, be32(static_cast<std::uint32_t>(*response.code)));
        end += kResponseDataBytes;
    }
    std::copy(response.sense.begin(), response.sense.end(), into.begin() + static_cast<std::ptrdiff_t>(end));
    return bytes;
}

std::optional<Response> decode_response(std::span<const std::byte> iu) {
    if (iu.size() < sizeof(wire::Response)) return std::nullopt;
    const auto in = wire::load<wire::Response>(iu);
    if (in.opcode != static_cast<std::uint8_t>(Opcode::response)) return std::nullopt;
    const std::uint64_t response_bytes = in.response_length.value();
    const std::uint64_t sense_bytes = in.sense_length.value();
    if (sizeof(wire::Response) + response_bytes + sense_bytes > iu.size()) return std::nullopt;

    Response response{
        .tag = in.tag,
        .request_limit_delta = static_cast<std::int32_t>(in.request_limit_delta.value()),
        .status = in.status,
        .data_out = residual_of(in.flags, kDataOutOver, kDataOutUnder, in.data_out_residual.value()),
        .data_in = residual_of(in.flags, kDataInOver, kDataInUnder, in.data_in_residual.value())};
    if ((in.flags & kResponseValid) != 0) {
        if (response_bytes < kResponseDataBytes) return std::nullopt;
        response.code = static_cast<ResponseCode>(std::to_integer<std::uint8_t>(iu[kResponseBytes + 3]));
    }
    if ((in.flags & kSenseValid) != 0)
        response.sense = iu.subspan(kResponseBytes + response_bytes, sense_bytes);
    return response;
}

}  // namespace weft::srp
