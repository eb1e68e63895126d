// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/launch.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "common/core/log.h"

namespace weft::daemon {

std::optional<int> read_arguments(const Program& program, int argc, char** argv, Arguments& arguments) {
    CLI::App app{program.description, program.name};
    arguments.configuration = program.configuration;
    app.add_option("-c,--config", arguments.configuration, "topology file")->capture_default_str();
    app.add_option("--log-level", arguments.log_level,
                   "trace, debug, info, warn or error; overrides the file");
    app.set_version_flag("--version", program.name + " " + WEFT_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kEnded : kUsage;
    }
    return std::nullopt;
}

Result<Signals> prepare(const Program& program, const std::string& place, const std::string& log_level,
                        std::uint64_t bytes_locked) {
    auto signals = Signals::block();
    if (!signals) return signals;
    if (auto fine = check_privileges(place, bytes_locked); !fine) return Failure(fine.error());
    if (!log::start(program.name, log_level))
        return fail("unknown log level '" + log_level + "': use trace, debug, info, warn or error");
    for (const auto& missing : harden()) log::warn("{}", missing);
    return signals;
}

int complain(const std::string& what, int status) {
    std::fprintf(stderr, "%s\n", what.c_str());
    return status;
}

}  // namespace weft::daemon
