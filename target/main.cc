// SPDX-License-Identifier: Apache-2.0
// weft-target: serves volumes over SRP.
#include "common/config/memory_budget.h"
#include "common/config/parse.h"
#include "common/control/event_log.h"
#include "common/control/server.h"
#include "common/core/log.h"
#include "common/daemon/control_thread.h"
#include "common/daemon/launch.h"
#include "target/service.h"

namespace {

namespace daemon = weft::daemon;

int run(const weft::config::Target& config, daemon::Signals& signals) {
    weft::control::EventLog events;
    weft::control::Server::Options options;
    options.path = config.control;
    auto server = weft::control::Server::create(options, events);
    if (!server) return daemon::complain(to_string(config.place) + ": " + server.error().what);
    weft::target::Service service(config, events);
    service.add_methods(**server);
    (*server)->start();
    auto started = daemon::on_control_thread(**server, [&] { return service.start(); });
    if (started) {
        weft::log::info("serving {} volumes; memory at most {} MiB", config.volumes.size(),
                        weft::config::memory_budget(config).total >> 20U);
        daemon::notify("READY=1\nSTATUS=serving");
        (void)signals.wait();
        daemon::notify("STOPPING=1");
        (void)daemon::on_control_thread(**server, [&] {
            service.stop();
            return weft::Result<void>{};
        });
    }
    (*server)->stop();
    return started ? daemon::kEnded : daemon::complain(started.error().what);
}

}  // namespace

int main(int argc, char** argv) {
    const daemon::Program program{.name = "weft-target",
                                  .description = "Serves block volumes over SRP on RDMA.",
                                  .configuration = "/etc/weft/target.yaml"};
    daemon::Arguments arguments;
    if (const auto status = daemon::read_arguments(program, argc, argv, arguments)) return *status;
    auto config = weft::config::parse_target(arguments.configuration);
    if (!config) return daemon::complain(config.error().what, daemon::kWrongConfiguration);
    auto signals = daemon::prepare(program, to_string(config->place),
                                   arguments.log_level.empty() ? config->log_level : arguments.log_level,
                                   weft::target::Service::locked_at_start(*config));
    if (!signals) return daemon::complain(signals.error().what);
    const int status = run(*config, *signals);
    weft::log::stop();
    return status;
}
