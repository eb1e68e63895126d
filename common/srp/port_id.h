// SPDX-License-Identifier: Apache-2.0
// SRP port identifiers from the names and UUIDs people use. Nothing depends on probing order or hardware.
#pragma once

#include <string>
#include <string_view>

#include "common/core/uuid.h"
#include "common/srp/iu.h"

namespace weft::srp {

// The same on every machine for the same name.
[[nodiscard]] PortId port_id_of_target(std::string_view name);
[[nodiscard]] PortId port_id_of_initiator(std::string_view name);
[[nodiscard]] PortId port_id_of_initiator(const Uuid& uuid);  // the UUID's own bytes

// False if the ioc_guid half starts with an OUI for which Linux's ib_srp uses another initiator identifier
// (00:05:ad, 00:1b:0d; srp.md 1.2): such an identifier would break access rights.
[[nodiscard]] bool usable_for_target(const PortId& id);

// "id_ext=0123456789abcdef,ioc_guid=0123456789abcdef", as ib_srp's add_target takes it.
[[nodiscard]] std::string target_login_string(const PortId& id);
// 32 hexadecimal digits.
[[nodiscard]] std::string to_string(const PortId& id);

}  // namespace weft::srp
