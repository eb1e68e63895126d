// SPDX-License-Identifier: Apache-2.0
#include "tests/system/verbs_peers.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace weft::test {

namespace {

constexpr rdma::Parameters kParameters{.depths = {.send = 64, .receive = kReceives},
                                       .responder_resources = 4,
                                       .initiator_depth = 4,
                                       .retry_count = 2};

// The kernel tells credentials by their address: the same ones, set again, are others.
void take_own_credentials() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0 || ::syscall(SYS_capset, &header, sets.data()) != 0)
        die("a thread cannot take credentials of its own");
}

}  // namespace

void die(const std::string& why) {
    std::fprintf(stderr, "verbs_smoke: failed: %s\n", why.c_str());
    std::fflush(nullptr);
    std::_Exit(1);
}

void expect(bool condition, const std::string& what) {
    if (!condition) die("not so: " + what);
}

std::byte pattern(std::size_t seed, std::size_t i) {
    return static_cast<std::byte>((seed * 2654435761U + i * 40503U + (i >> 8U)) & 0xFFU);
}

void fill(std::span<std::byte> bytes, std::size_t seed) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = pattern(seed, i);
}

bool matches(std::span<const std::byte> bytes, std::size_t seed) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] != pattern(seed, i)) return false;
    }
    return true;
}

Node::Node(const std::string& name, Duration poll, const verbs::Options& options) : options_(options) {
    auto ring = uring::Ring::create(256, nullptr);
    if (!ring) die(ring.error().what);
    ring_ = std::move(*ring);
    reactor_ =
        std::make_unique<reactor::Reactor>(reactor::Options{.name = name, .cpu = -1, .poll = poll}, *ring_);
}

void Node::start() {
    std::promise<void> ready;
    thread_ = std::thread([this, &ready] { main(ready); });
    ready.get_future().wait();
}

void Node::main(std::promise<void>& ready) {
    take_own_credentials();
    auto fabric = verbs::Fabric::create(*reactor_, *ring_, options_);
    if (!fabric) die(fabric.error().what);
    fabric_ = std::move(*fabric);
    reactor_->add(fabric_->poller());
    reactor_->post([&ready] { ready.set_value(); });
    reactor_->run();
    reactor_->remove(fabric_->poller());
    fabric_.reset();
}

Node::~Node() {
    if (!thread_.joinable()) return;
    reactor_->stop();
    thread_.join();
}

// --- server ---

class Server::Channel final : private rdma::ConnectionHandler {
  public:
    Channel(Server& server, std::unique_ptr<rdma::ConnectionRequest> request)
        : server_(server), request_(std::move(request)) {
        auto slab = Slab::allocate(kLentBytes + 2 * kReceives * kMessageBytes);
        if (!slab) die(slab.error().what);
        slab_ = std::move(*slab);
    }

    void start() {
        auto domain = server_.node_.fabric().open_domain(*request_);
        if (!domain) return server_.remove(*this);  // withdrawn while it was handed over
        domain_ = std::move(*domain);
        domain_->register_memory(slab_.data(), slab_.size(), rdma::Access::remote_both,
                                 [this](auto result) { on_registered(std::move(result)); });
    }

  private:
    void on_registered(Result<std::unique_ptr<rdma::Registration>> result) {
        if (!result) die(result.error().what);
        registration_ = std::move(*result);
        domain_->register_memory(slab_.data(), kLentBytes, rdma::Access::remote_read,
                                 [this](auto second) { on_both_registered(std::move(second)); });
    }

    void on_both_registered(Result<std::unique_ptr<rdma::Registration>> result) {
        if (!result) die(result.error().what);
        read_only_ = std::move(*result);
        auto connection = request_->create_connection(*domain_, kParameters, *this);
        if (!connection) return server_.remove(*this);
        connection_ = std::move(*connection);
        for (std::uint32_t i = 0; i < kReceives; ++i) receive(i);
        std::array<std::byte, rdma::kReplyDataBytes> reply{};
        std::ranges::copy(request_->private_data(), reply.begin());
        const Lent lent{.address = reinterpret_cast<std::uint64_t>(slab_.data()),
                        .rkey = registration_->keys().rkey,
                        .read_only_rkey = read_only_->keys().rkey};
        std::memcpy(reply.data() + rdma::kRequestDataBytes, &lent, sizeof lent);
        const auto rest = std::span(reply).subspan(rdma::kRequestDataBytes + sizeof lent);
        fill(rest, 99);
        if (auto accepted = request_->accept(reply); !accepted) {
            std::fprintf(stderr, "verbs_smoke: server: %s\n", accepted.error().what.c_str());
            return server_.remove(*this);
        }
        request_.reset();
    }

