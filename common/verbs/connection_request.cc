// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/connection_request.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/address.h"
#include "common/verbs/connection.h"

namespace weft::verbs {

// The identity on its way between two reactors. Both may be at it at once: the old one reads its events, the
// new one moves it. What the old one takes here is there when adopt() has returned, and nothing comes after.
struct ConnectionRequest::Transit final : CmEventTarget {
    Transit(CmId moving, CmFabric& from) : home(from), id(std::move(moving)) {}

    bool on_event_in_transit(const CmEvent& event) override {
        if (!seen || event.type == RDMA_CM_EVENT_DEVICE_REMOVAL) seen = event.type;
        return true;
    }
    void on_cm_event(CmEvent&) override { WEFT_UNREACHABLE("an event in transit is taken"); }

    CmFabric& home;
    CmId id;
    std::optional<rdma_cm_event_type> seen;  // the gravest
};

// The event tells responder_resources as what we would have to serve, that is what the peer wants to do, and
// initiator_depth as what the peer serves.
ConnectionRequest::ConnectionRequest(CmFabric& fabric, CmEvent& event)
    : fabric_(&fabric),
      id_(std::move(event.request)),
      peer_(to_string(*rdma_get_peer_addr(id_.get()))),
      local_(to_string(*rdma_get_local_addr(id_.get()))),
      device_(id_->verbs == nullptr ? "" : ibv_get_device_name(id_->verbs->device)),
      peer_serves_(event.initiator_depth),
      peer_wants_(event.responder_resources) {
    EventChannel::set_target(*id_, *this);
    std::ranges::copy(event.private_data(data_.size()), data_.begin());
}

ConnectionRequest::~ConnectionRequest() {
    WEFT_CHECK(transit_ == nullptr);
    if (id_) reject({});
}

void ConnectionRequest::release() {
    WEFT_CHECK(connection_ == nullptr);
    if (!id_) return;  // lost
    transit_ = std::make_shared<Transit>(std::move(id_), *fabric_);
    EventChannel::set_target(*transit_->id, *transit_);
}

void ConnectionRequest::arrive(CmFabric& fabric) {
    fabric_ = &fabric;
    const auto transit = std::exchange(transit_, nullptr);
    if (transit == nullptr) return;
    if (const auto moved = fabric.channel().adopt(*transit->id); !moved) {
        // It can be destroyed by the old reactor only.
        lost_ = moved.error().what;
        transit->home.executor().post([transit] { transit->id.reset(); });
        return;
    }
    id_ = std::move(transit->id);
    EventChannel::set_target(*id_, *this);
    if (transit->seen) on_lost(*transit->seen);
}

Result<std::unique_ptr<rdma::Connection>> ConnectionRequest::create_connection(
    rdma::Domain& domain, const rdma::Parameters& parameters, rdma::ConnectionHandler& handler) {
    WEFT_CHECK(connection_ == nullptr);
    if (!id_) return fail(lost_);
    auto connection = std::make_unique<Connection>(*fabric_, handler);
    if (auto made = connection->adopt(*this, *id_, domain, parameters); !made) return Failure(made.error());
    connection_ = connection.get();
    return std::unique_ptr<rdma::Connection>(std::move(connection));
}

Result<void> ConnectionRequest::accept(std::span<const std::byte> private_data) {
    if (!id_) return fail(lost_);
    if (connection_ == nullptr) return fail("the connection was given up before it was accepted");
    lost_ = "the connection request is answered";
    return std::exchange(connection_, nullptr)->accept(std::move(id_), private_data);
}

void ConnectionRequest::reject(std::span<const std::byte> private_data) {
    WEFT_CHECK(private_data.size() <= rdma::kRejectDataBytes);
    if (connection_ != nullptr) std::exchange(connection_, nullptr)->forget_request();
    if (!id_) return;
    if (rdma_reject(id_.get(), private_data.data(), static_cast<std::uint8_t>(private_data.size())) != 0) {
        log::debug("rejecting {} failed; it will see a timeout", peer_);
    }
    id_.reset();
    lost_ = "the connection request is answered";
}

void ConnectionRequest::on_cm_event(CmEvent& event) { on_lost(event.type); }

void ConnectionRequest::on_lost(rdma_cm_event_type event) {
    switch (event) {
        case RDMA_CM_EVENT_DEVICE_REMOVAL:
            fabric_->on_device_removed(*id_);
            lost_ = "the RDMA device was removed";
            break;
        case RDMA_CM_EVENT_REJECTED:
        case RDMA_CM_EVENT_UNREACHABLE:
        case RDMA_CM_EVENT_CONNECT_ERROR:
        case RDMA_CM_EVENT_DISCONNECTED:
            lost_ = "the peer " + peer_ + " withdrew its connection request";
            break;
        default: return;
    }
    if (connection_ != nullptr) std::exchange(connection_, nullptr)->forget_request();
    id_.reset();
}

}  // namespace weft::verbs
