// SPDX-License-Identifier: Apache-2.0
// The memory that a configuration can come to use at most, as the written sum of its holders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/schema.h"

namespace weft::config {

struct MemoryShare {
    std::string holder;   // "volume data: 128 tags x 512KiB"
    std::uint64_t bytes;  // saturates
};

struct MemoryBudget {
    std::vector<MemoryShare> shares;
    std::uint64_t total = 0;  // saturates
};

// What the SRP rooms know of their buffers; the defaults are round figures above them.
struct ChannelBuffers {
    std::uint64_t initiator_channel = 256U << 10U;  // IUs of one initiator channel
    // Behind one credit of a target channel: a receive buffer of three pages (8 KiB of immediate data,
    // aligned to pages, as Linux and weft ask for), a page for parameters, a response.
    std::uint64_t target_credit = (16U << 10U) + 256U;
    std::uint64_t target_channels = 384;  // of one reactor, whatever the nexuses would allow
};

[[nodiscard]] MemoryBudget memory_budget(const Initiator& initiator, const ChannelBuffers& buffers = {});
// With every nexus logged in on every channel. A memory volume costs page tables of the HCA per nexus that
// may see it.
[[nodiscard]] MemoryBudget memory_budget(const Target& target, const ChannelBuffers& buffers = {});

}  // namespace weft::config
