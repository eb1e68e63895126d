// SPDX-License-Identifier: Apache-2.0
#include "target/seat.h"

#include <utility>

namespace weft::target {

Result<std::unique_ptr<Seat>> Seat::take(Volume& volume, daemon::ReactorThread& thread,
                                         const srp::PortId& target_port) {
    auto device = volume.make_device(thread);
    if (!device) return Failure(device.error());
    return std::unique_ptr<Seat>(new Seat(volume, std::move(*device), target_port));
}

Seat::Seat(Volume& volume, std::unique_ptr<block::BlockDevice> device, const srp::PortId& target_port)
    : volume_(volume), device_(std::move(device)), unit_(*device_, volume.identity(target_port)) {}

std::optional<Export> Seat::visible_to(const srp::PortId& initiator) {
    const config::Grant* grant = volume_.grant_for(initiator);
    if (grant == nullptr) return std::nullopt;
    const config::ExportedVolume& config = volume_.config();
    const bool read_only = config.read_only || grant->access == config::AccessRight::ro;
    return Export{.number = config.lun, .unit = &unit_, .read_only = read_only};
}

}  // namespace weft::target
