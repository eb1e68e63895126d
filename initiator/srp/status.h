// SPDX-License-Identifier: Apache-2.0
// What the initiator's SRP side tells about itself: plain copies, made on the reactor, readable anywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/core/clock.h"

namespace weft::initiator {

// Something that does not go on, why, and since when (architecture.md, invariant 6).
struct Wait {
    std::string reason;
    Duration age{};
    std::size_t requests = 0;  // that wait for it; 0: none does at the moment
    Duration limit{};          // the age at which it ends by itself; 0: when what it waits for comes
    std::string then;          // what happens at that age
};

struct ChannelCounters {
    std::uint64_t commands = 0;  // sent
    std::uint64_t bytes_in = 0;  // data of commands answered GOOD
    std::uint64_t bytes_out = 0;
    std::uint64_t immediate = 0;  // commands whose data went along in the SEND
    std::uint64_t aborts = 0;     // ABORT TASK sent, for whatever reason
    std::uint64_t timeouts = 0;   // commands not answered in time
    std::uint64_t probes = 0;     // heartbeats sent
    std::uint64_t strays = 0;     // responses nobody waited for
    std::uint64_t events = 0;     // asynchronous events (AER_REQ)
    std::uint64_t ignored = 0;    // of those, malformed, no unit attention, or of a unit that is not in use
    std::uint64_t connects = 0;   // successful logins
    std::uint64_t losses = 0;     // of a live connection
};

struct ChannelStatus {
    std::size_t index = 0;
    std::string path;    // "source -> address:port"
    std::string device;  // local RDMA device; "" before it is known
    std::string state;
    Duration age{};  // in that state
    std::size_t in_flight = 0;
    std::int32_t credits = 0;
    std::string problem;  // why the last attempt or connection ended; "" if it never did
    ChannelCounters counters;
};

struct SessionCounters {
    std::uint64_t logins = 0;       // of the first channel of a set
    std::uint64_t recoveries = 0;   // every path was gone, or had to be given up, and came back
    std::uint64_t failovers = 0;    // a channel was lost and others went on
    std::uint64_t resent = 0;       // commands given back to be sent again
    std::uint64_t settled = 0;      // writes of lost channels fenced by ABORT TASK
    std::uint64_t weak_fences = 0;  // logins at which the target could not say that old writes are over
};

struct SessionStatus {
    std::string target;
    std::string state;
    Duration age{};
    bool weft_peer = false;  // the target speaks weft's extension
    std::string problem;     // the last one
    std::vector<ChannelStatus> channels;
    std::vector<Wait> waits;
    std::size_t in_flight = 0;
    std::uint64_t memory_bytes = 0;  // of our own, registered: IUs and parameter data
    SessionCounters counters;
};

struct DeviceCounters {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t flushes = 0;
    std::uint64_t discards = 0;
    std::uint64_t zeroes = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_written = 0;
    std::uint64_t retries = 0;      // commands sent again, for whatever reason
    std::uint64_t errors = 0;       // requests that did not end well
    std::uint64_t lost_caches = 0;  // times that acknowledged writes not flushed may have been lost
};

struct DeviceStatus {
    std::string name;
    std::string target;
    std::string unit;  // its name or serial number, and LUN
    std::string state;
    Duration age{};
    std::string problem;  // why it is not ready
    std::size_t in_flight = 0;
    std::vector<Wait> waits;
    DeviceCounters counters;
};

}  // namespace weft::initiator
