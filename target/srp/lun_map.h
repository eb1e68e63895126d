// SPDX-License-Identifier: Apache-2.0
// The logical units that one I_T nexus sees, with its rights and pending unit attentions.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/lun/absent_unit.h"
#include "common/lun/logical_unit.h"
#include "common/srp/iu.h"
#include "target/srp/exports.h"

namespace weft::target {

// Owner: the nexus. Thread: the reactor's. Fixed for the life of the nexus.
class LunMap final : public lun::LunInventory {
  public:
    LunMap(Executor& executor, std::vector<Export> exports);
    LunMap(const LunMap&) = delete;
    LunMap& operator=(const LunMap&) = delete;

    struct Entry {
        std::uint32_t number = 0;
        lun::LogicalUnit* unit = nullptr;
        lun::NexusUnit rights;
    };

    // Runs the task on the unit that `lun` names, or on none.
    void execute(lun::Task& task, const srp::Lun& lun);
    [[nodiscard]] Entry* find(std::uint32_t number);
    // The number a LUN names, whether or not there is a unit.
    [[nodiscard]] static std::optional<std::uint32_t> number_of(const srp::Lun& lun);
    [[nodiscard]] std::span<const std::unique_ptr<Entry>> entries() const { return entries_; }
    // Largest scratch a piece of a command needs.
    [[nodiscard]] std::size_t scratch_bytes() const;

    [[nodiscard]] std::span<const scsi::Lun> luns() const override { return luns_; }

  private:
    std::vector<std::unique_ptr<Entry>> entries_;  // ascending; of stable address: tasks refer to the rights
    std::vector<scsi::Lun> luns_;
    lun::AbsentUnit absent_;
};

}  // namespace weft::target
