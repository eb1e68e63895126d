// SPDX-License-Identifier: Apache-2.0
// Which logical units an initiator sees, asked by the SRP front end and answered by the target's assembly.
#pragma once

#include <cstdint>
#include <vector>

#include "common/lun/logical_unit.h"
#include "common/srp/iu.h"

namespace weft::target {

struct Export {
    std::uint32_t number = 0;  // LUN, 0..scsi::kLunMax, unique in a list
    lun::LogicalUnit* unit = nullptr;
    bool read_only = false;  // for this initiator; the unit may be read-only for everybody besides
};

// Thread: the reactor's of the Port that asks; every unit belongs to that reactor.
class Exports {
  public:
    virtual ~Exports() = default;
    // The units that the initiator port may see, in any order; empty: it may not log in. Asked once for
    // each I_T nexus, when it is made. REQUIRES: the units outlive the Port.
    [[nodiscard]] virtual std::vector<Export> visible_to(const srp::PortId& initiator) = 0;
};

}  // namespace weft::target
