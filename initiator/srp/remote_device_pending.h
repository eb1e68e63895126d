// SPDX-License-Identifier: Apache-2.0
// One request's state in a remote device; it lives in the request's scratch. Private to remote_device*.cc.
#pragma once

#include <array>
#include <cstdint>

#include "initiator/srp/remote_device.h"

namespace weft::initiator {

struct RemoteDevice::Pending final : public Command {
    RemoteDevice* device = nullptr;
    block::IoRequest* io = nullptr;
    std::uint64_t order = 0;  // in which the tree submitted
    Instant submitted{};
    Instant not_before{};           // while delayed
    std::uint64_t blocks_done = 0;  // larger requests go in pieces, one after the other
    std::uint64_t piece = 0;
    std::uint16_t delays = 0;    // in a row, because the unit was busy
    std::uint16_t failures = 0;  // answers that may be tried again at once
    std::uint64_t covers = 0;    // a flush: changes_ of the device when it was sent
    bool syncing = false;        // the data is written; the cache is being flushed, for FUA
    std::uint64_t power = 0;     // powers_ of the device when the first piece was sent
    std::array<std::byte, 24> parameters{};
};

}  // namespace weft::initiator
