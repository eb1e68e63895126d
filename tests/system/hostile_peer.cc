// SPDX-License-Identifier: Apache-2.0
// An initiator that breaks SRP's rules on purpose: run by hostile.sh in the lab. Every kind of misuse must
// end with a refused login or a lost connection, soon; the program fails if the target bears with one or does
// not answer.
//   hostile_peer misuse  ADDRESS PORT TARGET_NAME
//   hostile_peer connect ADDRESS PORT TARGET_NAME TIMES   logs in and out so often
//   hostile_peer silent  ADDRESS PORT TARGET_NAME         8 logins requested, their answers ignored for 15 s
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "common/srp/login.h"
#include "common/srp/port_id.h"
#include "tests/system/verbs_peers.h"

namespace weft::test {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::uint32_t kIuBytes = 1024;
constexpr std::size_t kIuBytesMax = 8192;
constexpr std::size_t kReceiveBytes = 512;
constexpr std::size_t kMemory = kIuBytesMax + kReceives * kReceiveBytes;

constexpr rdma::Parameters kParameters{.depths = {.send = 16, .receive = kReceives},
                                       .responder_resources = 4,
                                       .initiator_depth = 4,
                                       .retry_count = 2};

struct Place {
    rdma::Endpoint endpoint;
    srp::PortId target{};
};

srp::LoginRequest honest_login(const Place& place) {
    srp::LoginRequest login;
    login.it_iu_length = kIuBytes;
    login.initiator_port = srp::port_id_of_initiator("hostile");
    login.target_port = place.target;
    return login;
}

Bytes bytes_of(const srp::LoginRequest& login) {
    const auto encoded = srp::encode(login);
    return {encoded.begin(), encoded.end()};
}

// One connection. Methods are the test thread's.
class Peer final : private rdma::ConnectionHandler {
  public:
    enum class State { connecting, established, refused, lost };

    explicit Peer(Node& node) : node_(node) {
        auto slab = Slab::allocate(kMemory);
        if (!slab) die(slab.error().what);
        memory_ = std::move(*slab);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() override {
        node_.run([this] {
            connection_.reset();
            registration_.reset();
            domain_.reset();
        });
    }

    // `fall_silent`: after so many requests of the process its reactor stops looking at anything.
    void connect(const rdma::Endpoint& to, Bytes login, int fall_silent = 0) {
        login_ = std::move(login);
        fall_silent_ = fall_silent;
        node_.run([&] { connection_ = node_.fabric().connect(to, "", 5000, *this); });
    }

    void send(const Bytes& iu) {
        std::ranges::copy(iu, memory_.data());
        rdma::SendWork work{.id = kReceives, .opcode = rdma::Opcode::send};
        work.buffer_count = iu.empty() ? 0 : 1;
        work.buffers[0] = {
            .address = memory_.data(), .length = static_cast<std::uint32_t>(iu.size()), .lkey = keys_.lkey};
        node_.run([&] { connection_->post_send(work); });
    }

    void log_out() {
        node_.run([&] { connection_->disconnect(); });
    }

    // The state after it has left `from`; the program fails if that takes longer than a generous time.
    State after(State from, const std::string& what) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, 60s, [&] { return state_ != from; })) die("no answer to: " + what);
        return state_;
    }
    void wait_drained() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, 60s, [&] { return drained_; })) die("a connection does not drain");
    }

  private:
    void enter(State state) {
        const std::lock_guard lock(mutex_);
        state_ = state;
        changed_.notify_all();
    }
    void on_resolved() override {
        auto domain = node_.fabric().open_domain(*connection_);
        if (!domain) die(domain.error().what);
        domain_ = std::move(*domain);
        domain_->register_memory(memory_.data(), memory_.size(), rdma::Access::local, [this](auto result) {
            if (!result) die(result.error().what);
            registration_ = std::move(*result);
            keys_ = registration_->keys();
            establish();
        });
    }
    void establish() {
        if (auto made = connection_->create_queue_pair(*domain_, kParameters); !made) die(made.error().what);
        for (std::uint32_t i = 0; i < kReceives; ++i) {
            connection_->post_receive({.id = i,
                                       .buffer = {.address = memory_.data() + kIuBytesMax + i * kReceiveBytes,
                                                  .length = kReceiveBytes,
                                                  .lkey = keys_.lkey}});
        }
        if (auto sent = connection_->establish(login_); !sent) die(sent.error().what);
        static int requested = 0;  // on the reactor
        if (++requested == fall_silent_) {
            std::printf("%d logins requested, falling silent\n", requested);
            std::fflush(stdout);
            ::sleep(15);
            std::_Exit(0);
        }
    }
    void on_established(std::span<const std::byte>) override { enter(State::established); }
    void on_connect_failed(rdma::ConnectFailure failure, int, std::span<const std::byte>,
                           const std::string& detail) override {
        if (failure != rdma::ConnectFailure::rejected) die("cannot connect: " + detail);
        enter(State::refused);
    }
    void on_completion(const rdma::Completion&) override {}
    void on_disconnected(rdma::DisconnectReason) override { enter(State::lost); }
    void on_drained() override {
        const std::lock_guard lock(mutex_);
        drained_ = true;
        changed_.notify_all();
    }

    Node& node_;
    Slab memory_;  // one IU to send, then what is received
    Bytes login_;
    int fall_silent_ = 0;
    std::unique_ptr<rdma::Domain> domain_;
    std::unique_ptr<rdma::Registration> registration_;
    std::unique_ptr<rdma::Connection> connection_;
    rdma::Keys keys_;
    std::mutex mutex_;
    std::condition_variable changed_;
    State state_ = State::connecting;
    bool drained_ = false;
};

