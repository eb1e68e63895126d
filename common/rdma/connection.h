// SPDX-License-Identifier: Apache-2.0
// The RDMA seam: a reliable connection (one queue pair and the CM identity it was made by), and the
// fabric that makes them. Implemented by common/verbs on rdma-core and by tests/sim in one process.
//
// Thread: all of it belongs to one reactor; every callback runs on it, never inside a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/core/result.h"
#include "common/rdma/domain.h"
#include "common/rdma/work.h"

namespace weft::rdma {

// Private data of the connection messages, as much as RDMA/CM leaves to its user (srp.md 1.1).
inline constexpr std::size_t kRequestDataBytes = 56;
inline constexpr std::size_t kReplyDataBytes = 196;
inline constexpr std::size_t kRejectDataBytes = 148;

struct QueueDepths {
    std::uint32_t send = 0;     // work requests on the send queue at once, unsignalled ones included
    std::uint32_t receive = 0;  // receives posted at once
};

struct Parameters {
    QueueDepths depths;
    std::uint8_t responder_resources = 0;  // RDMA READs we serve for the peer at once
    std::uint8_t initiator_depth = 0;      // RDMA READs we have in flight to the peer at once
    std::uint8_t retry_count = 6;          // 0..6 (7 is "for ever" on soft-RoCE: never used)
    std::uint8_t rnr_retry_count = 7;      // connect only
};

struct Limits {
    std::uint32_t inline_bytes = 0;
    std::uint8_t reads_in_flight_max = 0;  // negotiated RDMA READs at once
};

enum class DisconnectReason : std::uint8_t {
    peer,       // the peer disconnected, or its process went away
    local,      // disconnect() was called
    transport,  // a work request failed; the completion told which and why
    device_removed,
    post_failed,  // the local device refused a post
};
[[nodiscard]] std::string_view to_string(DisconnectReason reason);

enum class ConnectFailure : std::uint8_t {
    rejected,     // private data says more
    unreachable,  // no route, no answer
    no_listener,  // the peer answers, but nobody listens on the port
    local,        // a local resource or device
};
[[nodiscard]] std::string_view to_string(ConnectFailure failure);

class Connection;

// What a channel implements.
class ConnectionHandler {
  public:
    virtual ~ConnectionHandler() = default;
    // Initiator: the address is resolved and the local device known. Answer with
    // Connection::establish() now or later, or destroy the connection.
    virtual void on_resolved() {}
    // Initiator: the peer accepted; `private_data` is its reply (zero-padded). Receives posted before
    // establish() are armed. Target: the initiator's ready-to-use arrived; receives may complete before.
    virtual void on_established(std::span<const std::byte> private_data) = 0;
    // Initiator: the attempt failed; no other callback follows but on_drained if establish() was called.
    virtual void on_connect_failed(ConnectFailure failure, int cm_reason,
                                   std::span<const std::byte> private_data, const std::string& detail) = 0;
    // One signalled send or one receive finished.
    virtual void on_completion(const Completion& completion) = 0;
    // The connection is lost; the queue pair is in error. Exactly once; completions of what was
    // posted follow, then on_drained.
    virtual void on_disconnected(DisconnectReason reason) = 0;
    // Every work request has come back and no peer can touch our memory through this connection any
    // more. Exactly once, last, after on_disconnected (or a failed connect). Only now may buffers be reused
    // and the connection be destroyed without aborting.
    virtual void on_drained() = 0;
};

// Owner: a channel. Destroying it before on_drained is legal only where no posted buffer is reused
// until the queue pair is gone: the destructor destroys the queue pair first and drops callbacks.
class Connection {
  public:
    virtual ~Connection() = default;

    // Initiator, after on_resolved: makes the queue pair in `domain` and sends the request.
    // `private_data` at most kRequestDataBytes. Receives must be posted between create_queue_pair()
    // and establish().
    // REQUIRES: `domain` came from Fabric::open_domain(*this).
    [[nodiscard]] virtual Result<void> create_queue_pair(Domain& domain, const Parameters& parameters) = 0;
    [[nodiscard]] virtual Result<void> establish(std::span<const std::byte> private_data) = 0;

