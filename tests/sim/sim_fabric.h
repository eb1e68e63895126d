// SPDX-License-Identifier: Apache-2.0
// The RDMA seam in one process. Fault model:
//  - a message between two nodes takes a random time; order is kept per connection and direction, not between
//    connections;
//  - cut(a, b): what a sends to b waits; healed in time it arrives late (RC retransmission), else the
//  sender's
//    oldest work request fails with retry_exceeded and the peer learns nothing. A one-way cut loses only the
//    acknowledgements: the work was done, yet its sender sees it fail;
//  - a killed process: its peers see a disconnect (the kernel sends it); a powered-off node: silence;
//  - a wrong key or range: the request fails with remote_access, both queue pairs go to error;
//  - source memory of a write is read at any time between post and delivery (a retransmission reads it
//  again);
//  - an empty receive queue stalls the stream for 655 ms (rnr_stalls counts: correct users never cause one).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/rdma/connection.h"
#include "tests/sim/world.h"

namespace weft::sim {

struct DomainState;
class SimConnection;
class SimFabric;
class SimListener;

// The wires of a world. Addresses are names; several may belong to one node (paths).
class Network {
  public:
    explicit Network(World& world) : world_(world) {}

    Duration delay_min{2us};
    Duration delay_max{30us};
    Duration retry_timeout{2s};  // how long unacknowledged work is retried

    [[nodiscard]] World& world() { return world_; }
    // Stops what `from` sends to `to` (both addresses); "*" matches any.
    void cut(const std::string& from, const std::string& to);
    void heal(const std::string& from, const std::string& to);
    void heal_all();
    [[nodiscard]] bool is_cut(const std::string& from, const std::string& to) const;

    std::uint64_t rnr_stalls = 0;

  private:
    friend class SimFabric;
    friend class SimConnection;
    friend class SimDomain;
    friend class SimListener;

    World& world_;
    std::set<std::pair<std::string, std::string>> cuts_;
    std::map<std::pair<std::string, std::uint16_t>, SimListener*> listeners_;
    std::map<std::string, SimFabric*> fabrics_;  // by address
    std::uint32_t next_key_ = 1;
};

// One node's fabric. `addresses`: the node's own, the first is the default source.
class SimFabric final : public rdma::Fabric {
  public:
    SimFabric(Network& network, Node& node, std::vector<std::string> addresses);
    ~SimFabric() override;

    Result<std::unique_ptr<rdma::Listener>> listen(const rdma::Endpoint& endpoint, const std::string& device,
                                                   rdma::ListenerHandler& handler) override;
    std::unique_ptr<rdma::Connection> connect(const rdma::Endpoint& destination, const std::string& source,
                                              int timeout_ms, rdma::ConnectionHandler& handler) override;
    Result<std::unique_ptr<rdma::Domain>> open_domain(const rdma::ConnectionRequest& request) override;
    Result<std::unique_ptr<rdma::Domain>> open_domain(const rdma::Connection& connection) override;
    void take_over(rdma::ConnectionRequest& request) override;

    // The RDMA device of one of our addresses is removed: connections end, domains are told. And it, or a new
    // one, is there again. REQUIRES of its users: domains_on(address) becomes 0 in between.
    void take_device_away(const std::string& address);
    void bring_device_back(const std::string& address);
    [[nodiscard]] std::size_t domains_on(const std::string& address) const;

    // For tests that look at what this node posts, before anything happens to it; null: nobody does.
    std::function<void(const rdma::SendWork& work)> on_post_send;

    [[nodiscard]] Node& node() { return node_; }
    [[nodiscard]] Network& network() { return network_; }
    [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }
    [[nodiscard]] std::size_t connections() const { return connections_.size(); }

  private:
    friend class SimConnection;
    friend class SimDomain;
    friend class SimListener;

    Network& network_;
    Node& node_;
    std::vector<std::string> addresses_;
    std::vector<SimConnection*> connections_;  // in the order they were made
    std::vector<std::shared_ptr<DomainState>> domains_;
};

}  // namespace weft::sim
