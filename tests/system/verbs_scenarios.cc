// SPDX-License-Identifier: Apache-2.0
#include "tests/system/verbs_scenarios.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace weft::test {

using rdma::ConnectFailure;
using rdma::DisconnectReason;
using rdma::Opcode;
using rdma::WorkStatus;

void passed(const std::string& what) {
    std::printf("ok: %s\n", what.c_str());
    std::fflush(stdout);
}

void log_in(Client& client, const Target& target) {
    client.connect(target.endpoint, target.source, Wish::accept);
    client.wait("an answer", [](const Client::Seen& seen) { return seen.established || seen.failure; });
    expect(client.seen().established, "logged in, not " + client.seen().detail);
}

void check_end(Client& client, DisconnectReason reason, std::span<const rdma::WorkId> posted) {
    client.wait("on_drained", [](const Client::Seen& seen) { return seen.drained > 0; });
    const Client::Seen seen = client.seen();
    expect(seen.disconnected == 1 && seen.drained == 1, "on_disconnected and on_drained once each");
    expect(seen.reason == reason,
           fmt::format("the reason is {}, not {}", to_string(reason), to_string(seen.reason)));
    expect(!seen.late, "no flush before on_disconnected and nothing after on_drained");
    const auto receives =
        static_cast<std::size_t>(std::ranges::count_if(seen.completions, [](const auto& each) {
            return each.receive && each.status == WorkStatus::flushed;
        }));
    expect(receives == kReceives, fmt::format("{} receives flushed, not {}", kReceives, receives));
    for (const rdma::WorkId id : posted) {
        expect(client.count(id) == 1,
               fmt::format("work {} reported once, not {} times", id, client.count(id)));
    }
}

namespace {

void test_login(Node& node, const Target& target) {
    Client client(node);
    log_in(client, target);
    const Client::Seen seen = client.seen();
    const std::span<const std::byte> reply(seen.private_data);
    expect(reply.size() == rdma::kReplyDataBytes, "196 bytes of reply");
    expect(std::ranges::equal(reply.first(rdma::kRequestDataBytes), client.request()),
           "the target saw all 56 bytes of the request");
    expect(matches(reply.subspan(rdma::kRequestDataBytes + sizeof(Lent)), 99), "all 196 bytes came back");
    expect(client.limits().reads_in_flight_max == 4, "4 RDMA READs negotiated");
    client.disconnect();
    check_end(client, DisconnectReason::local);
    passed("login data both ways, disconnect, drain");
}

void test_refusals(Node& node, const Target& target) {
    {
        Client client(node);
        client.connect(target.endpoint, target.source, Wish::reject);
        client.wait("rejected", [](const Client::Seen& seen) { return seen.failure.has_value(); });
        client.wait("on_drained", [](const Client::Seen& seen) { return seen.drained == 1; });
        const Client::Seen seen = client.seen();
        expect(seen.failure == ConnectFailure::rejected && seen.cm_reason == 28, "rejected by the consumer");
        expect(seen.private_data.size() == rdma::kRejectDataBytes && matches(seen.private_data, 77),
               "148 bytes of reject data");
        expect(seen.completions.empty() && seen.disconnected == 0, "nothing but on_drained follows");
    }
    {
        Client client(node);
        rdma::Endpoint nobody = target.endpoint;
        nobody.port = 9;
        client.connect(nobody, target.source, Wish::accept);
        client.wait("refused", [](const Client::Seen& seen) { return seen.failure.has_value(); });
        expect(client.seen().failure == ConnectFailure::no_listener, "nobody listens on port 9");
    }
    {
        Client client(node);
        client.connect({.address = "192.0.2.1", .port = 1}, "", Wish::accept);
        client.wait("no route", [](const Client::Seen& seen) { return seen.failure.has_value(); });
        expect(client.seen().failure != ConnectFailure::rejected, "192.0.2.1 is not reached");
    }
    {
        Client client(node);
        client.connect({.address = "localhost", .port = 1}, "", Wish::accept);
        client.wait("a name", [](const Client::Seen& seen) { return seen.failure.has_value(); });
    }
    {  // given up while the target thinks about it
        Client client(node);
        client.connect(target.endpoint, target.source, Wish::ignore);
        client.wait("resolved", [](const Client::Seen& seen) { return seen.resolved; });
    }
    passed("rejected, no listener, no route, given up");
}

void test_messages(Node& node, const Target& target) {
    Client client(node);
    log_in(client, target);
    const std::uint32_t inline_bytes = client.limits().inline_bytes;
    expect(inline_bytes >= 64, "inline data");
    std::size_t received = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
        const bool in_line = i % 4 == 3;
        const std::size_t length = in_line ? 1 + i % inline_bytes : 1 + (i * 37) % kMessageBytes;
        client.send(kWork + i, length, i, in_line);
        ++received;
        client.wait("the echo", [&](const Client::Seen& seen) {
            return static_cast<std::size_t>(std::ranges::count_if(
                       seen.completions, [](const auto& each) { return each.receive; })) == received;
        });
        const Client::Seen seen = client.seen();
        const auto echo = std::find_if(seen.completions.rbegin(), seen.completions.rend(),
                                       [](const auto& each) { return each.receive; });
        expect(echo->status == WorkStatus::ok && echo->length == length, "an echo as long as the message");
        expect(matches(client.slot(echo->id).first(length), i), fmt::format("echo {} is intact", i));
        client.post_receive(echo->id);
    }
    client.disconnect();
    check_end(client, DisconnectReason::local);
    passed("1000 messages echoed intact");
}

