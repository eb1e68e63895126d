// SPDX-License-Identifier: Apache-2.0
#include "initiator/srp/remote_unit.h"

namespace weft::initiator {

std::string RemoteUnit::label() const {
    const std::string lun_text = "LUN " + std::to_string(number);
    return name.empty() ? lun_text : "volume '" + name + "' (" + lun_text + ")";
}

bool matches(const RemoteUnit& unit, const UnitSelector& selector) {
    if (const auto* number = std::get_if<std::uint32_t>(&selector)) return unit.number == *number;
    const std::string& text = std::get<std::string>(selector);
    if (!unit.name.empty() && unit.name == text) return true;
    const auto uuid = Uuid::parse(text);
    return uuid && unit.uuid == uuid;
}

std::string to_string(const UnitSelector& selector) {
    if (const auto* number = std::get_if<std::uint32_t>(&selector)) return "LUN " + std::to_string(*number);
    return "volume '" + std::get<std::string>(selector) + "'";
}

std::string difference(const RemoteUnit& before, const RemoteUnit& now) {
    if (before.designator != now.designator || before.serial != now.serial)
        return "another medium is there now (it was " +
               (before.serial.empty() ? before.designator : before.serial) + ", it is " +
               (now.serial.empty() ? now.designator : now.serial) + ")";
    if (before.epoch.whole && before.epoch.id != now.epoch.id)
        return "it lived in the memory of a target process that has ended: everything written to it is gone";
    if (before.geometry.block_size != now.geometry.block_size)
        return "its block size was " + std::to_string(before.geometry.block_size) + " and is " +
               std::to_string(now.geometry.block_size);
    if (now.geometry.blocks < before.geometry.blocks)
        return "it is smaller than it was: " + std::to_string(now.geometry.bytes()) + " bytes instead of " +
               std::to_string(before.geometry.bytes());
    if (now.geometry.read_only && !before.geometry.read_only) return "it has become read-only";
    return "";
}

}  // namespace weft::initiator
