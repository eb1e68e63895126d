// SPDX-License-Identifier: Apache-2.0
// A volume's place on one reactor: its device and its logical unit there.
#pragma once

#include <memory>
#include <optional>

#include "common/block/block_device.h"
#include "common/core/result.h"
#include "common/daemon/reactor_thread.h"
#include "common/lun/logical_unit.h"
#include "common/srp/iu.h"
#include "target/srp/exports.h"
#include "target/volume.h"

namespace weft::target {

// Owner: the hall. Thread: its reactor's, all of it. Lifetime: the volume and what the thread has outlive it;
// it outlives the port. REQUIRES: no task in execution when destroyed.
class Seat {
  public:
    // An error is one sentence that starts with file:line.
    [[nodiscard]] static Result<std::unique_ptr<Seat>> take(Volume& volume, daemon::ReactorThread& thread,
                                                            const srp::PortId& target_port);
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    // Whether the initiator port may see it, and then as what.
    [[nodiscard]] std::optional<Export> visible_to(const srp::PortId& initiator);

    [[nodiscard]] lun::Counters counters() const { return unit_.counters(); }

  private:
    Seat(Volume& volume, std::unique_ptr<block::BlockDevice> device, const srp::PortId& target_port);

    Volume& volume_;
    std::unique_ptr<block::BlockDevice> device_;
    lun::LogicalUnit unit_;
};

}  // namespace weft::target
