// SPDX-License-Identifier: Apache-2.0
// What `weftctl status` shows of the SRP front end. Plain values, filled on the reactor's thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/clock.h"
#include "common/srp/iu.h"

namespace weft::target {

// Of a channel while it lives; of a nexus and of the port summed up over all channels, past ones included.
struct Counters {
    std::uint64_t commands = 0;
    std::uint64_t bytes_in = 0;   // DATA-IN: sent to initiators
    std::uint64_t bytes_out = 0;  // DATA-OUT: taken from initiators
    std::uint64_t check_conditions = 0;
    std::uint64_t aborted = 0;  // commands that were withdrawn
    std::uint64_t task_management = 0;
    std::uint64_t protocol_errors = 0;   // channels dropped because of what the peer sent
    std::uint64_t transport_errors = 0;  // channels lost by a failed work request
    std::uint64_t probes_missed = 0;

    Counters& operator+=(const Counters& other) {
        commands += other.commands;
        bytes_in += other.bytes_in;
        bytes_out += other.bytes_out;
        check_conditions += other.check_conditions;
        aborted += other.aborted;
        task_management += other.task_management;
        protocol_errors += other.protocol_errors;
        transport_errors += other.transport_errors;
        probes_missed += other.probes_missed;
        return *this;
    }
};

// Something that waits: why, and for how long.
struct Wait {
    std::string reason;
    Duration age{};
};

struct ChannelStatus {
    std::string peer;
    std::string device;
    std::string_view state;
    Duration age{};
    std::uint32_t request_limit = 0;
    std::uint32_t granted = 0;  // credits the initiator has
    std::uint32_t in_flight = 0;
    std::uint32_t waiting = 0;  // received, not started
    bool immediate_data = false;
    std::uint64_t memory_bytes = 0;
    Counters counters;
    std::vector<Wait> waits;
};

struct NexusStatus {
    srp::PortId initiator{};
    std::uint64_t logins = 0;
    std::uint64_t buffer_bytes = 0;
    std::uint64_t buffer_bytes_lent = 0;
    std::vector<std::uint32_t> luns;
    Counters counters;
    std::vector<Wait> waits;
    std::vector<ChannelStatus> channels;
};

struct PortStatus {
    srp::PortId port_id{};
    std::uint64_t logins = 0;
    std::uint64_t rejected = 0;
    Counters counters;
    std::vector<NexusStatus> nexuses;
};

}  // namespace weft::target
