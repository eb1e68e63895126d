// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/core/result.h"

namespace weft::rdma {

enum class Access : std::uint8_t {
    local,         // our queue pairs read and write it; no peer may
    remote_write,  // and a peer with the key may RDMA WRITE it
    remote_read,   // and a peer with the key may RDMA READ it
    remote_both,
};

struct Keys {
    std::uint32_t lkey = 0;
    std::uint32_t rkey = 0;
};

// One registration of memory in a domain; deregistered when destroyed.
// REQUIRES: destroyed before its Domain and before the memory; no work in flight uses it.
class Registration {
  public:
    virtual ~Registration() = default;
    [[nodiscard]] virtual Keys keys() const = 0;
};

using RegistrationDone = std::function<void(Result<std::unique_ptr<Registration>>)>;

// A protection domain on one device: keys of one domain open nothing in another.
// Owner: an I_T nexus (target) or a session (initiator). Thread: the reactor's it was made on.
// REQUIRES: outlives its registrations and connections.
class Domain {
  public:
    virtual ~Domain() = default;
    // Registers [base, base + length). Pinning takes time in proportion to the length (37 ms per cold
    // MiB was seen under emulation), so it runs elsewhere; `done` runs on this reactor, never inside the
    // call. If the domain is destroyed first, `done` is dropped.
    virtual void register_memory(std::byte* base, std::size_t length, Access access,
                                 RegistrationDone done) = 0;
    // Runs `lost` once, on this reactor and never inside a call, when the device is gone. Then everything
    // made in the domain and the domain itself must be destroyed: the device's removal waits for that
    // (soft-RoCE: for ever). REQUIRES: called at most once.
    virtual void when_device_lost(std::function<void()> lost) = 0;
};

}  // namespace weft::rdma
