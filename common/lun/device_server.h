// SPDX-License-Identifier: Apache-2.0
// Who executes tasks (SAM-5: a device server): what a logical unit and the absence of one have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/core/executor.h"
#include "common/lun/counters.h"
#include "common/lun/media_transfer.h"
#include "common/lun/task.h"
#include "common/scsi/lun.h"
#include "common/scsi/sense.h"

namespace weft::lun {

// The LUNs an I_T nexus may use: what REPORT LUNS answers. Implemented by the front end.
class LunInventory {
  public:
    virtual ~LunInventory() = default;
    // Ascending; read at once, not kept.
    [[nodiscard]] virtual std::span<const scsi::Lun> luns() const = 0;
};

// Thread: the executor's. Lifetime: outlives its tasks.
class DeviceServer {
  public:
    explicit DeviceServer(Executor& executor) : executor_(executor) {}
    DeviceServer(const DeviceServer&) = delete;
    DeviceServer& operator=(const DeviceServer&) = delete;
    virtual ~DeviceServer();  // REQUIRES: no task in execution

    [[nodiscard]] std::size_t tasks() const { return tasks_; }
    [[nodiscard]] Counters counters() const;
    [[nodiscard]] Executor& executor() const { return executor_; }

  protected:
    // Takes the task. Exactly one of the calls below must follow, at once or in on_parameters().
    void accept(Task& task);

    void end(Task& task, scsi::Status status = scsi::Status::good);
    void refuse(Task& task, scsi::SenseKey key, scsi::SenseCode code);
    // The first `bytes` of task.parameter are the answer, of which `allocation` are wanted.
    void answer(Task& task, std::size_t bytes, std::size_t allocation);
    // Then on_parameters(), later. REQUIRES: 0 < length <= Task::kParameterBytes, task.data_out_length >=
    // length
    void fetch_parameters(Task& task, std::uint32_t length);
    void transfer(Task& task, block::BlockDevice& device, const MediaPlan& plan);

    // The answers that every LUN gives, existing or not.
    void report_luns(Task& task, const LunInventory& inventory);
    void report_sense(Task& task, const scsi::Sense& sense);

  private:
    friend class Task;
    void leave(const Task& task);
    // `parameters` stay valid until the task ends.
    virtual void on_parameters(Task& task, std::span<const std::byte> parameters) = 0;
    [[nodiscard]] virtual scsi::SenseFormat sense_format() const { return scsi::SenseFormat::fixed; }

    Executor& executor_;
    std::size_t tasks_ = 0;
    Counters counters_;
};

}  // namespace weft::lun
