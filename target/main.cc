// SPDX-License-Identifier: Apache-2.0
// weft-target: serves volumes over SRP.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "common/config/parse.h"
#include "common/control/event_log.h"
#include "common/control/server.h"
#include "common/core/log.h"
#include "common/daemon/control_thread.h"
#include "common/daemon/process.h"
#include "target/service.h"

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

int run(const weft::config::Target& config, weft::daemon::Signals& signals) {
    weft::control::EventLog events;
    weft::control::Server::Options options;
    options.path = config.control;
    auto server = weft::control::Server::create(options, events);
    if (!server) return complain(text_of(config.place) + ": " + server.error().what);
    weft::target::Service service(config, events);
    service.add_methods(**server);
    (*server)->start();
    auto started = weft::daemon::on_control_thread(**server, [&] { return service.start(); });
    if (started) {
        weft::daemon::notify("READY=1\nSTATUS=serving");
        (void)signals.wait();
        weft::daemon::notify("STOPPING=1");
        (void)weft::daemon::on_control_thread(**server, [&] {
            service.stop();
            return weft::Result<void>{};
        });
    }
    (*server)->stop();
    return started ? 0 : complain(started.error().what);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Serves block volumes over SRP on RDMA.", "weft-target"};
    std::string path = "/etc/weft/target.yaml";
    std::string level;
    app.add_option("-c,--config", path, "topology file")->capture_default_str();
    app.add_option("--log-level", level, "trace, debug, info, warn or error; overrides the file");
    app.set_version_flag("--version", std::string("weft-target ") + WEFT_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    auto config = weft::config::parse_target(path);
    if (!config) return complain(config.error().what, kWrongConfiguration);
    auto signals = weft::daemon::Signals::block();
    if (!signals) return complain(signals.error().what);
    const auto budget = weft::target::Service::memory_budget(*config);
    if (auto fine = weft::daemon::check_privileges(text_of(config->place), budget); !fine)
        return complain(fine.error().what);
    if (!weft::log::start("weft-target", level.empty() ? config->log_level : level))
        return complain("unknown log level '" + level + "': use trace, debug, info, warn or error");
    for (const auto& missing : weft::daemon::harden()) weft::log::warn("{}", missing);
    const int status = run(*config, *signals);
    weft::log::stop();
    return status;
}
