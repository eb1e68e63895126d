// SPDX-License-Identifier: Apache-2.0
// A logical unit: SCSI commands (SPC-4, SBC-3) on a BlockDevice. Serves every front end that speaks SCSI.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/block/block_device.h"
#include "common/lun/device_server.h"
#include "common/lun/identity.h"
#include "common/lun/nexus_unit.h"
#include "common/lun/task.h"
#include "common/lun/unit_pages.h"
#include "common/scsi/cdb.h"

namespace weft::lun {

// Owner: one reactor's assembly. Thread: that reactor's. Lifetime: outlives its tasks, and the deliveries out
// of its device's memory; the device outlives it.
class LogicalUnit final : public DeviceServer {
  public:
    LogicalUnit(block::BlockDevice& device, Identity identity);

    // Runs the task; DataMover::finished() is called later, never inside.
    // REQUIRES: !task.executing() && task.quiet(), task.scratch of kPieces * scratch_bytes()
    void execute(Task& task, NexusUnit& nexus);

    [[nodiscard]] std::size_t scratch_bytes() const { return device_.scratch_bytes(); }  // per piece
    [[nodiscard]] block::BlockDevice& device() { return device_; }
    [[nodiscard]] const Identity& identity() const { return identity_; }

  private:
    void on_parameters(Task& task, std::span<const std::byte> parameters) override;
    [[nodiscard]] scsi::SenseFormat sense_format() const override;

    void dispatch(Task& task, NexusUnit& nexus);
    void refuse_field(Task& task);  // INVALID FIELD IN CDB

    // About the unit.
    void inquiry(Task& task);
    void request_sense(Task& task, NexusUnit& nexus);
    void report_luns_to(Task& task, NexusUnit& nexus);
    void read_capacity(Task& task);
    void mode_sense(Task& task, const NexusUnit& nexus);
    void report_opcodes(Task& task);
    void start_stop(Task& task);

    // On the medium (logical_unit_media.cc).
    [[nodiscard]] bool writable(const NexusUnit& nexus) const;
    // Whether the range lies on the medium and within `blocks_max`; if not, the task has ended.
    bool check_range(Task& task, const scsi::MediaCdb& cdb, std::uint64_t blocks_max);
    void media(Task& task, const NexusUnit& nexus);
    void read(Task& task, const scsi::MediaCdb& cdb);
    void write(Task& task, const scsi::MediaCdb& cdb);
    void verify(Task& task, const scsi::MediaCdb& cdb);
    void write_and_verify(Task& task, const scsi::MediaCdb& cdb);
    void synchronize_cache(Task& task, const scsi::MediaCdb& cdb);
    void write_same(Task& task, const scsi::MediaCdb& cdb, bool sixteen);
    void write_pattern(Task& task, std::span<const std::byte> pattern);
    void unmap(Task& task, const NexusUnit& nexus);
    void unmap_extents(Task& task, std::span<const std::byte> parameters);
    // Whether all of the data-out that the CDB asks for is there; if not, the task has ended.
    [[nodiscard]] bool wants_transfer(Task& task, const scsi::MediaCdb& cdb, bool fields_fine, bool data_out);
    bool check_data_out(Task& task, std::uint64_t bytes);

    block::BlockDevice& device_;
    Identity identity_;
    UnitLimits limits_;
};

}  // namespace weft::lun
