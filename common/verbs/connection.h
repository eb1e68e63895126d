// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/core/executor.h"
#include "common/verbs/address.h"
#include "common/verbs/cm_fabric.h"
#include "common/verbs/event_channel.h"
#include "common/verbs/handle.h"
#include "common/verbs/queue_pair.h"

namespace weft::verbs {

class ConnectionRequest;

enum class ConnectionState : std::uint8_t {
    resolving,    // initiator: address, then route
    resolved,     // initiator: the device is known, the queue pair may be made
    connecting,   // initiator: the request is sent
    preparing,    // target: the queue pair is made, the request not answered
    accepted,     // target: the reply is sent, the queue pair ready; traffic may come already
    established,  //
    lost,         // on_disconnected is reported or about to be; work is coming back
    drained,      //
    failed,       // initiator: on_connect_failed is reported or about to be
};
[[nodiscard]] constexpr bool may_follow(ConnectionState from, ConnectionState to) {
    using enum ConnectionState;
    switch (from) {
        case resolving: return to == resolved || to == failed || to == lost;
        case resolved: return to == connecting || to == failed || to == lost;
        case connecting: return to == established || to == failed || to == lost;
        case preparing: return to == accepted || to == lost;
        case accepted: return to == established || to == lost;
        case established: return to == lost;
        case lost: return to == drained;
        case failed: return to == drained;
        case drained: return false;
    }
    return false;
}

// Thread: its fabric's. Callbacks come from the fabric's poll() or event channel, or a timer.
class Connection final : public rdma::Connection, private QueuePairOwner, private CmEventTarget {
  public:
    Connection(CmFabric& fabric, rdma::ConnectionHandler& handler);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() override;

    // Initiator: begins to resolve. A failure is reported later.
    void start(const rdma::Endpoint& destination, const std::string& source, int timeout_ms);
    // Target: makes the queue pair; the request keeps the identity until accept() or forget_request().
    [[nodiscard]] Result<void> adopt(ConnectionRequest& request, rdma_cm_id& id, rdma::Domain& domain,
                                     const rdma::Parameters& parameters);
    [[nodiscard]] Result<void> accept(CmId id, std::span<const std::byte> private_data);
    void forget_request() { request_ = nullptr; }

    [[nodiscard]] Result<void> create_queue_pair(rdma::Domain& domain,
                                                 const rdma::Parameters& parameters) override;
    [[nodiscard]] Result<void> establish(std::span<const std::byte> private_data) override;
    void post_send(const rdma::SendWork& work) override;
    void post_receive(const rdma::ReceiveWork& work) override;
    void disconnect() override;
    [[nodiscard]] rdma::Limits limits() const override;
    [[nodiscard]] std::string peer() const override { return peer_; }
    [[nodiscard]] std::string local() const override { return local_; }
    [[nodiscard]] std::string device() const override { return device_; }

    [[nodiscard]] const rdma_cm_id* id() const;

    // From the fabric.
    void report();  // tells the handler what is due; may destroy the connection
    void flush();   // hands queued work to the device

  private:
    struct Lookup;
    struct Failed {
        rdma::ConnectFailure failure;
        int cm_reason;
        std::vector<std::byte> private_data;
        std::string detail;
    };

    void enter(ConnectionState next);
    void resolve(SocketAddress destination);
    [[nodiscard]] Result<void> make_queue_pair(rdma_cm_id& id, rdma::Domain& domain,
                                               const rdma::Parameters& parameters);
    [[nodiscard]] rdma_conn_param connection_parameters(std::span<const std::byte> private_data) const;
    void fail_connect(rdma::ConnectFailure failure, int cm_reason, std::span<const std::byte> private_data,
                      std::string detail);
    void begin_loss(rdma::DisconnectReason reason);
    void end_loss();
    void on_limit();
    void on_drain_limit();
    void queued();

    void on_cm_event(CmEvent& event) override;
    void on_address_resolved();
    void on_route_resolved();
    void on_response(const CmEvent& event);
    void on_rejected(const CmEvent& event);
    void on_peer_lost(const CmEvent& event);

    [[nodiscard]] bool on_finished(const rdma::Completion& completion) override;
    void on_queue_pair_error(const std::string& why) override;
    void on_device_removed() override;
    void on_progress() override;

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 13
#pragma GCC diagnostic push
// The pointer is left behind only in a connection that is no more.
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif
    // Calls the handler; false if the handler destroyed this connection.
    template <class Call>
    [[nodiscard]] bool tell(Call call) {
        WEFT_CHECK(gone_ == nullptr);
        bool gone = false;
        gone_ = &gone;
        call();
        if (gone) return false;
        gone_ = nullptr;
        return true;
    }
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 13
#pragma GCC diagnostic pop
#endif
    [[nodiscard]] bool tell_loss();
    [[nodiscard]] bool tell_failure();

    CmFabric& fabric_;
    rdma::ConnectionHandler& handler_;
    ConnectionState state_ = ConnectionState::resolving;
    ConnectionRequest* request_ = nullptr;
    CmId id_;  // outlives the queue pair
    std::unique_ptr<QueuePair> queue_pair_;
    std::shared_ptr<Lookup> lookup_;
    std::optional<SocketAddress> source_;
    int timeout_ms_ = 0;
    rdma::Parameters parameters_;
    std::string peer_;
    std::string local_;
    std::string device_;
    std::optional<Failed> failed_;  // until told
    rdma::DisconnectReason loss_ = rdma::DisconnectReason::local;
    bool loss_told_ = false;
    bool heard_ = false;  // a receive has completed
    bool establish_called_ = false;
    bool never_connected_ = false;  // and on_connect_failed said so
    bool* gone_ = nullptr;          // set by the destructor while the handler is called
    ConnectionLink report_link_{*this};
    ConnectionLink flush_link_{*this};
    TimerCall<Connection, &Connection::on_limit> timer_{*this};  // of accepted and lost
};

}  // namespace weft::verbs
