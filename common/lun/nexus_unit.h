// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/lun/device_server.h"
#include "common/scsi/sense.h"

namespace weft::lun {

// What one I_T nexus sees of one logical unit: its rights and its pending unit attentions.
// Owner: the nexus. Lifetime: outlives the tasks executed with it.
class NexusUnit {
  public:
    // In the order they are reported.
    enum class Attention : std::uint8_t {
        none,
        power_on,          // 29/00
        bus_reset,         // 29/03: a LUN RESET by another nexus
        nexus_loss,        // 29/07
        cleared_by_other,  // 2F/00
        capacity_changed,  // 2A/09
        inquiry_changed,   // 3F/03
        luns_changed,      // 3F/0E
    };

    NexusUnit() = default;
    explicit NexusUnit(const LunInventory& inventory) : luns(&inventory) {}

    bool read_only = false;
    const LunInventory* luns = nullptr;  // what REPORT LUNS answers; none: an empty list

    // Queues it for the next command that reports unit attentions; one of a kind at a time, and one of the
    // 29/xx kind: the earliest in the list above, as it says the most.
    void raise(Attention attention);
    [[nodiscard]] Attention take();      // the first pending, no longer pending then
    void withdraw(Attention attention);  // no longer pending
    [[nodiscard]] bool pending() const { return pending_ != 0; }

  private:
    std::uint32_t pending_ = 0;
};

[[nodiscard]] scsi::Sense sense_of(NexusUnit::Attention attention);

}  // namespace weft::lun
