// SPDX-License-Identifier: Apache-2.0
#include "common/rdma/work.h"

#include "common/core/check.h"

namespace weft::rdma {

std::string_view to_string(WorkStatus status) {
    switch (status) {
        case WorkStatus::ok: return "ok";
        case WorkStatus::flushed: return "flushed";
        case WorkStatus::remote_access: return "remote access error";
        case WorkStatus::remote_invalid: return "remote invalid request";
        case WorkStatus::retry_exceeded: return "transport retries exceeded";
        case WorkStatus::rnr_exceeded: return "receiver-not-ready retries exceeded";
        case WorkStatus::local_error: return "local error";
        case WorkStatus::other: return "transport error";
    }
    WEFT_UNREACHABLE("WorkStatus");
}

}  // namespace weft::rdma
