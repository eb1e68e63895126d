// SPDX-License-Identifier: Apache-2.0
#include "common/rdma/connection.h"

#include "common/core/check.h"

namespace weft::rdma {

std::string_view to_string(DisconnectReason reason) {
    switch (reason) {
        case DisconnectReason::peer: return "the peer disconnected";
        case DisconnectReason::local: return "closed by us";
        case DisconnectReason::transport: return "transport error";
        case DisconnectReason::device_removed: return "the RDMA device was removed";
        case DisconnectReason::post_failed: return "the RDMA device refused a work request";
    }
    WEFT_UNREACHABLE("DisconnectReason");
}

std::string_view to_string(ConnectFailure failure) {
    switch (failure) {
        case ConnectFailure::rejected: return "rejected";
        case ConnectFailure::unreachable: return "unreachable";
        case ConnectFailure::no_listener: return "nobody listens there";
        case ConnectFailure::local: return "local failure";
    }
    WEFT_UNREACHABLE("ConnectFailure");
}

}  // namespace weft::rdma
