// SPDX-License-Identifier: Apache-2.0
// One exported volume: what all reactors share of it. What each has of its own is a Seat.
#pragma once

#include <memory>
#include <string>

#include "common/block/memory_device.h"
#include "common/config/schema.h"
#include "common/core/result.h"
#include "common/core/uuid.h"
#include "common/daemon/reactor_thread.h"
#include "common/lun/identity.h"
#include "common/srp/iu.h"
#include "common/uring/file_store.h"

namespace weft::target {

// The reactors share the open, locked file with the memory of a failed flush (FileStore), or the bytes of a
// memory volume, which promise no order between commands that overlap in time and space, as no disk does. The
// rest is constant. Owner: the service. Thread: opened on the control thread; any afterwards. Lifetime:
// outlives its devices.
class Volume {
  public:
    // Opens or makes the backing store. An error is one sentence that starts with file:line.
    [[nodiscard]] static Result<std::unique_ptr<Volume>> open(const config::Target& target,
                                                              const config::ExportedVolume& config);
    Volume(const Volume&) = delete;
    Volume& operator=(const Volume&) = delete;

    // A device of the thread's reactor on the store; on that thread. An error starts with file:line.
    [[nodiscard]] Result<std::unique_ptr<block::BlockDevice>> make_device(daemon::ReactorThread& thread);

    [[nodiscard]] const config::ExportedVolume& config() const { return config_; }
    [[nodiscard]] const Uuid& uuid() const { return uuid_; }
    // The same on every reactor.
    [[nodiscard]] lun::Identity identity(const srp::PortId& target_port) const;
    [[nodiscard]] std::uint64_t bytes() const;
    [[nodiscard]] std::uint64_t memory_bytes() const;
    // What the initiator port may do: the first grant that names it, or "any".
    [[nodiscard]] const config::Grant* grant_for(const srp::PortId& initiator) const;

  private:
    Volume(const config::Target& target, const config::ExportedVolume& config);
    [[nodiscard]] Result<std::unique_ptr<block::BlockDevice>> device_on(daemon::ReactorThread& thread);
    [[nodiscard]] std::string place() const;

    const config::ExportedVolume config_;
    const Uuid uuid_;
    const scsi::Epoch epoch_;
    std::unique_ptr<uring::FileStore> file_;
    std::unique_ptr<block::MemoryStore> memory_;
};

// Whom a person means: a port identifier in hexadecimal, a UUID or a name.
[[nodiscard]] srp::PortId initiator_port(const std::string& initiator);

}  // namespace weft::target
