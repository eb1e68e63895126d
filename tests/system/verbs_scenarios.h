// SPDX-License-Identifier: Apache-2.0
// What verbs_smoke does with a Client and a Server that need no fault from outside.
#pragma once

#include <span>
#include <string>

#include "tests/system/verbs_peers.h"

namespace weft::test {

inline constexpr rdma::WorkId kWork = 1000;  // ids of work; below: receives

struct Target {
    rdma::Endpoint endpoint;
    std::string source;
};

void passed(const std::string& what);  // "ok: WHAT" on stdout

void log_in(Client& client, const Target& target);
// Waits for the end and checks what the seam promises about it: each receive and each of `posted` is reported
// once, all in order.
void check_end(Client& client, rdma::DisconnectReason reason, std::span<const rdma::WorkId> posted = {});

// All scenarios, one after another. Ends the program at the first that fails.
void run_scenarios(const Target& target);

}  // namespace weft::test
