// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/config/schema.h"
#include "common/config/section.h"

namespace weft::config {

// Reads the whole document; what is wrong is in the reading's findings. Pure.
[[nodiscard]] Initiator read_initiator(Reading& reading);

}  // namespace weft::config
