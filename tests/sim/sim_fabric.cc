// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_fabric.h"

#include <algorithm>

#include "tests/sim/sim_connection.h"

namespace weft::sim {

namespace {
constexpr Duration kConnectTimeout = 5s;

std::vector<std::byte> padded(std::span<const std::byte> data, std::size_t size) {
    WEFT_CHECK(data.size() <= size);
    std::vector<std::byte> bytes(data.begin(), data.end());
    bytes.resize(size);
    return bytes;
}
}  // namespace

void Network::cut(const std::string& from, const std::string& to) {
    world_.trace("cut " + from + " -> " + to);
    cuts_.emplace(from, to);
}

void Network::heal(const std::string& from, const std::string& to) {
    world_.trace("heal " + from + " -> " + to);
    cuts_.erase({from, to});
}

void Network::heal_all() { cuts_.clear(); }

bool Network::is_cut(const std::string& from, const std::string& to) const {
    return cuts_.contains({from, to}) || cuts_.contains({"*", to}) || cuts_.contains({from, "*"});
}

class SimRegistration final : public rdma::Registration {
  public:
    SimRegistration(std::shared_ptr<DomainState> state, std::uint32_t key)
        : state_(std::move(state)), key_(key) {}
    ~SimRegistration() override { state_->keys.erase(key_); }
    [[nodiscard]] rdma::Keys keys() const override { return {key_, key_}; }

