// SPDX-License-Identifier: Apache-2.0
#include "common/srp/port_id.h"

#include <bit>

#include "common/core/check.h"

namespace weft::srp {
namespace {

std::string hex(std::span<const std::byte> bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::byte byte : bytes) {
        text += kDigits[std::to_integer<unsigned>(byte) >> 4U];
        text += kDigits[std::to_integer<unsigned>(byte) & 0x0FU];
    }
    return text;
}

}  // namespace

PortId port_id_of_target(std::string_view name) {
    const auto id = std::bit_cast<PortId>(Uuid::from_name("weft-target-port", name).bytes);
    WEFT_CHECK(usable_for_target(id));  // byte 8 of a UUID is its variant, >= 80h: no OUI that starts with 00
    return id;
}

PortId port_id_of_initiator(std::string_view name) {
    return port_id_of_initiator(Uuid::from_name("weft-initiator-port", name));
}

PortId port_id_of_initiator(const Uuid& uuid) { return std::bit_cast<PortId>(uuid.bytes); }

bool usable_for_target(const PortId& id) {
    const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(id[i]); };
    const unsigned oui = byte(8) << 16U | byte(9) << 8U | byte(10);
    return oui != 0x0005ADU && oui != 0x001B0DU;
}

std::string target_login_string(const PortId& id) {
    const std::span<const std::byte> bytes(id);
    return "id_ext=" + hex(bytes.first(8)) + ",ioc_guid=" + hex(bytes.last(8));
}

std::string to_string(const PortId& id) { return hex(id); }

}  // namespace weft::srp