    // Queues work; what one turn of the reactor queues goes to the device in one chained post at
    // the end of the turn. Order is kept. A post the device refuses turns into flush completions and
    // on_disconnected(post_failed). After on_disconnected, posting is legal and yields flushed.
    // REQUIRES: queued and unfinished work fits QueueDepths (checked).
    virtual void post_send(const SendWork& work) = 0;
    virtual void post_receive(const ReceiveWork& work) = 0;

    // Sends a disconnect request and moves the queue pair to error. Idempotent. on_disconnected(local)
    // follows if nothing else was reported yet.
    virtual void disconnect() = 0;

    [[nodiscard]] virtual Limits limits() const = 0;
    [[nodiscard]] virtual std::string peer() const = 0;  // "address:port"
    [[nodiscard]] virtual std::string local() const = 0;
    [[nodiscard]] virtual std::string device()
        const = 0;  // name of the local RDMA device, "" before resolved
};

// A connection request that waits for an answer. Destroying it unanswered rejects it without data.
class ConnectionRequest {
  public:
    virtual ~ConnectionRequest() = default;
    [[nodiscard]] virtual std::span<const std::byte> private_data()
        const = 0;  // kRequestDataBytes, zero-padded
    [[nodiscard]] virtual std::string peer() const = 0;
    [[nodiscard]] virtual std::string local() const = 0;
    [[nodiscard]] virtual std::string device() const = 0;
    // RDMA READs the peer serves (its responder_resources) and wants to do (its initiator_depth).
    [[nodiscard]] virtual std::uint8_t peer_responder_resources() const = 0;
    [[nodiscard]] virtual std::uint8_t peer_initiator_depth() const = 0;

    // Makes the queue pair; post receives on the result, then call accept(). The request is used up by
    // accept() or reject().
    [[nodiscard]] virtual Result<std::unique_ptr<Connection>> create_connection(
        Domain& domain, const Parameters& parameters, ConnectionHandler& handler) = 0;
    [[nodiscard]] virtual Result<void> accept(
        std::span<const std::byte> private_data) = 0;                  // <= kReplyDataBytes
    virtual void reject(std::span<const std::byte> private_data) = 0;  // <= kRejectDataBytes

    // Ends its life on this reactor: the next that touches it is Fabric::take_over() on another.
    // REQUIRES: not answered, no connection was made of it; this reactor runs until it is taken over
    virtual void release() = 0;
};

class ListenerHandler {
  public:
    virtual ~ListenerHandler() = default;
    virtual void on_request(std::unique_ptr<ConnectionRequest> request) = 0;
};

class Listener {  // stops listening when destroyed
  public:
    virtual ~Listener() = default;
};

struct Endpoint {
    std::string address;  // numeric IPv4 or IPv6 address, or a host name; "" or "*": any (listen)
    std::uint16_t port = 0;
};

// Owner: one reactor's assembly. REQUIRES: outlives everything it made.
class Fabric {
  public:
    virtual ~Fabric() = default;
    // `device`: only requests that arrive on this RDMA device ("" for any).
    [[nodiscard]] virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& endpoint,
                                                                   const std::string& device,
                                                                   ListenerHandler& handler) = 0;
    // Starts resolving; on_resolved or on_connect_failed follows. `source` "" lets routing choose.
    // `timeout_ms` bounds each of address and route resolution.
    [[nodiscard]] virtual std::unique_ptr<Connection> connect(const Endpoint& destination,
                                                              const std::string& source, int timeout_ms,
                                                              ConnectionHandler& handler) = 0;
    // A new protection domain on the device that a request arrived on / a connection resolved to.
    [[nodiscard]] virtual Result<std::unique_ptr<Domain>> open_domain(const ConnectionRequest& request) = 0;
    [[nodiscard]] virtual Result<std::unique_ptr<Domain>> open_domain(const Connection& connection) = 0;
    // Makes a request that came to another reactor's fabric of the same kind one of this fabric, to be
    // answered here. Whether the peer still wants it, or it could be taken over at all, accept() says, as
    // ever. REQUIRES: released
    virtual void take_over(ConnectionRequest& request) = 0;
};

}  // namespace weft::rdma
