// SPDX-License-Identifier: Apache-2.0
#include "common/config/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/config/scalar.h"

namespace weft::config {

namespace {

constexpr std::uint64_t kTranslationBytes = 8;  // per page of 4 KiB that is registered

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
    std::uint64_t result = 0;
    return __builtin_mul_overflow(a, b, &result) ? ~std::uint64_t{0} : result;
}

void add(MemoryBudget& budget, std::string holder, std::uint64_t bytes) {
    if (bytes == 0) return;
    budget.shares.push_back({std::move(holder), bytes});
    if (__builtin_add_overflow(budget.total, bytes, &budget.total)) budget.total = ~std::uint64_t{0};
}

}  // namespace

MemoryBudget memory_budget(const Initiator& initiator, const ChannelBuffers& buffers) {
    MemoryBudget budget;
    for (const Volume& volume : initiator.volumes)
        add(budget,
            fmt::format("volume {}: {} tags x {}", volume.name, volume.queue_depth,
                        format_size(volume.max_io_bytes)),
            product(volume.queue_depth, volume.max_io_bytes));
    for (const RemoteTarget& target : initiator.targets) {
        std::uint64_t channels = 0;
        for (const Path& path : target.paths) channels += path.qps;
        add(budget, fmt::format("session {}: {} channels", target.name, channels),
            product(channels, buffers.initiator_channel));
    }
    return budget;
}

MemoryBudget memory_budget(const Target& target, const ChannelBuffers& buffers) {
    MemoryBudget budget;
    const TargetLimits& limits = target.limits;
    std::uint64_t registered = 0;
    for (const ExportedVolume& volume : target.volumes) {
        if (volume.backend != BackendKind::memory) continue;
        add(budget, fmt::format("volume {}: memory", volume.name), volume.size);
        registered += volume.size / 4096;
    }
    add(budget,
        fmt::format("{} nexuses x {} of data buffers", limits.nexuses,
                    format_size(limits.nexus_buffer_bytes)),
        product(limits.nexuses, limits.nexus_buffer_bytes));
    const std::uint64_t channels = std::min(product(limits.nexuses, limits.channels_per_nexus),
                                            product(target.reactors, buffers.target_channels));
    add(budget,
        fmt::format("{} channels x {} credits x {}", channels, limits.request_limit,
                    format_size(buffers.target_credit)),
        product(channels, product(limits.request_limit, buffers.target_credit)));
    add(budget, fmt::format("registrations of memory volumes for {} nexuses", limits.nexuses),
        product(limits.nexuses, product(registered, kTranslationBytes)));
    return budget;
}

}  // namespace weft::config
