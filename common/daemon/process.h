// SPDX-License-Identifier: Apache-2.0
// The process around a daemon: signals, its limits, and what the service manager is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/core/result.h"
#include "common/core/unique_fd.h"

namespace weft::daemon {

// SIGTERM, SIGINT and SIGUSR1 as something to wait for. Made by main before any thread, so that every thread
// has them blocked.
class Signals {
  public:
    [[nodiscard]] static Result<Signals> block();
    // Waits for the next one, or for `wake_fd` (-1: none) to be readable; the signal's number, or 0.
    [[nodiscard]] int wait(int wake_fd = -1);

  private:
    explicit Signals(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

// Makes the process what a storage daemon must be: memory locked, no core dump that would hold its
// descriptors for minutes, no SIGPIPE, many descriptors. Returns what could not be had, a sentence each.
[[nodiscard]] std::vector<std::string> harden();

// Checks what must be there before anything starts: the effective user, and room to lock `bytes`. `place`:
// the configuration's "file:line", for the message.
[[nodiscard]] Result<void> check_privileges(const std::string& place, std::uint64_t bytes_locked);

// sd_notify: "READY=1", "STATUS=...", "STOPPING=1". Does nothing without a service manager.
void notify(const std::string& state);

}  // namespace weft::daemon
