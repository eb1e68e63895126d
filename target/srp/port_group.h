// SPDX-License-Identifier: Apache-2.0
// One SRP target port on several reactors: a Port is its part on one of them. An I_T nexus belongs to one
// part, always the same, so that all its channels meet on one thread. What concerns more than one part goes
// between them as messages; only logins and functions about a whole unit do.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/rdma/connection.h"
#include "common/srp/iu.h"

namespace weft::target {

class Port;

// Owner: the target's assembly. Thread: on_request() on the reactor of the first part, where the listeners
// are; the rest as it says. Lifetime: outlives its parts. Parts are told to stop when no listener calls any
// more, and destroyed when all of them have stopped: until then a message may be under way to each.
class PortGroup final : public rdma::ListenerHandler {
  public:
    PortGroup() = default;
    PortGroup(const PortGroup&) = delete;
    PortGroup& operator=(const PortGroup&) = delete;

    // By the part's constructor. REQUIRES: one after the other, before the first request
    void join(Port& part) { parts_.push_back(&part); }

    // A connection request, from any of the listeners: hands it to the part it belongs to.
    void on_request(std::unique_ptr<rdma::ConnectionRequest> request) override;

    // The part, of `count`, to which the nexuses of an initiator port belong. Any thread.
    [[nodiscard]] static std::size_t home_of(const srp::PortId& initiator, std::size_t count);

    // Runs `call` on the reactor of each part but `self`; returns to how many it will be made. On any part's
    // reactor, from the first request on.
    std::size_t tell_others(const Port& self, const std::function<void(Port&)>& call);

    // Places for nexuses, of all parts together. Any thread.
    [[nodiscard]] bool take_place(std::uint32_t nexuses_max);
    void give_place() { nexuses_.fetch_sub(1, std::memory_order_relaxed); }

  private:
    std::vector<Port*> parts_;  // constant from the first request on
    std::atomic<std::uint32_t> nexuses_{0};
};

}  // namespace weft::target
