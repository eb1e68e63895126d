// SPDX-License-Identifier: Apache-2.0
// One exported volume: its backing store, and each reactor's logical unit on it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/block/memory_device.h"
#include "common/config/schema.h"
#include "common/core/result.h"
#include "common/daemon/reactor_thread.h"
#include "common/lun/logical_unit.h"
#include "common/srp/iu.h"
#include "common/uring/file_device.h"
#include "common/uring/file_store.h"

namespace weft::target {

// Owner: the service. Thread: the control thread, except that a seat's unit and device belong to its reactor.
class Volume {
  public:
    // Opens or makes the backing store. An error is one sentence that starts with file:line.
    [[nodiscard]] static Result<std::unique_ptr<Volume>> open(const config::Target& target,
                                                              const config::ExportedVolume& config);
    Volume(const Volume&) = delete;
    Volume& operator=(const Volume&) = delete;
    ~Volume();  // REQUIRES: unseated

    // Makes the device and the logical unit of one reactor, on that reactor, which runs.
    [[nodiscard]] Result<void> seat(daemon::ReactorThread& thread, const srp::PortId& target_port);
    // Takes them away. REQUIRES: no task in execution.
    void unseat(daemon::ReactorThread& thread);

    // On the reactor of `thread`. REQUIRES: seated there.
    [[nodiscard]] lun::LogicalUnit& unit(const daemon::ReactorThread& thread);

    [[nodiscard]] const config::ExportedVolume& config() const { return config_; }
    [[nodiscard]] const Uuid& uuid() const { return uuid_; }
    [[nodiscard]] std::uint64_t bytes() const;
    [[nodiscard]] std::uint64_t memory_bytes() const;
    // What the initiator port may do: the first grant that names it, or "any".
    [[nodiscard]] const config::Grant* grant_for(const srp::PortId& initiator) const;

  private:
    struct Seat {
        const daemon::ReactorThread* thread = nullptr;
        std::unique_ptr<block::BlockDevice> device;
        std::unique_ptr<lun::LogicalUnit> unit;
    };
    Volume(const config::Target& target, const config::ExportedVolume& config);
    [[nodiscard]] Result<std::unique_ptr<block::BlockDevice>> make_device(daemon::ReactorThread& thread);
    [[nodiscard]] std::string place() const;

    const config::ExportedVolume config_;
    const Uuid uuid_;
    const scsi::Epoch epoch_;
    std::unique_ptr<uring::FileStore> file_;
    std::unique_ptr<block::MemoryStore> memory_;
    std::vector<Seat> seats_;
};

}  // namespace weft::target
