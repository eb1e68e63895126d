// SPDX-License-Identifier: Apache-2.0
// SRP_TSK_MGMT (srp.md 2.3). Its answer is an SRP_RSP with a response code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/srp/iu.h"

namespace weft::srp {

enum class TaskFunction : std::uint8_t {
    abort_task = 0x01,
    abort_task_set = 0x02,
    clear_task_set = 0x04,
    lun_reset = 0x08,
    clear_aca = 0x40,
};

struct TaskManagement {
    Tag tag;
    Lun lun{};
    TaskFunction function = TaskFunction::abort_task;  // a peer may send any value
    Tag task;                                          // abort_task: of the command
    friend bool operator==(const TaskManagement&, const TaskManagement&) = default;
};

inline constexpr std::size_t kTaskManagementBytes = sizeof(wire::TaskManagement);

[[nodiscard]] std::array<std::byte, kTaskManagementBytes> encode(const TaskManagement& request);
// None: too short, or another opcode.
[[nodiscard]] std::optional<TaskManagement> decode_task_management(std::span<const std::byte> iu);

}  // namespace weft::srp
