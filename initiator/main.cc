// SPDX-License-Identifier: Apache-2.0
// weft-initiator: composes volumes over targets and presents them as /dev/ublkbN.
#include <unistd.h>

#include <csignal>

#include "common/config/memory_budget.h"
#include "common/config/parse.h"
#include "common/control/event_log.h"
#include "common/control/server.h"
#include "common/core/log.h"
#include "common/daemon/control_thread.h"
#include "common/daemon/launch.h"
#include "initiator/service.h"

namespace {

namespace daemon = weft::daemon;

// SIGTERM, SIGINT: end gracefully; refused while a disk is in use. SIGUSR1: leave the disks to the next
// daemon (an upgrade). `signal`: the first of them if it came already, else 0. True if the process is to end
// with _exit().
bool serve(int signal, daemon::Signals& signals, weft::control::Server& server,
           weft::initiator::Service& service) {
    for (;; signal = 0) {
        if (signal == 0) signal = signals.wait();
        service.give_up_waiting();
        if (signal == SIGUSR1) {
            daemon::notify("STOPPING=1\nSTATUS=leaving the disks to the next daemon");
            (void)daemon::on_control_thread(server, [&] { return service.leave(); });
            return true;
        }
        daemon::notify("STATUS=stopping");
        auto stopped = daemon::on_control_thread(server, [&] { return service.stop(false); });
        if (stopped) {
            daemon::notify("STOPPING=1");
            return false;
        }
        weft::log::warn(
            "not stopping, disks are in use: {}. Close them and send the signal again; or "
            "`weftctl detach --force NAME`; or SIGUSR1 to leave them to the next daemon",
            stopped.error().what);
        daemon::notify("STATUS=serving; a stop was refused because disks are in use");
    }
}

int run(const weft::config::Initiator& config, daemon::Signals& signals) {
    weft::control::EventLog events;
    weft::control::Server::Options options;
    options.path = config.control;
    auto server = weft::control::Server::create(options, events);
    if (!server) return daemon::complain(to_string(config.place) + ": " + server.error().what);
    weft::initiator::Service service(config, events);
    service.add_methods(**server);
    (*server)->start();
    int signal = 0;
    const auto on_signal = [&](int caught) {
        signal = caught;
        service.give_up_waiting();
    };
    auto started = daemon::on_control_thread(
        **server, [&] { return service.start(); }, signals, on_signal);
    if (!started) {
        (*server)->stop();
        return daemon::complain(started.error().what, signal == 0 ? daemon::kFailed : daemon::kEnded);
    }
    weft::log::info("serving {} volumes; memory at most {} MiB", config.volumes.size(),
                    weft::config::memory_budget(config).total >> 20U);
    daemon::notify("READY=1\nSTATUS=serving");
    if (serve(signal, signals, **server, service)) {
        weft::log::stop();
        ::_exit(0);
    }
    (*server)->stop();
    return daemon::kEnded;
}

}  // namespace

int main(int argc, char** argv) {
    const daemon::Program program{
        .name = "weft-initiator",
        .description =
            "Presents volumes that live on weft or other SRP targets as /dev/ublkbN.\n"
            "SIGTERM ends it unless a disk is in use; SIGUSR1 ends it and leaves the disks to the next one.",
        .configuration = "/etc/weft/initiator.yaml"};
    daemon::Arguments arguments;
    if (const auto status = daemon::read_arguments(program, argc, argv, arguments)) return *status;
    auto config = weft::config::parse_initiator(arguments.configuration);
    if (!config) return daemon::complain(config.error().what, daemon::kWrongConfiguration);
    auto signals = daemon::prepare(program, to_string(config->place),
                                   arguments.log_level.empty() ? config->log_level : arguments.log_level,
                                   weft::initiator::Service::locked_at_start(*config));
    if (!signals) return daemon::complain(signals.error().what);
    const int status = run(*config, *signals);
    weft::log::stop();
    return status;
}
