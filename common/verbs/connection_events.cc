// SPDX-License-Identifier: Apache-2.0
// What the CM says to a connection: one event, one function.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/connection.h"

namespace weft::verbs {

namespace {

// IBTA vol. 1, 12.6.7.2 "rejection reason".
constexpr int kRejectInvalidServiceId = 8;
constexpr int kRejectConsumer = 28;

// Status of an event that carries a negative errno.
std::string explain(const char* what, int status) {
    return status < 0 ? fmt::format("{}: {}", what, std::strerror(-status)) : std::string(what);
}

rdma::ConnectFailure resolve_failure(int code) {
    return code == ENODEV ? rdma::ConnectFailure::local : rdma::ConnectFailure::unreachable;
}

}  // namespace

void Connection::resolve(SocketAddress destination) {
    peer_ = to_string(*destination.get());
    sockaddr* source = source_ ? source_->get() : nullptr;
    if (rdma_resolve_addr(id_.get(), source, destination.get(), timeout_ms_) == 0) return;
    const int code = errno;
    const char* what = code == ENODEV ? "no RDMA device has a route to it" : "its address does not resolve";
    fail_connect(resolve_failure(code), 0, {}, explain(what, -code));
}

void Connection::on_cm_event(CmEvent& event) {
    using enum ConnectionState;
    switch (event.type) {
        case RDMA_CM_EVENT_ADDR_RESOLVED: return on_address_resolved();
        case RDMA_CM_EVENT_ROUTE_RESOLVED: return on_route_resolved();
        case RDMA_CM_EVENT_ADDR_ERROR:
            return fail_connect(resolve_failure(-event.status), 0, {},
                                explain("its address does not resolve to an RDMA device", event.status));
        case RDMA_CM_EVENT_ROUTE_ERROR:
            return fail_connect(rdma::ConnectFailure::unreachable, 0, {},
                                explain("no RDMA route to it", event.status));
        case RDMA_CM_EVENT_CONNECT_RESPONSE: return on_response(event);
        case RDMA_CM_EVENT_ESTABLISHED:
            if (state_ != accepted) return;
            fabric_.executor().cancel(timer_);
            enter(established);
            return static_cast<void>(tell([this] { handler_.on_established({}); }));
        case RDMA_CM_EVENT_REJECTED: return on_rejected(event);
        case RDMA_CM_EVENT_UNREACHABLE:
        case RDMA_CM_EVENT_CONNECT_ERROR:
        case RDMA_CM_EVENT_DISCONNECTED: return on_peer_lost(event);
        case RDMA_CM_EVENT_DEVICE_REMOVAL: {
            fabric_.on_device_removed(*id_);  // which may end this connection
            if (state_ == resolving) {
                return fail_connect(rdma::ConnectFailure::local, 0, {}, "the RDMA device was removed");
            }
            return on_device_removed();
        }
        case RDMA_CM_EVENT_ADDR_CHANGE:
            log::warn("connection to {} over {}: the network device below has changed", peer_, device_);
            return;
        case RDMA_CM_EVENT_TIMEWAIT_EXIT:
        default: return;
    }
}

void Connection::on_address_resolved() {
    if (state_ != ConnectionState::resolving) return;
    if (rdma_resolve_route(id_.get(), timeout_ms_) == 0) return;
    fail_connect(rdma::ConnectFailure::unreachable, 0, {}, explain("no RDMA route to it", -errno));
}

void Connection::on_route_resolved() {
    if (state_ != ConnectionState::resolving) return;
    local_ = to_string(*rdma_get_local_addr(id_.get()));
    device_ = ibv_get_device_name(id_->verbs->device);
    enter(ConnectionState::resolved);
    static_cast<void>(tell([this] { handler_.on_resolved(); }));
}

void Connection::on_response(const CmEvent& event) {
    if (state_ != ConnectionState::connecting) return;
    if (auto ready = queue_pair_->make_ready(*id_); !ready) {
        return fail_connect(rdma::ConnectFailure::local, 0, {}, ready.error().what);
    }
    if (rdma_establish(id_.get()) != 0) {
        return fail_connect(rdma::ConnectFailure::local, 0, {}, explain("cannot answer its reply", -errno));
    }
    ++fabric_.counted().connections;
    enter(ConnectionState::established);
    if (queue_pair_->queues().has_queued()) queued();
    static_cast<void>(tell([&] { handler_.on_established(event.private_data(rdma::kReplyDataBytes)); }));
}

void Connection::on_rejected(const CmEvent& event) {
    if (state_ != ConnectionState::connecting) return on_peer_lost(event);
    switch (event.status) {
        case kRejectConsumer:
            return fail_connect(rdma::ConnectFailure::rejected, event.status,
                                event.private_data(rdma::kRejectDataBytes), "rejected by the peer");
        case kRejectInvalidServiceId:
            return fail_connect(rdma::ConnectFailure::no_listener, event.status, {}, "nobody listens there");
        default:
            return fail_connect(rdma::ConnectFailure::unreachable, event.status, {},
                                fmt::format("turned away by its CM, reason {}", event.status));
    }
}

void Connection::on_peer_lost(const CmEvent& event) {
    switch (state_) {
        case ConnectionState::connecting:
            return fail_connect(rdma::ConnectFailure::unreachable, 0, {}, explain("no answer", event.status));
        case ConnectionState::accepted:
        case ConnectionState::established:
            // A reply that nobody took up is no different from a peer that left at once.
            return begin_loss(rdma::DisconnectReason::peer);
        default: return;
    }
}

}  // namespace weft::verbs
