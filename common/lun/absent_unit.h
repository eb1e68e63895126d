// SPDX-License-Identifier: Apache-2.0
// Answers commands to a LUN where there is no logical unit (SPC-4 6.6.2, SAM-5 4.7), and to the REPORT LUNS
// well-known logical unit.
#pragma once

#include "common/lun/device_server.h"

namespace weft::lun {

// INQUIRY: peripheral 7Fh. REPORT LUNS: as ever. REQUEST SENSE: 5/25/00 as data. Else CHECK CONDITION
// 5/25/00. Owner: the front end, one for any number of LUNs. Thread: the executor's.
class AbsentUnit final : public DeviceServer {
  public:
    using DeviceServer::DeviceServer;

    // Runs the task; DataMover::finished() is called later, never inside. task.scratch may be empty.
    // `well_known`: the LUN is C1 01, a unit that serves INQUIRY, REPORT LUNS, REQUEST SENSE and TEST UNIT
    // READY. REQUIRES: !task.executing() && task.quiet()
    void execute(Task& task, const LunInventory& inventory, bool well_known = false);

  private:
    void on_parameters(Task& task, std::span<const std::byte> parameters) override;
    void inquiry(Task& task, bool well_known);
};

}  // namespace weft::lun
