// SPDX-License-Identifier: Apache-2.0
// What weftctl does, one function per command. Each returns the exit code.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace weft::ctl {

enum ExitCode : int {
    kOk = 0,
    kFailed = 1,       // the daemon refused, or could not
    kUsage = 2,        // the command line is wrong
    kUnreachable = 3,  // no daemon answers on the socket
    kFindings = 4,     // check found errors
};

// Sockets to try, in order; the first that answers is used.
struct Daemon {
    std::vector<std::string> sockets;
    std::chrono::milliseconds limit{10'000};  // for an answer
};

struct StatusOptions {
    bool json = false;
    bool watch = false;
    std::chrono::milliseconds interval{1000};
};
int show_status(const Daemon& daemon, const StatusOptions& options);

struct EventsOptions {
    bool json = false;
    bool follow = false;
    unsigned limit = 100;
};
int show_events(const Daemon& daemon, const EventsOptions& options);

int attach(const Daemon& daemon, const std::string& volume);
int detach(const Daemon& daemon, const std::string& volume, bool force);
int drop_channel(const Daemon& daemon, const std::string& peer, unsigned index);
int show_version(const Daemon& daemon);

struct CheckOptions {
    bool machine = false;    // also what depends on this machine
    bool dump_keys = false;  // the keys that the parser knows, instead of a check
};
int check_file(const std::string& path, const CheckOptions& options);

}  // namespace weft::ctl
