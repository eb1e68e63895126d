// SPDX-License-Identifier: Apache-2.0
// Work requests and completions of a reliable-connected queue pair, as plain structs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::rdma {

// A piece of locally registered memory.
struct LocalBuffer {
    std::byte* address = nullptr;
    std::uint32_t length = 0;
    std::uint32_t lkey = 0;
};

// Memory of the peer, as the peer told it.
struct RemoteBuffer {
    std::uint64_t address = 0;
    std::uint32_t rkey = 0;
};

// Names a work request to its owner; echoed in its completion.
using WorkId = std::uint64_t;

enum class Opcode : std::uint8_t { send, write, read, receive };

inline constexpr std::size_t kSendBuffersMax = 2;

// One entry of the send queue. A zero-length write (no buffers) is legal: a probe.
struct SendWork {
    WorkId id = 0;
    Opcode opcode = Opcode::send;  // send, write or read
    bool signaled = true;          // false: no completion is delivered, ever (also none when flushed)
    bool inline_data = false;      // the data is copied at post; at most Limits::inline_bytes
    std::uint8_t buffer_count = 0;
    std::array<LocalBuffer, kSendBuffersMax> buffers{};
    RemoteBuffer remote;  // write, read
};

struct ReceiveWork {
    WorkId id = 0;
    LocalBuffer buffer;
};

enum class WorkStatus : std::uint8_t {
    ok,
    flushed,         // the queue pair was in error when its turn came; nothing is known of the peer
    remote_access,   // the peer's key or range was wrong
    remote_invalid,  // the peer refused the request (e.g. its receive was too short)
    retry_exceeded,  // the peer does not answer
    rnr_exceeded,    // the peer had no receive posted
    local_error,     // our own buffer or request was wrong
    other,
};
[[nodiscard]] std::string_view to_string(WorkStatus status);

struct Completion {
    WorkId id = 0;
    Opcode opcode = Opcode::send;  // meaningful when status is ok
    bool receive = false;          // from the receive queue; set whatever the status
    WorkStatus status = WorkStatus::ok;
    std::uint32_t length = 0;  // bytes received; receive and ok only
};

}  // namespace weft::rdma
