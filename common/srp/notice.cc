// SPDX-License-Identifier: Apache-2.0
#include "common/srp/notice.h"

#include <algorithm>

#include "common/core/check.h"

namespace weft::srp {
namespace {

bool is_notice(Opcode opcode) {
    return opcode == Opcode::credit_request || opcode == Opcode::credit_response ||
           opcode == Opcode::event_response || opcode == Opcode::initiator_logout ||
           opcode == Opcode::target_logout;
}

}  // namespace

std::array<std::byte, kNoticeBytes> encode(const Notice& notice) {
    WEFT_CHECK(is_notice(notice.opcode));
    wire::Notice out;
    out.opcode = static_cast<std::uint8_t>(notice.opcode);
    if (notice.opcode == Opcode::credit_request)
        out.value = static_cast<std::uint32_t>(notice.request_limit_delta);
    if (notice.opcode == Opcode::target_logout) out.value = static_cast<std::uint32_t>(notice.reason);
    out.tag = notice.tag;
    return std::bit_cast<std::array<std::byte, kNoticeBytes>>(out);
}

std::optional<Notice> decode_notice(std::span<const std::byte> iu) {
    if (iu.size() < sizeof(wire::Notice) || !is_notice(opcode_of(iu))) return std::nullopt;
    const auto in = wire::load<wire::Notice>(iu);
    Notice notice{.opcode = opcode_of(iu), .tag = in.tag};
    if (notice.opcode == Opcode::credit_request)
        notice.request_limit_delta = static_cast<std::int32_t>(in.value.value());
    if (notice.opcode == Opcode::target_logout) notice.reason = static_cast<LogoutReason>(in.value.value());
    return notice;
}

std::size_t encode(std::span<std::byte> into, const EventRequest& event) {
    WEFT_CHECK(into.size() >= kEventRequestBytes + event.sense.size());
    wire::EventRequest out;
    out.opcode = static_cast<std::uint8_t>(Opcode::event_request);
    out.request_limit_delta = static_cast<std::uint32_t>(event.request_limit_delta);
    out.tag = event.tag;
    out.lun = event.lun;
    out.sense_length = static_cast<std::uint32_t>(event.sense.size());
    wire::store(into, 0, out);
    std::copy(event.sense.begin(), event.sense.end(),
              into.begin() + static_cast<std::ptrdiff_t>(kEventRequestBytes));
    return kEventRequestBytes + event.sense.size();
}

std::optional<EventRequest> decode_event_request(std::span<const std::byte> iu) {
    if (iu.size() < sizeof(wire::EventRequest)) return std::nullopt;
    const auto in = wire::load<wire::EventRequest>(iu);
    if (in.opcode != static_cast<std::uint8_t>(Opcode::event_request)) return std::nullopt;
    const auto sense = iu.subspan(kEventRequestBytes);
    const std::size_t length = in.sense_length.value();
    return EventRequest{.tag = in.tag,
                        .request_limit_delta = static_cast<std::int32_t>(in.request_limit_delta.value()),
                        .lun = in.lun,
                        .sense = sense.first(length <= sense.size() ? length : 0)};
}

}  // namespace weft::srp