    std::byte* slot(std::uint64_t i) { return slab_.data() + kLentBytes + i * kMessageBytes; }

    void receive(std::uint64_t i) {
        connection_->post_receive(
            {.id = i,
             .buffer = {.address = slot(i), .length = kMessageBytes, .lkey = registration_->keys().lkey}});
    }

    void on_established(std::span<const std::byte>) override {}
    void on_connect_failed(rdma::ConnectFailure, int, std::span<const std::byte>,
                           const std::string&) override {
        die("on_connect_failed on the server");
    }
    void on_completion(const rdma::Completion& completion) override {
        if (completion.status != rdma::WorkStatus::ok) return;
        if (!completion.receive) return receive(completion.id - kReceives);
        const std::uint64_t answer = kReceives + completion.id;
        std::memcpy(slot(answer), slot(completion.id), completion.length);
        rdma::SendWork work{.id = answer, .opcode = rdma::Opcode::send, .buffer_count = 1};
        work.buffers[0] = {
            .address = slot(answer), .length = completion.length, .lkey = registration_->keys().lkey};
        connection_->post_send(work);
    }
    void on_disconnected(rdma::DisconnectReason reason) override {
        std::printf("server: a client is gone: %s\n", std::string(to_string(reason)).c_str());
        std::fflush(stdout);
    }
    void on_drained() override { server_.remove(*this); }

    Server& server_;
    std::unique_ptr<rdma::ConnectionRequest> request_;
    Slab slab_;
    std::unique_ptr<rdma::Domain> domain_;
    std::unique_ptr<rdma::Registration> registration_;
    std::unique_ptr<rdma::Registration> read_only_;
    std::unique_ptr<rdma::Connection> connection_;
};

Server::Server(Node& node) : Server(node, node, Duration{0}) {}

Server::Server(Node& node, Node& door, Duration transit) : node_(node), door_(door), transit_(transit) {}

Server::~Server() {
    door_.run([this] { listener_.reset(); });
    node_.run([this] {
        ignored_.clear();
        channels_.clear();
    });
}

Result<void> Server::listen(const rdma::Endpoint& endpoint, const std::string& device) {
    Result<void> result;
    door_.run([&] {
        auto listener = door_.fabric().listen(endpoint, device, *this);
        if (listener) {
            listener_ = std::move(*listener);
        } else {
            result = Failure(listener.error());
        }
    });
    return result;
}

void Server::on_request(std::unique_ptr<rdma::ConnectionRequest> request) {
    const bool slow = ++requests_ % 2 == 1;
    if (&door_ == &node_) return serve(std::move(request));
    request->release();
    auto released = std::make_shared<std::unique_ptr<rdma::ConnectionRequest>>(std::move(request));
    node_.reactor().post([this, released, slow] {
        if (slow) std::this_thread::sleep_for(transit_);
        node_.fabric().take_over(**released);
        serve(std::move(*released));
    });
}

void Server::serve(std::unique_ptr<rdma::ConnectionRequest> request) {
    switch (static_cast<Wish>(request->private_data()[0])) {
        case Wish::accept:
            channels_.push_back(std::make_unique<Channel>(*this, std::move(request)));
            return channels_.back()->start();
        case Wish::reject: {
            std::array<std::byte, rdma::kRejectDataBytes> data{};
            fill(data, 77);
            return request->reject(data);
        }
        case Wish::ignore: ignored_.push_back(std::move(request)); return;
    }
}

void Server::remove(Channel& channel) {
    std::erase_if(channels_, [&](const auto& each) { return each.get() == &channel; });
}

// --- client ---

Client::Client(Node& node) : node_(node) {
    auto slab = Slab::allocate(2 * kReceives * kMessageBytes);
    if (!slab) die(slab.error().what);
    memory_ = std::move(*slab);
}

Client::~Client() { destroy(); }

void Client::destroy() {
    node_.run([this] {
        connection_.reset();
        registration_.reset();
        domain_.reset();
    });
}

void Client::connect(const rdma::Endpoint& to, const std::string& source, Wish wish) {
    fill(request_, to.port);
    request_[0] = static_cast<std::byte>(wish);
    node_.run([&] { connection_ = node_.fabric().connect(to, source, 2000, *this); });
}

void Client::note(const std::function<void(Seen&)>& change) {
    const std::lock_guard lock(mutex_);
    if (seen_.drained > 0) seen_.late = true;
    change(seen_);
    changed_.notify_all();
}