void must_refuse(Node& node, const Place& place, const std::string& what, Bytes login) {
    Peer peer(node);
    peer.connect(place.endpoint, std::move(login));
    if (peer.after(Peer::State::connecting, what) != Peer::State::refused) die("logged in with " + what);
    std::printf("refused: %s\n", what.c_str());
}

void must_drop(Node& node, const Place& place, const std::string& what, const Bytes& iu) {
    Peer peer(node);
    peer.connect(place.endpoint, bytes_of(honest_login(place)));
    if (peer.after(Peer::State::connecting, "an honest login") != Peer::State::established)
        die("an honest login is refused before: " + what);
    peer.send(iu);
    if (peer.after(Peer::State::established, what) != Peer::State::lost) die("bears with " + what);
    peer.wait_drained();
    std::printf("dropped: %s\n", what.c_str());
}

void put(Bytes& to, std::size_t at, std::uint64_t value, std::size_t width) {
    if (to.size() < at + width) to.resize(at + width);
    for (std::size_t i = 0; i < width; ++i)
        to[at + i] = static_cast<std::byte>((value >> (8 * (width - 1 - i))) & 0xFFU);
}

enum class Way : std::uint8_t { in, out };
constexpr std::uint8_t kDirect = 1;
constexpr std::uint8_t kIndirect = 2;

// SRP_CMD with READ(16) or WRITE(16) of `blocks` blocks at LBA 0 of LUN 0; descriptors begin at byte 48.
Bytes command(Way way, std::uint8_t format, std::uint8_t count, std::uint32_t blocks) {
    Bytes iu(48);
    iu[0] = std::byte{0x02};
    iu[5] = static_cast<std::byte>(way == Way::in ? format : format << 4U);
    iu[way == Way::in ? 7 : 6] = static_cast<std::byte>(count);
    put(iu, 8, 0x1234, 8);
    iu[32] = static_cast<std::byte>(way == Way::in ? 0x88 : 0x8A);
    put(iu, 42, blocks, 4);
    return iu;
}

void descriptor(Bytes& iu, std::uint64_t address, std::uint32_t key, std::uint32_t length) {
    const std::size_t at = iu.size();
    put(iu, at, address, 8);
    put(iu, at + 8, key, 4);
    put(iu, at + 12, length, 4);
}

void misuse_logins(Node& node, const Place& place) {
    const auto with = [&](auto change) {
        auto login = honest_login(place);
        change(login);
        return bytes_of(login);
    };
    must_refuse(node, place, "a login of zeroes", Bytes(56));
    must_refuse(node, place, "a login of 0xFF", Bytes(56, std::byte{0xFF}));
    must_refuse(node, place, "no login at all", {});
    must_refuse(node, place, "half a login", [&] {
        auto login = bytes_of(honest_login(place));
        login.resize(20);
        return login;
    }());
    must_refuse(node, place, "another target's name",
                with([](auto& login) { login.target_port = srp::port_id_of_target("nobody"); }));
    for (const std::uint32_t length : {0U, 1U, 63U, 65537U, 0x80000000U, 0xFFFFFFFFU}) {
        must_refuse(node, place, "an IU length of " + std::to_string(length),
                    with([&](auto& login) { login.it_iu_length = length; }));
    }
    must_refuse(node, place, "unknown buffer formats",
                with([](auto& login) { login.buffer_formats = 0xFFFF; }));
}

void misuse_units(Node& node, const Place& place, std::mt19937& random) {
    must_drop(node, place, "an empty IU", {});
    must_drop(node, place, "one byte", Bytes(1, std::byte{0x02}));
    for (const std::size_t length : {2U, 15U, 31U, 47U}) {
        auto iu = command(Way::in, 0, 0, 0);
        iu.resize(length);
        must_drop(node, place, "a command of " + std::to_string(length) + " bytes", iu);
    }
    for (const int opcode : {0x00, 0x04, 0x77, 0x80, 0xC0, 0xC1, 0xC2, 0xFF}) {
        Bytes iu(64);
        iu[0] = static_cast<std::byte>(opcode);
        must_drop(node, place, "an IU of type " + std::to_string(opcode), iu);
    }
    must_drop(node, place, "task management of 10 bytes", Bytes(10, std::byte{0x01}));
    must_drop(node, place, "an IU longer than agreed", Bytes(kIuBytesMax, std::byte{0x02}));
    for (int i = 0; i < 10; ++i) {
        Bytes iu(1 + random() % kIuBytes);
        std::ranges::generate(iu, [&] { return static_cast<std::byte>(random()); });
        if (iu[0] <= std::byte{0x03} || iu[0] == std::byte{0x41} || iu[0] == std::byte{0x42})
            iu[0] = std::byte{0x55};
        must_drop(node, place, "garbage of " + std::to_string(iu.size()) + " bytes", iu);
    }
}

