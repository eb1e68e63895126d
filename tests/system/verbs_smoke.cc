// SPDX-License-Identifier: Apache-2.0
// common/verbs on a real device: run by verbs_smoke.sh in the lab.
//   verbs_smoke serve ADDRESS PORT           until SIGTERM
//   verbs_smoke test ADDRESS PORT [SOURCE]   everything that needs no fault from outside
//   verbs_smoke both ADDRESS PORT            the same with the server on a second reactor of this process
//   verbs_smoke over ADDRESS PORT            the same, every request handed over to a third reactor
//   verbs_smoke transit ADDRESS PORT         says "ready" while a request is under way between two reactors,
//   for
//                                            5 s, and how it ended
//   verbs_smoke watch ADDRESS PORT [SOURCE]  says "ready", then writes zero bytes now and then until the
//                                            connection is lost, and says how that went
//   verbs_smoke greet ADDRESS PORT [SOURCE]  a login and its end
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/system/verbs_scenarios.h"

namespace weft::test {
namespace {

using rdma::DisconnectReason;
using rdma::Opcode;
using rdma::WorkStatus;

double now_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

int run_at(const Target& target, Server& server, Node& node) {
    if (auto listening = server.listen(target.endpoint); !listening) die(listening.error().what);
    run_scenarios(target);
    for (int i = 0; i < 100; ++i) {
        std::size_t channels = 0;
        node.run([&] { channels = server.channels(); });
        if (channels == 0) return 0;
        ::usleep(100000);
    }
    die("the server still has channels");
}

int run_both(const Target& target) {
    Node node("server", 100us, {.accept_limit = 3s});
    node.start();
    Server server(node);
    return run_at(target, server, node);
}

int run_over(const Target& target) {
    Node door("door", Duration{0});
    door.start();
    Node node("server", 100us, {.accept_limit = 3s});
    node.start();
    Server server(node, door, 3ms);
    return run_at(target, server, node);
}

int transit(const Target& target) {
    Node door("door", Duration{0});
    door.start();
    Node node("server", Duration{0});
    node.start();
    Server server(node, door, 5s);
    if (auto listening = server.listen(target.endpoint); !listening) die(listening.error().what);
    Node peer("client", Duration{0});
    peer.start();
    Client client(peer);
    client.connect(target.endpoint, target.source, Wish::accept);
    while (server.requests() == 0) ::usleep(1000);
    passed("ready");
    client.wait("the end", [](const Client::Seen& seen) { return seen.failure || seen.established; });
    node.run([] {});  // has taken it over by now
    std::printf("lost: %s\n", client.seen().detail.c_str());
    return 0;
}

int serve(const Target& target) {
    Node node("server", Duration{0});
    node.start();
    Server server(node);
    if (auto listening = server.listen(target.endpoint); !listening) die(listening.error().what);
    passed("serving");
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    int signal = 0;
    sigwait(&signals, &signal);
    return 0;
}

int watch(const Target& target) {
    Node node("client", Duration{0});
    node.start();
    Client client(node);
    log_in(client, target);
    passed("ready");
    double asked = 0;
    WorkStatus last = WorkStatus::ok;
    for (rdma::WorkId id = kWork; last == WorkStatus::ok; ++id) {
        bool posted = false;
        asked = now_seconds();
        client.with_connection([&](rdma::Connection& connection) {
            posted = client.seen().disconnected == 0;
            if (posted) connection.post_send({.id = id, .opcode = Opcode::write});
        });
        if (!posted) break;
        last = client.completion(id).status;
        if (last == WorkStatus::ok) ::usleep(50000);
    }
    client.wait("on_drained", [](const Client::Seen& seen) { return seen.drained > 0; });
    const Client::Seen seen = client.seen();
    std::printf("lost: %s, last probe %s after %.2f s\n", std::string(to_string(seen.reason)).c_str(),
                std::string(to_string(last)).c_str(), now_seconds() - asked);
    check_end(client, seen.reason);
    client.destroy();
    passed("ended");
    return 0;
}

int greet(const Target& target) {
    Node node("client", Duration{0});
    node.start();
    Client client(node);
    log_in(client, target);
    client.disconnect();
    check_end(client, DisconnectReason::local);
    return 0;
}

int run(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr,
                     "usage: verbs_smoke serve|test|both|over|transit|watch|greet ADDRESS PORT [SOURCE]\n");
        return 2;
    }
    // Before any thread: `serve` waits for it.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    const std::string mode = argv[1];
    const Target target{
        .endpoint = {.address = argv[2], .port = static_cast<std::uint16_t>(std::atoi(argv[3]))},
        .source = argc > 4 ? argv[4] : ""};
    if (mode == "serve") return serve(target);
    if (mode == "test") {
        run_scenarios(target);
        return 0;
    }
    if (mode == "both") return run_both(target);
    if (mode == "over") return run_over(target);
    if (mode == "transit") return transit(target);
    if (mode == "watch") return watch(target);
    if (mode == "greet") return greet(target);
    return 2;
}

}  // namespace
}  // namespace weft::test

int main(int argc, char** argv) { return weft::test::run(argc, argv); }