void test_rdma(Node& node, const Target& target) {
    Client client(node);
    log_in(client, target);
    const Lent lent = client.lent();
    for (std::size_t i = 0; i < 1000; ++i) {
        const std::size_t length = 1 + (i * 61) % kMessageBytes;
        const std::uint64_t at = lent.address + (i * 4093) % (kLentBytes - kMessageBytes);
        const std::size_t from = kReceives + i % 4;
        const std::size_t to = kReceives + 4 + i % 4;
        fill(client.slot(from).first(length), i);
        std::ranges::fill(client.slot(to), std::byte{0});
        rdma::SendWork write{.id = 1, .opcode = Opcode::write, .signaled = false, .buffer_count = 1};
        write.buffers[0] = client.buffer(from, length);
        write.remote = {.address = at, .rkey = lent.rkey};
        rdma::SendWork read{.id = kWork + i, .opcode = Opcode::read, .buffer_count = 1};
        read.buffers[0] = client.buffer(to, length);
        read.remote = {.address = at, .rkey = i % 2 == 0 ? lent.rkey : lent.read_only_rkey};
        const std::array chain{write, read};
        client.post_chain(chain);
        expect(client.completion(kWork + i).status == WorkStatus::ok, "a read succeeds");
        expect(matches(client.slot(to).first(length), i), fmt::format("read {} is what was written", i));
    }
    const rdma::SendWork probe{.id = 7777, .opcode = Opcode::write};
    client.post(probe);
    expect(client.completion(7777).status == WorkStatus::ok, "a zero-length write succeeds");
    expect(client.seen().completions.size() == 1001, "no completion of an unsignalled write");
    client.disconnect();
    check_end(client, DisconnectReason::local);
    passed("1000 RDMA WRITEs read back intact, zero-length write");
}

// Work fails at both ends. Whoever sees it first tells the other, so that our reason may be the peer's going.
// Returns whether we saw it ourselves.
bool end_by_failure(Client& client, std::span<const rdma::WorkId> posted) {
    client.wait("on_disconnected", [](const Client::Seen& seen) { return seen.disconnected > 0; });
    const bool ours = client.seen().reason == DisconnectReason::transport;
    check_end(client, ours ? DisconnectReason::transport : DisconnectReason::peer, posted);
    if (!ours) passed("(the peer saw it first)");
    return ours;
}

// A full send queue behind a work request that fails: everything comes back once, unsignalled work never.
void test_failure(Node& node, const Target& target, bool signaled) {
    Client client(node);
    log_in(client, target);
    const Lent lent = client.lent();
    std::vector<rdma::SendWork> chain;
    std::vector<rdma::WorkId> posted;
    for (std::size_t i = 0; i < 60; ++i) {
        rdma::SendWork write{
            .id = kWork + i, .opcode = Opcode::write, .signaled = i % 3 == 0, .buffer_count = 1};
        if (i == 1) write.signaled = signaled;
        write.buffers[0] = client.buffer(kReceives, 512);
        // The second may only be read.
        write.remote = {.address = lent.address, .rkey = i == 1 ? lent.read_only_rkey : lent.rkey};
        chain.push_back(write);
        if (write.signaled) posted.push_back(write.id);
    }
    client.post_chain(chain);
    const bool ours = end_by_failure(client, posted);
    const Client::Seen seen = client.seen();
    if (signaled && ours) {
        expect(client.completion(kWork + 1).status == WorkStatus::remote_access, "remote access error");
        expect(seen.completions_at_disconnect == 2, "the failed completion comes before on_disconnected");
    }
    expect(seen.completions.size() == posted.size() + kReceives, "nothing unsignalled is reported");
    passed(fmt::format("a wrong key ends the connection ({})", signaled ? "signalled" : "unsignalled"));
}

void test_too_long(Node& node, const Target& target) {
    Client client(node);
    log_in(client, target);
    rdma::SendWork work{.id = kWork, .opcode = Opcode::send, .buffer_count = 2};
    work.buffers[0] = client.buffer(kReceives, kMessageBytes);
    work.buffers[1] = client.buffer(kReceives + 1, 64);
    client.post(work);
    const std::array posted{kWork};
    if (end_by_failure(client, posted)) {
        expect(client.completion(kWork).status == WorkStatus::remote_invalid,
               "a message too long for its receive");
    }
    passed("a message too long for its receive");
}

