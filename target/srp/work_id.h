// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/rdma/work.h"

namespace weft::target {

enum class WorkKind : std::uint8_t { receive, command_response, function_response, notice, probe, transfer };

// What a channel's work request was, carried in its id.
struct WorkName {
    WorkKind kind = WorkKind::receive;
    std::uint32_t index = 0;    // of the slot; < 2^24
    std::uint16_t token = 0;    // transfer: of the command's
    std::uint16_t retired = 0;  // WRITEs that its completion proves done

    [[nodiscard]] rdma::WorkId id() const {
        return rdma::WorkId{static_cast<std::uint8_t>(kind)} << 56U | rdma::WorkId{index} << 32U |
               rdma::WorkId{token} << 16U | retired;
    }
    [[nodiscard]] static WorkName of(rdma::WorkId id) {
        return {.kind = static_cast<WorkKind>(id >> 56U),
                .index = static_cast<std::uint32_t>(id >> 32U & 0xFFFFFFU),
                .token = static_cast<std::uint16_t>(id >> 16U),
                .retired = static_cast<std::uint16_t>(id)};
    }
};

}  // namespace weft::target
