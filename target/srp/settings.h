// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/core/clock.h"
#include "common/srp/iu.h"

namespace weft::target {

// What a target port is and what it allows. Ranges: config/schema.h.
struct Settings {
    srp::PortId port_id{};
    std::uint32_t request_limit = 128;      // credits of a channel
    std::uint32_t nexuses_max = 256;        // initiators at once
    std::uint32_t channels_per_nexus = 32;  // live, being made or draining
    std::uint32_t channels_max = 384;       // of all nexuses: each takes one of the reactor's regions
    std::uint64_t nexus_buffer_bytes = std::uint64_t{16} << 20U;
    Duration heartbeat{200ms};  // probe of a silent channel; 0: off
    std::uint32_t heartbeat_misses = 5;
    Duration establish_timeout{30s};  // from our answer to the initiator's ready-to-use
    Duration nexus_grace{60s};        // what a nexus remembers is kept so long after its last channel
};

// Bytes of the longest IU we send: 36 + 4 + sense. Constant, because ib_srp never makes its receive buffers
// larger when it logs in again (srp.md 0.6).
inline constexpr std::uint32_t kTiIuBytes = 256;
// The longest IU we take; what is asked for beyond is refused.
inline constexpr std::uint32_t kItIuBytesMax = 65536;

}  // namespace weft::target