void Client::on_resolved() {
    note([](Seen& seen) { seen.resolved = true; });
    auto domain = node_.fabric().open_domain(*connection_);
    if (!domain) die(domain.error().what);
    domain_ = std::move(*domain);
    domain_->register_memory(memory_.data(), memory_.size(), rdma::Access::remote_write, [this](auto result) {
        if (!result) die(result.error().what);
        registration_ = std::move(*result);
        keys_ = registration_->keys();
        if (auto made = connection_->create_queue_pair(*domain_, kParameters); !made) {
            if (!given_up_) die(made.error().what);
            return;
        }
        for (std::uint32_t i = 0; i < kReceives; ++i) {
            connection_->post_receive({.id = i, .buffer = buffer(i, kMessageBytes)});
        }
        if (auto sent = connection_->establish(request_); !sent) die(sent.error().what);
    });
}

void Client::on_established(std::span<const std::byte> private_data) {
    note([&](Seen& seen) {
        seen.established = true;
        seen.private_data.assign(private_data.begin(), private_data.end());
    });
}

void Client::on_connect_failed(rdma::ConnectFailure failure, int cm_reason,
                               std::span<const std::byte> private_data, const std::string& detail) {
    note([&](Seen& seen) {
        seen.failure = failure;
        seen.cm_reason = cm_reason;
        seen.detail = detail;
        seen.private_data.assign(private_data.begin(), private_data.end());
    });
}

void Client::on_completion(const rdma::Completion& completion) {
    note([&](Seen& seen) {
        if (completion.status == rdma::WorkStatus::flushed && seen.disconnected == 0) seen.late = true;
        seen.completions.push_back(completion);
    });
}

void Client::on_disconnected(rdma::DisconnectReason reason) {
    note([&](Seen& seen) {
        ++seen.disconnected;
        seen.reason = reason;
        seen.completions_at_disconnect = seen.completions.size();
    });
}

void Client::on_drained() {
    note([](Seen& seen) { ++seen.drained; });
}

void Client::post(const rdma::SendWork& work) { post_chain(std::span(&work, 1)); }

void Client::post_chain(std::span<const rdma::SendWork> work) {
    node_.run([&] {
        for (const rdma::SendWork& each : work) connection_->post_send(each);
    });
}

void Client::post_receive(rdma::WorkId id) {
    node_.run([&] { connection_->post_receive({.id = id, .buffer = buffer(id, kMessageBytes)}); });
}

void Client::send(rdma::WorkId id, std::size_t length, std::size_t seed, bool in_line) {
    const auto bytes = slot(kReceives + id % kReceives).first(length);
    fill(bytes, seed);
    rdma::SendWork work{.id = id, .opcode = rdma::Opcode::send, .inline_data = in_line, .buffer_count = 2};
    const auto half = static_cast<std::uint32_t>(length / 2);
    work.buffers[0] = {.address = bytes.data(), .length = half, .lkey = keys_.lkey};
    work.buffers[1] = {.address = bytes.data() + half,
                       .length = static_cast<std::uint32_t>(length) - half,
                       .lkey = keys_.lkey};
    node_.run([&] {
        connection_->post_send(work);
        if (in_line) std::memset(bytes.data(), 0, bytes.size());  // ours again at once
    });
}

void Client::with_connection(const std::function<void(rdma::Connection&)>& call) {
    node_.run([&] { call(*connection_); });
}

void Client::disconnect() {
    with_connection([this](rdma::Connection& connection) {
        given_up_ = true;
        connection.disconnect();
    });
}

void Client::wait(const char* what, const std::function<bool(const Seen&)>& condition, Duration limit) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, limit, [&] { return condition(seen_); })) return;
    die(fmt::format("timeout: {} (established {}, disconnected {}, drained {}, completions {}, failure '{}')",
                    what, seen_.established, seen_.disconnected, seen_.drained, seen_.completions.size(),
                    seen_.detail));
}

Client::Seen Client::seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
}

std::size_t Client::count(rdma::WorkId id) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(seen_.completions, [&](const auto& each) { return each.id == id; }));
}

rdma::Completion Client::completion(rdma::WorkId id) {
    const auto is_it = [&](const rdma::Completion& each) { return each.id == id; };
    wait("a completion", [&](const Seen& seen) { return std::ranges::any_of(seen.completions, is_it); });
    const std::lock_guard lock(mutex_);
    return *std::ranges::find_if(seen_.completions, is_it);
}

Lent Client::lent() {
    const std::lock_guard lock(mutex_);
    Lent lent;
    std::memcpy(&lent, seen_.private_data.data() + rdma::kRequestDataBytes, sizeof lent);
    return lent;
}

rdma::Limits Client::limits() {
    rdma::Limits limits;
    node_.run([&] { limits = connection_->limits(); });
    return limits;
}

}  // namespace weft::test