  private:
    std::shared_ptr<DomainState> state_;
    std::uint32_t key_;
};

SimDomain::SimDomain(SimFabric& fabric, std::string device)
    : fabric_(fabric), state_(std::make_shared<DomainState>()) {
    state_->device = std::move(device);
    fabric_.domains_.push_back(state_);
}

SimDomain::~SimDomain() {
    WEFT_CHECK(state_->keys.empty());
    std::erase(fabric_.domains_, state_);
}

void SimDomain::register_memory(std::byte* base, std::size_t length, rdma::Access access,
                                rdma::RegistrationDone done) {
    WEFT_CHECK(base != nullptr && length > 0);
    World& world = fabric_.node().world();
    const std::uint32_t key = fabric_.network().next_key_++;
    world.after(world.random().between(1us, 2000us), &fabric_.node(),
                [weak = std::weak_ptr(state_), base, length, access, key, done = std::move(done)] {
                    const auto state = weak.lock();
                    if (state == nullptr) return;
                    state->keys.emplace(key, DomainState::Entry{base, length, access});
                    done(std::make_unique<SimRegistration>(state, key));
                });
}

SimFabric::SimFabric(Network& network, Node& node, std::vector<std::string> addresses)
    : network_(network), node_(node), addresses_(std::move(addresses)) {
    WEFT_CHECK(!addresses_.empty());
    for (const auto& address : addresses_) network_.fabrics_[address] = this;
    node_.on_death([this] {
        for (SimConnection* connection : connections_) connection->kill();
        std::erase_if(network_.listeners_,
                      [this](const auto& entry) { return &entry.second->fabric() == this; });
        std::erase_if(network_.fabrics_, [this](const auto& entry) { return entry.second == this; });
    });
}

SimFabric::~SimFabric() {
    WEFT_CHECK(connections_.empty() || !node_.alive());
    std::erase_if(network_.fabrics_, [this](const auto& entry) { return entry.second == this; });
}

Result<std::unique_ptr<rdma::Listener>> SimFabric::listen(const rdma::Endpoint& endpoint,
                                                          const std::string& device,
                                                          rdma::ListenerHandler& handler) {
    (void)device;
    const bool any = endpoint.address.empty() || endpoint.address == "*";
    std::vector<std::pair<std::string, std::uint16_t>> names;
    for (const auto& address : addresses_) {
        if (any || address == endpoint.address) names.emplace_back(address, endpoint.port);
    }
    if (names.empty()) return fail("no such address: " + endpoint.address);
    for (const auto& name : names) {
        if (network_.listeners_.contains(name)) return fail("port in use");
    }
    return std::make_unique<SimListener>(*this, std::move(names), handler);
}

SimListener::SimListener(SimFabric& fabric, std::vector<std::pair<std::string, std::uint16_t>> names,
                         rdma::ListenerHandler& handler)
    : fabric_(fabric), names_(std::move(names)), handler_(handler) {
    for (const auto& name : names_) fabric_.network().listeners_[name] = this;
}

SimListener::~SimListener() {
    for (const auto& name : names_) fabric_.network().listeners_.erase(name);
}

std::unique_ptr<rdma::Connection> SimFabric::connect(const rdma::Endpoint& destination,
                                                     const std::string& source, int timeout_ms,
                                                     rdma::ConnectionHandler& handler) {
    auto qp = std::make_shared<Qp>(*this, handler, source.empty() ? addresses_.front() : source,
                                   destination.address);
    qp->port = destination.port;
    auto connection = std::make_unique<SimConnection>(std::move(qp));
    connection->resolve(timeout_ms);
    return connection;
}

Result<std::unique_ptr<rdma::Domain>> SimFabric::open_domain(const rdma::ConnectionRequest& request) {
    return std::make_unique<SimDomain>(*this, request.device());
}
Result<std::unique_ptr<rdma::Domain>> SimFabric::open_domain(const rdma::Connection& connection) {
    return std::make_unique<SimDomain>(*this, connection.device());
}

void SimFabric::take_device_away(const std::string& address) {
    network_.cut(address, "*");
    network_.cut("*", address);
    for (SimConnection* connection : connections_) {
        if (connection->local() == address) connection->qp().fail(rdma::DisconnectReason::device_removed);
    }
    for (const auto& domain : domains_) {
        if (domain->device != sim_device(address)) continue;
        network_.world().after(Duration{0}, &node_, [weak = std::weak_ptr(domain)] {
            const auto state = weak.lock();
            if (state == nullptr) return;
            if (auto lost = std::exchange(state->lost, nullptr)) lost();
        });
    }
}

void SimFabric::bring_device_back(const std::string& address) {
    network_.heal(address, "*");
    network_.heal("*", address);
}

std::size_t SimFabric::domains_on(const std::string& address) const {
    return static_cast<std::size_t>(std::count_if(
        domains_.begin(), domains_.end(),
        [device = sim_device(address)](const auto& domain) { return domain->device == device; }));
}

SimConnection::SimConnection(std::shared_ptr<Qp> qp) : qp_(std::move(qp)) {
    qp_->fabric->connections_.push_back(this);
}

SimConnection::~SimConnection() {
    std::erase(qp_->fabric->connections_, this);
    qp_->abandon();
}

void SimConnection::resolve(int timeout_ms) {
    const bool known =
        qp_->network->fabrics_.contains(qp_->remote) && !qp_->network->is_cut(qp_->local, qp_->remote);
    if (known) {
        qp_->later(qp_->wire_delay(), [](Qp& qp) {
            if (qp.handler != nullptr) qp.handler->on_resolved();
        });
        return;
    }
    qp_->later(std::chrono::milliseconds(timeout_ms), [](Qp& qp) {
        if (qp.handler == nullptr) return;
        qp.handler->on_connect_failed(rdma::ConnectFailure::unreachable, 0, {},
                                      "no answer to address resolution");
    });
}

Result<void> SimConnection::create_queue_pair(rdma::Domain& domain, const rdma::Parameters& parameters) {
    WEFT_CHECK(qp_->state == Qp::State::idle);
    WEFT_CHECK(parameters.retry_count <= 6);
    qp_->domain = static_cast<SimDomain&>(domain).state();
    qp_->parameters = parameters;
    qp_->state = Qp::State::ready;
    return {};
}

Result<void> SimConnection::establish(std::span<const std::byte> private_data) {
    WEFT_CHECK(qp_->state == Qp::State::ready);
    qp_->state = Qp::State::connecting;
    Network* network = qp_->network;
    network->world().after(
        qp_->wire_delay(), nullptr,
        [qp = qp_, network, data = padded(private_data, rdma::kRequestDataBytes)] {
            const auto listener = network->listeners_.find({qp->remote, qp->port});
            const bool silent = network->is_cut(qp->local, qp->remote) ||
                                network->is_cut(qp->remote, qp->local) ||
                                !network->fabrics_.contains(qp->remote);
            if (silent || listener == network->listeners_.end()) {
                const auto failure =
                    silent ? rdma::ConnectFailure::unreachable : rdma::ConnectFailure::no_listener;
                qp->later(silent ? kConnectTimeout : qp->wire_delay(), [failure](Qp& self) {
                    self.fail_connect(failure, failure == rdma::ConnectFailure::no_listener ? 8 : 0, {});
                });
                return;
            }
            SimListener* at = listener->second;
            network->world().after(Duration{0}, &at->fabric().node(), [network, at, qp, data] {
                const auto still = network->listeners_.find({qp->remote, qp->port});
                if (still == network->listeners_.end() || still->second != at) return;
                at->handler().on_request(std::make_unique<SimRequest>(at->fabric(), qp, data));
            });
        });
    return {};
}

void SimConnection::disconnect() {
    const bool connected = qp_->state == Qp::State::live;
    qp_->fail(rdma::DisconnectReason::local);
    if (connected) qp_->send_disconnect();
}

SimRequest::~SimRequest() {
    if (!answered_ && fabric_ != nullptr && fabric_->node().alive()) reject({});
}

Result<std::unique_ptr<rdma::Connection>> SimRequest::create_connection(rdma::Domain& domain,
                                                                        const rdma::Parameters& parameters,
                                                                        rdma::ConnectionHandler& handler) {
    WEFT_CHECK(!answered_ && fabric_ != nullptr);
    auto qp = std::make_shared<Qp>(*fabric_, handler, initiator_->remote, initiator_->local);
    qp->domain = static_cast<SimDomain&>(domain).state();
    qp->parameters = parameters;
    qp->state = Qp::State::ready;
    qp->peer = initiator_;
    qp->reads_max = std::min(parameters.initiator_depth, initiator_->parameters.responder_resources);
    target_ = qp;
    return std::make_unique<SimConnection>(std::move(qp));
}

Result<void> SimRequest::accept(std::span<const std::byte> private_data) {
    const auto target = target_.lock();
    WEFT_CHECK(!answered_ && target != nullptr);
    answered_ = true;
    target->state = Qp::State::live;  // ready to send before the reply leaves
    initiator_->network->world().after(
        target->wire_delay(), initiator_->node,
        [initiator = initiator_, target, data = padded(private_data, rdma::kReplyDataBytes)] {
            if (initiator->handler == nullptr || initiator->state != Qp::State::connecting ||
                target->state != Qp::State::live) {
                target->later(Duration{0}, [](Qp& qp) { qp.fail(rdma::DisconnectReason::peer); });
                return;
            }
            initiator->peer = target;
            initiator->reads_max =
                std::min(initiator->parameters.initiator_depth, target->parameters.responder_resources);
            initiator->state = Qp::State::live;
            target->later(initiator->wire_delay(), [](Qp& qp) {
                if (qp.handler != nullptr && qp.state == Qp::State::live) qp.handler->on_established({});
            });
            initiator->handler->on_established(data);
        });
    // A killed initiator never answers the reply.
    target->later(kConnectTimeout, [initiator = std::weak_ptr(initiator_)](Qp& qp) {
        const auto other = initiator.lock();
        if (other == nullptr || (other->state == Qp::State::gone)) qp.fail(rdma::DisconnectReason::peer);
    });
    return {};
}

void SimRequest::release() {
    WEFT_CHECK(!answered_ && target_.expired() && fabric_ != nullptr);
    fabric_ = nullptr;
}

void SimRequest::arrive(SimFabric& fabric) {
    WEFT_CHECK(fabric_ == nullptr);
    fabric_ = &fabric;
}

void SimFabric::take_over(rdma::ConnectionRequest& request) {
    static_cast<SimRequest&>(request).arrive(*this);
}

void SimRequest::reject(std::span<const std::byte> private_data) {
    WEFT_CHECK(!answered_ && fabric_ != nullptr);
    answered_ = true;
    initiator_->later(initiator_->wire_delay(),
                      [data = padded(private_data, rdma::kRejectDataBytes)](Qp& qp) {
                          qp.fail_connect(rdma::ConnectFailure::rejected, 28, data);
                      });
}

}  // namespace weft::sim
