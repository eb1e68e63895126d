// SPDX-License-Identifier: Apache-2.0
// What both daemons' main() does before its service can be made. Thread: main's, the only one there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/core/result.h"
#include "common/daemon/process.h"

namespace weft::daemon {

enum ExitStatus : int {
    kEnded = 0,
    kFailed = 1,
    kUsage = 2,
    kWrongConfiguration = 4,  // the systemd units do not start it again then
};

struct Program {
    std::string name;
    std::string description;
    std::string configuration;  // the file it reads unless told
};

struct Arguments {
    std::string configuration;
    std::string log_level;  // "": as the file says
};

// Reads the command line; a status if the process is to end with it (--help, --version, a mistake).
[[nodiscard]] std::optional<int> read_arguments(const Program& program, int argc, char** argv,
                                                Arguments& arguments);

// Signals, privileges, the log, what hardens the process. `place`: the configuration's "file:line";
// `log_level`: what it says; `bytes_locked`: the memory it needs.
[[nodiscard]] Result<Signals> prepare(const Program& program, const std::string& place,
                                      const std::string& log_level, std::uint64_t bytes_locked);

// Says it on standard error, where the log may not be; returns `status`.
int complain(const std::string& what, int status = kFailed);

}  // namespace weft::daemon
