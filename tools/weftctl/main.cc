// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "tools/weftctl/commands.h"

using namespace weft::ctl;  // NOLINT(google-build-using-namespace)

namespace {

constexpr const char* kInitiatorSocket = "/run/weft/initiator.sock";
constexpr const char* kTargetSocket = "/run/weft/target.sock";

struct Arguments {
    std::string socket;
    bool target = false;
    double limit_s = 60;
    double interval_s = 1;
    StatusOptions status;
    EventsOptions events;
    CheckOptions check;
    std::string file;
    std::string volume;
    bool force = false;
    std::string peer;
    unsigned index = 0;

    [[nodiscard]] Daemon daemon() const {
        Daemon daemon;
        if (!socket.empty())
            daemon.sockets = {socket};
        else if (target)
            daemon.sockets = {kTargetSocket};
        else
            daemon.sockets = {kInitiatorSocket, kTargetSocket};
        daemon.limit = std::chrono::milliseconds{static_cast<long>(limit_s * 1000)};
        return daemon;
    }
};

void declare(CLI::App& app, Arguments& arguments) {
    app.require_subcommand(1);
    app.fallthrough();
    auto* socket =
        app.add_option("--socket", arguments.socket,
                       "Control socket (default: the initiator's, then the target's, in /run/weft)");
    app.add_flag("--target", arguments.target, "Talk to the target's default socket")->excludes(socket);
    app.add_option("--limit", arguments.limit_s, "Seconds to wait for an answer (60)")
        ->check(CLI::Range(0.1, 86'400.0));
    app.footer(
        "Exit codes: 0 done, 1 the daemon refused or failed, 2 wrong command line,\n"
        "3 no daemon reachable, 4 check found errors.");

    auto* status =
        app.add_subcommand("status", "Volumes, legs, sessions, channels, rates, memory and every wait");
    status->add_flag("--json", arguments.status.json, "The document of docs/status-json.md");
    status->add_flag("--watch", arguments.status.watch, "Again and again");
    status->add_option("--interval", arguments.interval_s, "Seconds between two (1)")
        ->check(CLI::Range(0.1, 3600.0));

    auto* check =
        app.add_subcommand("check", "Validate a configuration file of either daemon, without running it");
    auto* file = check->add_option("FILE", arguments.file, "The YAML file");
    check->add_flag("--machine", arguments.check.machine, "Also what depends on this machine");
    auto* dump =
        check->add_flag("--dump-keys", arguments.check.dump_keys, "List every key that there is")->group("");
    file->excludes(dump);

    auto* attach = app.add_subcommand("attach", "Attach a volume of the initiator's configuration");
    attach->add_option("VOLUME", arguments.volume, "Its name")->required();
    auto* detach = app.add_subcommand("detach", "Detach a volume; refused while it is in use");
    detach->add_option("VOLUME", arguments.volume, "Its name")->required();
    detach->add_flag("--force", arguments.force, "Even then: its I/O fails");

    auto* events = app.add_subcommand("events", "What happened lately");
    events->add_flag("--follow", arguments.events.follow, "And what happens from now on");
    events->add_flag("--json", arguments.events.json, "One JSON object per line");
    events->add_option("--last", arguments.events.limit, "At most so many of the past (100)")
        ->check(CLI::Range(0, 1000));

    auto* channel = app.add_subcommand("channel", "One queue pair");
    channel->require_subcommand(1);
    auto* drop = channel->add_subcommand("drop", "Cut it, as a drill; it comes back by itself");
    drop->add_option("PEER", arguments.peer, "The target (or, with --target, the initiator)")->required();
    drop->add_option("INDEX", arguments.index, "As status shows it")->required();

    app.add_subcommand("version", "Of this program and of the daemons that run");
}

int run(const CLI::App& app, Arguments& arguments) {
    arguments.status.interval = std::chrono::milliseconds{static_cast<long>(arguments.interval_s * 1000)};
    const Daemon daemon = arguments.daemon();
    const std::string name = app.get_subcommands().front()->get_name();
    if (name == "status") return show_status(daemon, arguments.status);
    if (name == "check") return check_file(arguments.file, arguments.check);
    if (name == "attach") return attach(daemon, arguments.volume);
    if (name == "detach") return detach(daemon, arguments.volume, arguments.force);
    if (name == "events") return show_events(daemon, arguments.events);
    if (name == "channel") return drop_channel(daemon, arguments.peer, arguments.index);
    return show_version(daemon);
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // NOLINT: a reader that leaves is no reason to die by a signal
    CLI::App app{"Looks at and steers weft's daemons over their control socket.", "weftctl"};
    Arguments arguments;
    declare(app, arguments);
    try {
        app.parse(argc, argv);
        if (app.got_subcommand("check") && arguments.file.empty() && !arguments.check.dump_keys)
            throw CLI::RequiredError("FILE");
        return run(app, arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kOk : kUsage;
    } catch (const std::exception& exception) {
        std::fprintf(stderr, "weftctl: %s\n", exception.what());
        return kFailed;
    }
}
