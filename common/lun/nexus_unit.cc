// SPDX-License-Identifier: Apache-2.0
#include "common/lun/nexus_unit.h"

#include <bit>

#include "common/core/check.h"

namespace weft::lun {

namespace {

using Attention = NexusUnit::Attention;

constexpr std::uint32_t bit(Attention attention) { return 1U << static_cast<unsigned>(attention); }
constexpr std::uint32_t kResets =
    bit(Attention::power_on) | bit(Attention::bus_reset) | bit(Attention::nexus_loss);

}  // namespace

void NexusUnit::raise(Attention attention) {
    if (attention == Attention::none) return;
    pending_ |= bit(attention);
    const std::uint32_t resets = pending_ & kResets;
    if (resets != 0) pending_ = (pending_ & ~kResets) | 1U << static_cast<unsigned>(std::countr_zero(resets));
}

Attention NexusUnit::take() {
    if (pending_ == 0) return Attention::none;
    const auto first = static_cast<Attention>(std::countr_zero(pending_));
    withdraw(first);
    return first;
}

void NexusUnit::withdraw(Attention attention) { pending_ &= ~bit(attention); }

scsi::Sense sense_of(Attention attention) {
    const auto sense = [](scsi::SenseCode code) {
        return scsi::Sense{.key = scsi::SenseKey::unit_attention, .code = code};
    };
    switch (attention) {
        case Attention::none: return {};
        case Attention::power_on: return sense(scsi::SenseCode::power_on);
        case Attention::bus_reset: return sense(scsi::SenseCode::device_reset);
        case Attention::nexus_loss: return sense(scsi::SenseCode::nexus_loss);
        case Attention::cleared_by_other: return sense(scsi::SenseCode::cleared_by_other);
        case Attention::capacity_changed: return sense(scsi::SenseCode::capacity_changed);
        case Attention::inquiry_changed: return sense(scsi::SenseCode::inquiry_changed);
        case Attention::luns_changed: return sense(scsi::SenseCode::luns_changed);
    }
    WEFT_UNREACHABLE("Attention");
}

}  // namespace weft::lun