void misuse_descriptors(Node& node, const Place& place) {
    constexpr std::uint32_t kBlocks = 8;
    constexpr std::uint32_t kLength = kBlocks * 4096;
    for (const Way way : {Way::in, Way::out}) {
        const std::string name = way == Way::in ? "a read with " : "a write with ";
        auto iu = command(way, kDirect, 0, kBlocks);
        must_drop(node, place, name + "a descriptor that is not there", iu);
        iu = command(way, 7, 1, kBlocks);
        must_drop(node, place, name + "an unknown descriptor format", iu);
        iu = command(way, kDirect, 0, kBlocks);
        descriptor(iu, 0x1000, 0xBADBAD, kLength);
        must_drop(node, place, name + "a wrong rkey", iu);
        iu = command(way, kDirect, 0, kBlocks);
        descriptor(iu, std::numeric_limits<std::uint64_t>::max() - 100, 0, kLength);
        must_drop(node, place, name + "an address that overflows", iu);

        iu = command(way, kIndirect, 4, kBlocks);
        descriptor(iu, 0, 0, 4 * 16);
        put(iu, iu.size(), 0xFFFFFFFC, 4);
        for (int i = 0; i < 4; ++i) descriptor(iu, 0x1000, 1, 0xFFFFFFFF);
        must_drop(node, place, name + "lengths whose sum overflows", iu);
        iu = command(way, kIndirect, 200, kBlocks);
        descriptor(iu, 0, 0, 200 * 16);
        put(iu, iu.size(), kLength, 4);
        descriptor(iu, 0x1000, 1, kLength);
        must_drop(node, place, name + "fewer descriptors than counted", iu);
        iu = command(way, kIndirect, 1, kBlocks);
        descriptor(iu, 0, 0xBADBAD, 0xFFFFFFF0);
        put(iu, iu.size(), kLength, 4);
        must_drop(node, place, name + "a table of 4 GiB that is not there", iu);
    }
    auto iu = command(Way::in, 0, 0, 0);
    iu[31] = std::byte{0xFC};
    must_drop(node, place, "a command descriptor block beyond the IU's end", iu);
}

void misuse_credits(Node& node, const Place& place) {
    Peer peer(node);
    peer.connect(place.endpoint, bytes_of(honest_login(place)));
    if (peer.after(Peer::State::connecting, "an honest login") != Peer::State::established)
        die("an honest login is refused");
    // The same tag twice while the first waits for memory it may not have: either ends the channel.
    auto iu = command(Way::in, kDirect, 0, 8);
    descriptor(iu, 0x1000, 0xBADBAD, 8 * 4096);
    for (int i = 0; i < 8; ++i) peer.send(iu);
    if (peer.after(Peer::State::established, "one tag eight times") != Peer::State::lost)
        die("bears with it");
    peer.wait_drained();
    std::printf("dropped: one tag eight times\n");
}

void connect_often(Node& node, const Place& place, int times) {
    for (int i = 0; i < times; ++i) {
        Peer peer(node);
        auto login = honest_login(place);
        login.initiator_port = srp::port_id_of_initiator("hostile" + std::to_string(i % 8));
        peer.connect(place.endpoint, bytes_of(login));
        // Later logins of the same initiator end earlier ones; nothing is wrong with any.
        if (peer.after(Peer::State::connecting, "an honest login") != Peer::State::established)
            die("login " + std::to_string(i) + " is refused");
        if (i % 2 == 0) continue;  // half of them just go away
        peer.log_out();
        peer.wait_drained();
    }
    std::printf("%d logins\n", times);
}

int run(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "usage: hostile_peer misuse|connect|silent ADDRESS PORT TARGET_NAME [TIMES]\n");
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const std::string mode = argv[1];
    const Place place{
        .endpoint = {.address = argv[2], .port = static_cast<std::uint16_t>(std::atoi(argv[3]))},
        .target = srp::port_id_of_target(argv[4])};
    Node node("hostile", Duration{0});
    node.start();
    if (mode == "connect") {
        connect_often(node, place, argc > 5 ? std::atoi(argv[5]) : 1000);
        return 0;
    }
    if (mode == "silent") {
        constexpr int kLogins = 8;
        std::vector<std::unique_ptr<Peer>> peers;
        for (int i = 0; i < kLogins; ++i) peers.push_back(std::make_unique<Peer>(node));
        for (auto& peer : peers) peer->connect(place.endpoint, bytes_of(honest_login(place)), kLogins);
        ::sleep(60);
        die("not silent");
    }
    std::mt19937 random(7);
    misuse_logins(node, place);
    misuse_units(node, place, random);
    misuse_descriptors(node, place);
    misuse_credits(node, place);
    return 0;
}

}  // namespace
}  // namespace weft::test

int main(int argc, char** argv) { return weft::test::run(argc, argv); }
