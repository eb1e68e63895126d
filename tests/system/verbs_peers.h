// SPDX-License-Identifier: Apache-2.0
// The two ends of verbs_smoke: a server that echoes and lends memory, a client that a test drives.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/core/slab.h"
#include "common/reactor/reactor.h"
#include "common/uring/ring.h"
#include "common/verbs/fabric.h"

namespace weft::test {

inline constexpr std::size_t kMessageBytes = 4096;
inline constexpr std::uint32_t kReceives = 16;
inline constexpr std::size_t kLentBytes = std::size_t{1} << 20U;

// First byte of the request's private data: what the server shall do. The rest is a pattern.
enum class Wish : std::uint8_t { accept = 1, reject = 2, ignore = 3 };

struct Lent {  // in the reply, after the echo of the request
    std::uint64_t address = 0;
    std::uint32_t rkey = 0;
    std::uint32_t read_only_rkey = 0;
};

[[nodiscard]] std::byte pattern(std::size_t seed, std::size_t i);
void fill(std::span<std::byte> bytes, std::size_t seed);
[[nodiscard]] bool matches(std::span<const std::byte> bytes, std::size_t seed);

// A reactor on its own thread with its ring and its fabric. The thread has credentials of its own, as a
// daemon's may have: only it can use what it has opened of the kernel's RDMA.
class Node {
  public:
    Node(const std::string& name, Duration poll, const verbs::Options& options = {});
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node();

    [[nodiscard]] reactor::Reactor& reactor() { return *reactor_; }
    [[nodiscard]] verbs::Fabric& fabric() { return *fabric_; }
    void run(const std::function<void()>& call) { reactor_->run_and_wait(call); }
    void start();

  private:
    void main(std::promise<void>& ready);

    const verbs::Options options_;
    std::unique_ptr<uring::Ring> ring_;
    std::unique_ptr<reactor::Reactor> reactor_;
    std::unique_ptr<verbs::Fabric> fabric_;
    std::thread thread_;
};

// Echoes messages and lends kLentBytes to every client, each in a domain of its own.
class Server final : private rdma::ListenerHandler {
  public:
    explicit Server(Node& node);
    // Requests come to `door` and are handed over to `node`; every other one is `transit` under way.
    Server(Node& node, Node& door, Duration transit);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() override;

    [[nodiscard]] Result<void> listen(const rdma::Endpoint& endpoint, const std::string& device = "");
    [[nodiscard]] std::size_t channels() const { return channels_.size(); }  // on the node's reactor
    [[nodiscard]] int requests() const { return requests_; }                 // any thread

  private:
    class Channel;
    void on_request(std::unique_ptr<rdma::ConnectionRequest> request) override;
    void serve(std::unique_ptr<rdma::ConnectionRequest> request);
    void remove(Channel& channel);

    Node& node_;
    Node& door_;
    const Duration transit_;
    std::atomic<int> requests_{0};
    std::unique_ptr<rdma::Listener> listener_;
    std::vector<std::unique_ptr<Channel>> channels_;
    std::vector<std::unique_ptr<rdma::ConnectionRequest>> ignored_;
};

// One connection to a Server. Methods are for the test's thread; they wait, and give up after a time.
class Client final : private rdma::ConnectionHandler {
  public:
    struct Seen {  // under the mutex
        bool resolved = false;
        bool established = false;
        std::optional<rdma::ConnectFailure> failure;
        int cm_reason = 0;
        std::string detail;
        std::vector<std::byte> private_data;
        std::vector<rdma::Completion> completions;
        int disconnected = 0;
        rdma::DisconnectReason reason = rdma::DisconnectReason::local;
        int drained = 0;
        bool late = false;  // something came after on_drained, or flushes before on_disconnected
        std::size_t completions_at_disconnect = 0;
    };

    explicit Client(Node& node);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() override;

    // Resolves, makes the queue pair, posts the receives, sends the request.
    void connect(const rdma::Endpoint& to, const std::string& source, Wish wish);
    void send(rdma::WorkId id, std::size_t length, std::size_t seed, bool in_line = false);
    void post(const rdma::SendWork& work);
    void post_chain(std::span<const rdma::SendWork> work);
    void post_receive(rdma::WorkId id);
    void with_connection(const std::function<void(rdma::Connection&)>& call);  // in one turn
    void disconnect();
    void destroy();  // without waiting for anything

    // Waits until `condition` holds; the test fails if that takes longer than the limit.
    void wait(const char* what, const std::function<bool(const Seen&)>& condition, Duration limit = 20s);
    [[nodiscard]] Seen seen();
    [[nodiscard]] std::size_t count(rdma::WorkId id);
    [[nodiscard]] rdma::Completion completion(rdma::WorkId id);  // waits for it
    [[nodiscard]] std::span<std::byte> slot(std::size_t i) {
        return {memory_.data() + i * kMessageBytes, kMessageBytes};
    }
    [[nodiscard]] rdma::LocalBuffer buffer(std::size_t slot_index, std::size_t length) {
        return {.address = slot(slot_index).data(),
                .length = static_cast<std::uint32_t>(length),
                .lkey = keys_.lkey};
    }
    [[nodiscard]] Lent lent();
    [[nodiscard]] rdma::Limits limits();
    [[nodiscard]] std::array<std::byte, rdma::kRequestDataBytes> request() const { return request_; }

  private:
    void on_resolved() override;
    void on_established(std::span<const std::byte> private_data) override;
    void on_connect_failed(rdma::ConnectFailure failure, int cm_reason,
                           std::span<const std::byte> private_data, const std::string& detail) override;
    void on_completion(const rdma::Completion& completion) override;
    void on_disconnected(rdma::DisconnectReason reason) override;
    void on_drained() override;
    void note(const std::function<void(Seen&)>& change);

    Node& node_;
    Slab memory_;  // kReceives slots to receive in, then as many to send from
    std::array<std::byte, rdma::kRequestDataBytes> request_{};
    std::unique_ptr<rdma::Domain> domain_;
    std::unique_ptr<rdma::Registration> registration_;
    std::unique_ptr<rdma::Connection> connection_;
    rdma::Keys keys_;
    bool given_up_ = false;  // on the reactor
    std::mutex mutex_;
    std::condition_variable changed_;
    Seen seen_;
};

// Ends the program with status 1.
[[noreturn]] void die(const std::string& why);
void expect(bool condition, const std::string& what);

}  // namespace weft::test
