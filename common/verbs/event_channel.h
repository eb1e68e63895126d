// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rdma/rdma_cma.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "common/core/result.h"
#include "common/reactor/reactor.h"
#include "common/verbs/handle.h"

namespace weft::verbs {

// One RDMA/CM event, copied so that it could be acknowledged before it is acted on: whoever it is for may be
// destroyed by what follows.
struct CmEvent {
    rdma_cm_event_type type{};
    int status = 0;
    CmId request;  // connect request only: the new identity
    std::uint8_t responder_resources = 0;
    std::uint8_t initiator_depth = 0;
    std::array<std::byte, 256> bytes{};  // private data, zero-padded

    // At most as much as the message can carry; the CM does not say how much was sent.
    [[nodiscard]] std::span<const std::byte> private_data(std::size_t length) const {
        return std::span(bytes).first(length);
    }
};

// Whoever an identity's `context` points to.
class CmEventTarget {
  public:
    virtual ~CmEventTarget() = default;
    virtual void on_cm_event(CmEvent& event) = 0;
    // Asked before the event is acknowledged: whether it was taken, because the identity is on its way to
    // another channel. Once it is acknowledged the identity is the other reactor's: rdma_migrate_id waits for
    // that.
    virtual bool on_event_in_transit(const CmEvent&) { return false; }
};

// The RDMA/CM events of one reactor.
// Owner: the fabric. Thread: its reactor's. REQUIRES: outlives the identities made on it.
class EventChannel final : private reactor::Sleeper::Watch {
  public:
    [[nodiscard]] static Result<std::unique_ptr<EventChannel>> create(reactor::Sleeper& sleeper);
    EventChannel(const EventChannel&) = delete;
    EventChannel& operator=(const EventChannel&) = delete;
    ~EventChannel() override;

    [[nodiscard]] Result<CmId> create_id(CmEventTarget& target);
    static void set_target(rdma_cm_id& id, CmEventTarget& target) { id.context = &target; }
    // Moves an identity from another channel to this one, with the events that wait for it; waits until those
    // that were already read there are acknowledged. REQUIRES: read() soon: nothing wakes the sleeper for
    // them
    [[nodiscard]] Result<void> adopt(rdma_cm_id& id);
    void read();  // the events that are there

  private:
    static constexpr int kEventsPerWake = 64;

    EventChannel(EventChannelHandle channel, reactor::Sleeper& sleeper);
    void on_readable() override { read(); }

    reactor::Sleeper& sleeper_;
    EventChannelHandle channel_;
};

}  // namespace weft::verbs
