// SPDX-License-Identifier: Apache-2.0
// What an earlier daemon left of a volume's ublk device, and what is to become of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/core/result.h"
#include "common/core/uuid.h"
#include "initiator/ublk/control.h"
#include "initiator/ublk/node.h"
#include "initiator/ublk/record.h"

namespace weft::ublk {

// What the kernel keeps for us with a device, so that it is known again without any file: from the volume's
// UUID. Never 0: that is what devices have that others made.
[[nodiscard]] std::uint64_t tag_of(const Uuid& uuid);

struct Leftover {
    abi::DeviceInfo device;
    std::string not_to_take_over;  // why it must go instead; empty: take it over
};

// Looks for the volume's device, in its record and among all there are. Ones that never started are removed
// on the way. nullopt: there is none. Thread: the control thread.
[[nodiscard]] Result<std::optional<Leftover>> find_leftover(Control& control, const RecordFile& file,
                                                            const Uuid& uuid, const Places& places);

// Takes the disk away (its users get I/O errors) and forgets the device; waits a moment for its number to be
// free.
[[nodiscard]] Result<void> clear_away(Control& control, std::uint32_t number);

}  // namespace weft::ublk
