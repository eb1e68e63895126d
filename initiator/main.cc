// SPDX-License-Identifier: Apache-2.0
// weft-initiator: composes volumes over targets and presents them as /dev/ublkbN.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "common/config/parse.h"
#include "common/control/event_log.h"
#include "common/control/server.h"
#include "common/core/log.h"
#include "common/daemon/control_thread.h"
#include "common/daemon/process.h"
#include "initiator/service.h"

namespace {

constexpr int kUsage = 2;
constexpr int kFailed = 1;
constexpr int kWrongConfiguration = 4;  // the systemd units do not start it again then

int complain(const std::string& what, int status = kFailed) {
    std::fprintf(stderr, "%s\n", what.c_str());
    return status;
}

std::string text_of(const weft::config::Place& place) {
    return place.file + ":" + std::to_string(place.line);
}

// SIGTERM, SIGINT: end gracefully; refused while a disk is in use. SIGUSR1: leave the disks to the next
// daemon (an upgrade). True if the process is to end with _exit().
bool serve(weft::daemon::Signals& signals, weft::control::Server& server, weft::initiator::Service& service) {
    for (;;) {
        const int signal = signals.wait();
        if (signal == SIGUSR1) {
            weft::daemon::notify("STOPPING=1\nSTATUS=leaving the disks to the next daemon");
            (void)weft::daemon::on_control_thread(server, [&] { return service.leave(); });
            return true;
        }
        weft::daemon::notify("STATUS=stopping");
        auto stopped = weft::daemon::on_control_thread(server, [&] { return service.stop(false); });
        if (stopped) {
            weft::daemon::notify("STOPPING=1");
            return false;
        }
        weft::log::warn(
            "not stopping, disks are in use: {}. Close them and send the signal again; or "
            "`weftctl detach --force NAME`; or SIGUSR1 to leave them to the next daemon",
            stopped.error().what);
        weft::daemon::notify("STATUS=serving; a stop was refused because disks are in use");
    }
}

int run(const weft::config::Initiator& config, weft::daemon::Signals& signals) {
    weft::control::EventLog events;
    weft::control::Server::Options options;
    options.path = config.control;
    auto server = weft::control::Server::create(options, events);
    if (!server) return complain(text_of(config.place) + ": " + server.error().what);
    weft::initiator::Service service(config, events);
    service.add_methods(**server);
    (*server)->start();
    auto started = weft::daemon::on_control_thread(**server, [&] { return service.start(); });
    if (!started) {
        (*server)->stop();
        return complain(started.error().what);
    }
    weft::log::info("serving {} volumes; I/O memory {} MiB", config.volumes.size(),
                    weft::initiator::Service::memory_budget(config) >> 20U);
    weft::daemon::notify("READY=1\nSTATUS=serving");
    if (serve(signals, **server, service)) {
        weft::log::stop();
        ::_exit(0);
    }
    (*server)->stop();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "Presents volumes that live on weft or other SRP targets as /dev/ublkbN.\n"
        "SIGTERM ends it unless a disk is in use; SIGUSR1 ends it and leaves the disks to the next one.",
        "weft-initiator"};
    std::string path = "/etc/weft/initiator.yaml";
    std::string level;
    app.add_option("-c,--config", path, "topology file")->capture_default_str();
    app.add_option("--log-level", level, "trace, debug, info, warn or error; overrides the file");
    app.set_version_flag("--version", std::string("weft-initiator ") + WEFT_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    auto config = weft::config::parse_initiator(path);
    if (!config) return complain(config.error().what, kWrongConfiguration);
    auto signals = weft::daemon::Signals::block();
    if (!signals) return complain(signals.error().what);
    const auto budget = weft::initiator::Service::memory_budget(*config);
    if (auto fine = weft::daemon::check_privileges(text_of(config->place), budget); !fine)
        return complain(fine.error().what);
    if (!weft::log::start("weft-initiator", level.empty() ? config->log_level : level))
        return complain("unknown log level '" + level + "': use trace, debug, info, warn or error");
    for (const auto& missing : weft::daemon::harden()) weft::log::warn("{}", missing);
    const int status = run(*config, *signals);
    weft::log::stop();
    return status;
}
