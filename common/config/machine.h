// SPDX-License-Identifier: Apache-2.0
// What can be known beforehand about a configuration on the machine it is to run on: `weftctl check
// --machine`. A port that is taken is not: over RDMA/CM only binding it would tell.
#pragma once

#include <string>
#include <vector>

#include "common/config/schema.h"

namespace weft::config {

// Lines "file:line: what, and what to do"; empty: nothing stands in the way. Blocking; changes nothing. What
// other programs do later (a port taken, a file removed) cannot be known here.
[[nodiscard]] std::vector<std::string> machine_findings(const Target& target);
[[nodiscard]] std::vector<std::string> machine_findings(const Initiator& initiator);

}  // namespace weft::config
