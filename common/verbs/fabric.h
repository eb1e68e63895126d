// SPDX-License-Identifier: Apache-2.0
// The RDMA seam on libibverbs and librdmacm. The only header of this room that others include; it names no
// vendor type.
#pragma once

#include <cstdint>
#include <memory>

#include "common/core/executor.h"
#include "common/core/poller.h"
#include "common/core/result.h"
#include "common/rdma/connection.h"
#include "common/reactor/reactor.h"

namespace weft::verbs {

struct Options {
    // Size of each shared completion queue; a queue pair takes its send + receive depth of it, and another
    // completion queue is made when the last is full. Clipped to what the device can do.
    std::uint32_t completion_entries = 8192;
    // How long a lost connection may wait for its work to be flushed. After that its queue pair is destroyed
    // (which ends every access by the device) and the rest is reported as flushed without the device's word.
    Duration drain_limit = 2s;
    // How long an accepted connection may be silent before its initiator has confirmed it. The CM itself
    // would hold one whose initiator went away at the wrong moment for 69 s.
    Duration accept_limit = 10s;
};

// What happened since the start; never on the data path. Read on the fabric's thread.
struct Counters {
    std::uint64_t connections = 0;        // queue pairs that reached ready-to-send
    std::uint64_t connect_failures = 0;   // attempts of ours that failed
    std::uint64_t requests = 0;           // connection requests that arrived
    std::uint64_t disconnects = 0;        // live connections lost, for whatever reason
    std::uint64_t transport_errors = 0;   // of these: work that failed
    std::uint64_t posts_refused = 0;      // of these: posts the device refused
    std::uint64_t drain_timeouts = 0;     // connections whose flushes did not all come
    std::uint64_t accept_timeouts = 0;    // accepted connections that were never confirmed
    std::uint64_t stale_completions = 0;  // completions of queue pairs destroyed before they were drained
    std::uint64_t port_errors = 0;        // ports that went down
    std::uint64_t port_recoveries = 0;    // ports that came back
    std::uint64_t device_failures = 0;    // devices that were removed or failed
};

// The connections, listeners and devices of one reactor.
// Owner: the reactor's assembly. Thread: the reactor's, or the constructing one before the reactor runs.
// REQUIRES: outlives everything it made; destroyed while `executor` and `sleeper` live and after
// poller() was removed from the reactor.
class Fabric : public rdma::Fabric {
  public:
    // Fails with a sentence that says what to do if this machine has no RDMA device, the kernel's RDMA/CM is
    // not reachable, or we may not use it.
    [[nodiscard]] static Result<std::unique_ptr<Fabric>> create(Executor& executor, reactor::Sleeper& sleeper,
                                                                const Options& options = {});

    // Must be in the reactor's list of pollers as long as there is anything of this fabric: completions and
    // most other callbacks come from its poll(), posts are handed to the device in its flush().
    [[nodiscard]] virtual Poller& poller() = 0;
    [[nodiscard]] virtual const Counters& counters() const = 0;
};

// Whether there is a usable RDMA device, as `create` would find; for checks of a configuration. Any thread.
// `device`: this one must be there; "" for any.
[[nodiscard]] Result<void> probe(const std::string& device = "");

}  // namespace weft::verbs
