// SPDX-License-Identifier: Apache-2.0
// Connections of the simulated fabric. What a handle's owner sees is SimConnection; what is on the wire
// outlives it in a Qp (packets in flight land after their sender is gone).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_fabric.h"

namespace weft::sim {

// Each address is on a device of its own.
[[nodiscard]] inline std::string sim_device(const std::string& address) { return "sim-" + address; }

struct DomainState {
    struct Entry {
        std::byte* base;
        std::size_t length;
        rdma::Access access;
    };
    std::map<std::uint32_t, Entry> keys;
    std::string device;
    std::function<void()> lost;  // told once when the device is taken away

    // The entry that covers [address, address + length), or null.
    [[nodiscard]] const Entry* find(std::uint32_t key, std::uint64_t address, std::uint64_t length) const;
};

class SimDomain final : public rdma::Domain {
  public:
    SimDomain(SimFabric& fabric, std::string device);
    ~SimDomain() override;  // REQUIRES: no registration left
    void register_memory(std::byte* base, std::size_t length, rdma::Access access,
                         rdma::RegistrationDone done) override;
    void when_device_lost(std::function<void()> lost) override { state_->lost = std::move(lost); }
    [[nodiscard]] const std::shared_ptr<DomainState>& state() const { return state_; }

  private:
    SimFabric& fabric_;
    std::shared_ptr<DomainState> state_;
};

// A queue pair, on the wire.
class Qp : public std::enable_shared_from_this<Qp> {
  public:
    enum class State : std::uint8_t { idle, ready, connecting, live, error, drained, gone };

    Qp(SimFabric& owner, rdma::ConnectionHandler& events, std::string from, std::string to)
        : fabric(&owner),
          node(&owner.node()),
          network(&owner.network()),
          handler(&events),
          local(std::move(from)),
          remote(std::move(to)) {}

    SimFabric* fabric;
    Node* node;
    Network* network;
    rdma::ConnectionHandler* handler;  // null once the handle is destroyed
    std::string local;
    std::string remote;
    std::uint16_t port = 0;
    State state = State::idle;
    std::shared_ptr<DomainState> domain;
    rdma::Parameters parameters;
    std::weak_ptr<Qp> peer;
    std::uint8_t reads_max = 0;

    void post_send(const rdma::SendWork& work);
    void post_receive(const rdma::ReceiveWork& work);
    void fail(rdma::DisconnectReason reason);  // to error, reported, flushed, drained
    void fail_connect(rdma::ConnectFailure failure, int reason, std::span<const std::byte> data);
    void abandon();  // the handle is gone or the process killed
    void send_disconnect();
    void later(Duration delay, std::function<void(Qp&)> call);  // in a turn of this node
    [[nodiscard]] Duration wire_delay();

  private:
    friend class SimConnection;
    struct Entry {
        rdma::SendWork work;
        std::vector<std::byte> data;  // as read from memory at post
        std::uint64_t sequence = 0;
        bool sent = false;
        Instant sent_at{};
    };
    struct Packet {
        Entry entry;
        Instant at;
    };
    struct Ack {
        std::uint64_t sequence;
        rdma::WorkStatus status;
        std::vector<std::byte> data;
        Instant at;
    };

    void transmit();
    void pump_wire();
    void pump_acks();
    // At the receiver; false: try again later (blocked).
    bool deliver(Qp& receiver, Packet& packet);
    void acknowledged(const Ack& ack);
    void complete(const rdma::SendWork& work, rdma::WorkStatus status);
    void flush();
    void check_local(const rdma::LocalBuffer& buffer) const;
    void check_retry(std::uint64_t sequence);

    std::deque<Entry> send_queue_;
    std::deque<rdma::ReceiveWork> receive_queue_;
    std::deque<Packet> wire_;
    std::deque<Ack> acks_;  // travelling towards this queue pair
    Instant wire_clock_{};
    Instant ack_clock_{};
    std::uint64_t next_sequence_ = 1;
    std::size_t reads_in_flight_ = 0;
    bool transmit_pending_ = false;
    bool flush_pending_ = false;
    bool disconnect_reported_ = false;
    bool connect_failed_ = false;
};

class SimConnection final : public rdma::Connection {
  public:
    explicit SimConnection(std::shared_ptr<Qp> qp);
    ~SimConnection() override;

    Result<void> create_queue_pair(rdma::Domain& domain, const rdma::Parameters& parameters) override;
    Result<void> establish(std::span<const std::byte> private_data) override;
    void post_send(const rdma::SendWork& work) override { qp_->post_send(work); }
    void post_receive(const rdma::ReceiveWork& work) override { qp_->post_receive(work); }
    void disconnect() override;
    [[nodiscard]] rdma::Limits limits() const override { return {256, qp_->reads_max}; }
    [[nodiscard]] std::string peer() const override { return qp_->remote + ":" + std::to_string(qp_->port); }
    [[nodiscard]] std::string local() const override { return qp_->local; }
    [[nodiscard]] std::string device() const override { return sim_device(qp_->local); }

    void resolve(int timeout_ms);
    void kill() { qp_->abandon(); }
    [[nodiscard]] Qp& qp() { return *qp_; }

  private:
    std::shared_ptr<Qp> qp_;
};

class SimListener final : public rdma::Listener {
  public:
    SimListener(SimFabric& fabric, std::vector<std::pair<std::string, std::uint16_t>> names,
                rdma::ListenerHandler& handler);
    ~SimListener() override;
    [[nodiscard]] SimFabric& fabric() { return fabric_; }
    [[nodiscard]] rdma::ListenerHandler& handler() { return handler_; }

  private:
    SimFabric& fabric_;
    std::vector<std::pair<std::string, std::uint16_t>> names_;
    rdma::ListenerHandler& handler_;
};

class SimRequest final : public rdma::ConnectionRequest {
  public:
    SimRequest(SimFabric& fabric, std::shared_ptr<Qp> initiator, std::vector<std::byte> data)
        : fabric_(&fabric), initiator_(std::move(initiator)), data_(std::move(data)) {}
    ~SimRequest() override;
    [[nodiscard]] std::span<const std::byte> private_data() const override { return data_; }
    [[nodiscard]] std::string peer() const override { return initiator_->local + ":0"; }
    [[nodiscard]] std::string local() const override { return initiator_->remote; }
    [[nodiscard]] std::string device() const override { return sim_device(local()); }
    [[nodiscard]] std::uint8_t peer_responder_resources() const override {
        return initiator_->parameters.responder_resources;
    }
    [[nodiscard]] std::uint8_t peer_initiator_depth() const override {
        return initiator_->parameters.initiator_depth;
    }
    Result<std::unique_ptr<rdma::Connection>> create_connection(rdma::Domain& domain,
                                                                const rdma::Parameters& parameters,
                                                                rdma::ConnectionHandler& handler) override;
    Result<void> accept(std::span<const std::byte> private_data) override;
    void reject(std::span<const std::byte> private_data) override;
    void release() override;
    void arrive(SimFabric& fabric);

  private:
    SimFabric* fabric_;  // null between two
    std::shared_ptr<Qp> initiator_;
    std::weak_ptr<Qp> target_;
    std::vector<std::byte> data_;
    bool answered_ = false;
};

}  // namespace weft::sim