void test_after_the_end(Node& node, const Target& target) {
    Client client(node);
    log_in(client, target);
    client.with_connection([](rdma::Connection& connection) {
        connection.post_send({.id = kWork, .opcode = Opcode::write});
        connection.disconnect();
        connection.post_send({.id = kWork + 1, .opcode = Opcode::write, .signaled = false});
        connection.post_send({.id = kWork + 2, .opcode = Opcode::write});
        connection.disconnect();
    });
    const std::array posted{kWork, kWork + 2};
    check_end(client, DisconnectReason::local, posted);
    for (const rdma::WorkId id : posted) {
        expect(client.completion(id).status == WorkStatus::flushed,
               "what never reached the device is flushed");
    }
    expect(client.count(kWork + 1) == 0, "nothing unsignalled is reported");
    passed("posting after disconnect");
}

void test_cycles(Node& node, const Target& target) {
    for (int i = 0; i < 50; ++i) {
        Client client(node);
        log_in(client, target);
        client.send(kWork, 100, 1);
        expect(client.completion(kWork).status == WorkStatus::ok, "a message goes out");
        if (i % 2 == 0) {
            client.disconnect();
            client.wait("on_drained", [](const Client::Seen& seen) { return seen.drained == 1; });
        } else {
            client.destroy();  // the other end sees it, too
        }
    }
    passed("50 connections made and ended");
}

// Given up at every moment of a login: neither end may keep anything or wait for ever.
void test_half_logins(Node& node, const Target& target) {
    for (unsigned i = 0; i < 40; ++i) {
        Client client(node);
        client.connect(target.endpoint, target.source, Wish::accept);
        if (i % 4 != 0) client.wait("resolved", [](const Client::Seen& seen) { return seen.resolved; });
        ::usleep(i * 250);
        if (i % 2 == 0) client.disconnect();
    }
    passed("40 logins given up half way");
}

// With no time to drain, queue pairs are destroyed while their completions are on the way.
void test_drain_limit(const Target& target) {
    Node node("hasty", Duration{0}, {.drain_limit = Duration{0}});
    node.start();
    for (int i = 0; i < 10; ++i) {
        Client client(node);
        log_in(client, target);
        std::vector<rdma::WorkId> posted;
        std::vector<rdma::SendWork> chain;
        for (rdma::WorkId id = kWork; id < kWork + 20; ++id) {
            chain.push_back({.id = id, .opcode = Opcode::write});
            posted.push_back(id);
        }
        client.with_connection([&](rdma::Connection& connection) {
            for (const rdma::SendWork& work : chain) connection.post_send(work);
        });
        client.disconnect();
        check_end(client, DisconnectReason::local, posted);
    }
    node.run([&] { expect(node.fabric().counters().drain_timeouts == 10, "ten drains cut short"); });
    passed("drains cut short");
}

// Each connection needs most of a completion queue.
void test_small_queues(const Target& target) {
    Node node("narrow", Duration{0}, {.completion_entries = 100});
    node.start();
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 5; ++i) {
        clients.push_back(std::make_unique<Client>(node));
        log_in(*clients.back(), target);
    }
    for (rdma::WorkId id = kWork; id < kWork + 20; ++id) {
        for (const auto& client : clients) client->post({.id = id, .opcode = Opcode::write});
    }
    for (rdma::WorkId id = kWork; id < kWork + 20; ++id) {
        for (const auto& client : clients) {
            expect(client->completion(id).status == WorkStatus::ok, "a write succeeds");
        }
    }
    for (const auto& client : clients) {
        client->disconnect();
        check_end(*client, DisconnectReason::local);
    }
    passed("several completion queues");
}

void test_counters(Node& node) {
    node.run([&] {
        const verbs::Counters& counters = node.fabric().counters();
        std::printf(
            "counters: %llu connections, %llu failures, %llu disconnects, %llu transport errors, "
            "%llu posts refused, %llu drain timeouts, %llu stale completions\n",
            static_cast<unsigned long long>(counters.connections),
            static_cast<unsigned long long>(counters.connect_failures),
            static_cast<unsigned long long>(counters.disconnects),
            static_cast<unsigned long long>(counters.transport_errors),
            static_cast<unsigned long long>(counters.posts_refused),
            static_cast<unsigned long long>(counters.drain_timeouts),
            static_cast<unsigned long long>(counters.stale_completions));
        expect(counters.drain_timeouts == 0, "no drain needed its limit");
        expect(counters.posts_refused == 0, "no post was refused");
    });
}

}  // namespace

void run_scenarios(const Target& target) {
    Node node("client", Duration{0});
    node.start();
    test_login(node, target);
    test_refusals(node, target);
    test_messages(node, target);
    test_rdma(node, target);
    test_failure(node, target, true);
    test_failure(node, target, false);
    test_too_long(node, target);
    test_after_the_end(node, target);
    test_cycles(node, target);
    test_half_logins(node, target);
    test_counters(node);
    test_drain_limit(target);
    test_small_queues(target);
}

}  // namespace weft::test
