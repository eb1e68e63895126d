// SPDX-License-Identifier: Apache-2.0
// One volume: its legs, the tree over them, and the disk in front.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/block/linear_device.h"
#include "common/config/schema.h"
#include "common/core/result.h"
#include "common/uring/file_device.h"
#include "common/uring/file_store.h"
#include "initiator/leg_record.h"
#include "initiator/site.h"
#include "initiator/srp/remote_device.h"
#include "initiator/ublk/device.h"

namespace weft::initiator {

struct LegStatus {
    std::string kind;    // "remote" or "file"
    std::string target;  // remote: the target's name
    std::string unit;    // the unit's label, or the file
    std::string state;
    std::string problem;
    std::uint64_t bytes = 0;
    std::vector<Wait> waits;
};

struct VolumeStatus {
    std::string name;
    Uuid uuid;
    std::string device;  // "/dev/ublkb0"
    std::string state;   // "ready", or "waiting" while a leg is not
    std::uint64_t bytes = 0;
    std::uint32_t block_size = 0;
    ublk::DeviceStatus disk;
    DeviceCounters counters;  // summed over remote legs
    std::vector<LegStatus> legs;
};

// Owner: the service. Thread: the control thread; every call blocks.
class Volume {
  public:
    // Finds the legs, builds the tree and makes the disk, or takes it over from a daemon that died.
    // `patience`: how long a target may take to answer; negative: for ever. `inherited`: a daemon before us
    // has left the disk to us. An error is one sentence that starts with file:line; nothing is left behind
    // then.
    [[nodiscard]] static Result<std::unique_ptr<Volume>> attach(Site& site, ublk::Control& control,
                                                                const config::Initiator& initiator,
                                                                const config::Volume& volume,
                                                                std::chrono::milliseconds patience,
                                                                bool inherited);
    Volume(const Volume&) = delete;
    Volume& operator=(const Volume&) = delete;
    ~Volume();  // REQUIRES: detached, left, or never given a disk

    // Takes the disk away; refuses while it is in use unless forced.
    [[nodiscard]] Result<void> detach(bool force);
    // Keeps the disk for the next daemon.
    [[nodiscard]] Result<void> leave();

    [[nodiscard]] VolumeStatus status();
    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] bool recovered() const { return disk_ != nullptr && disk_->recovered(); }
    [[nodiscard]] std::string path() const { return disk_ == nullptr ? "" : disk_->path(); }
    // Bytes of registered memory that a volume of this configuration takes.
    [[nodiscard]] static std::uint64_t memory_bytes(const config::Initiator& initiator,
                                                    const config::Volume& volume);

  private:
    struct Leg {
        const config::Leg* config = nullptr;
        std::string target;  // acquired session, "" for none
        std::optional<RemoteUnit> unit;
        std::unique_ptr<uring::FileStore> store;
        std::unique_ptr<block::BlockDevice> device;
        RemoteDevice* remote = nullptr;  // == device, for remote legs
        std::optional<RemoteDeviceOptions::Heritage> heritage;
    };

    Volume(Site& site, const config::Initiator& initiator, config::Volume config);
    [[nodiscard]] Result<void> find_legs(std::chrono::milliseconds patience);
    [[nodiscard]] Result<void> find_unit(Leg& leg, std::chrono::milliseconds patience);
    [[nodiscard]] Result<void> open_file(Leg& leg, std::uint32_t block_size);
    [[nodiscard]] Result<void> build_tree();
    [[nodiscard]] Result<void> check_legs(bool inherited);
    [[nodiscard]] RemoteDeviceOptions device_options(std::size_t leg);
    void remember_epoch(std::size_t leg, const Uuid& epoch);
    void dismantle();
    void close_legs();
    [[nodiscard]] Failure at(const config::Place& place, const std::string& what) const;

    Site& site_;
    const config::Initiator& initiator_;
    const config::Volume config_;
    Uuid uuid_;
    std::vector<Leg> legs_;
    std::vector<LegRecord> records_;  // as saved; once the tree is built the reactor's
    std::unique_ptr<block::LinearDevice> linear_;
    std::unique_ptr<ublk::Device> disk_;
};

}  // namespace weft::initiator
