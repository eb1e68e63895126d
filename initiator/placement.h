// SPDX-License-Identifier: Apache-2.0
// Which reactor a volume lives on.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "common/config/schema.h"

namespace weft::initiator {

// Reactor index by name. An I_T nexus is one initiator port at one target port, so a target's session lives
// on one reactor, and volumes that share a target share a reactor with it. What shares nothing is spread
// over the reactors, the largest groups first. Pure; the same for the same file.
struct Placement {
    std::map<std::string, std::size_t> volumes;
    std::map<std::string, std::size_t> targets;
};
[[nodiscard]] Placement place(const config::Initiator& initiator);

}  // namespace weft::initiator
