// SPDX-License-Identifier: Apache-2.0
#include "common/srp/task_management.h"

namespace weft::srp {

std::array<std::byte, kTaskManagementBytes> encode(const TaskManagement& request) {
    wire::TaskManagement out;
    out.opcode = static_cast<std::uint8_t>(Opcode::task_management);
    out.tag = request.tag;
    out.lun = request.lun;
    out.function = static_cast<std::uint8_t>(request.function);
    out.task = request.task;
    return std::bit_cast<std::array<std::byte, kTaskManagementBytes>>(out);
}

std::optional<TaskManagement> decode_task_management(std::span<const std::byte> iu) {
    if (iu.size() < kTaskManagementBytes) return std::nullopt;
    const auto in = wire::load<wire::TaskManagement>(iu);
    if (in.opcode != static_cast<std::uint8_t>(Opcode::task_management)) return std::nullopt;
    return TaskManagement{
        .tag = in.tag, .lun = in.lun, .function = static_cast<TaskFunction>(in.function), .task = in.task};
}

}  // namespace weft::srp
