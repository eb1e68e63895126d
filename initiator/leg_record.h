// SPDX-License-Identifier: Apache-2.0
// What a volume's legs were when it was last attached, so that a leg that came back smaller or as another
// medium is noticed before anything is served from it. Kept in a file of the state directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/result.h"
#include "common/core/uuid.h"

namespace weft::initiator {

struct LegRecord {
    std::string identity;  // no white space; "-": the unit says nothing of itself
    std::uint32_t block_size = 0;
    std::uint64_t blocks = 0;
    // Of the medium's cache (scsi::Epoch) when what was written last was acknowledged; nil: not known.
    Uuid epoch = {};

    friend bool operator==(const LegRecord&, const LegRecord&) = default;
};

// As text: "weft-legs 2", then a line "IDENTITY BLOCK_SIZE BLOCKS EPOCH" per leg in order. Version 1 had no
// EPOCH.
[[nodiscard]] std::string to_text(const std::vector<LegRecord>& legs);
[[nodiscard]] Result<std::vector<LegRecord>> parse_leg_records(std::string_view text);

// Why `now` may not be served as the volume that `before` was; "" if it may. Legs may grow only at the end of
// the last one, and legs may be added behind.
[[nodiscard]] std::string changed_for_the_worse(const std::vector<LegRecord>& before,
                                                const std::vector<LegRecord>& now);

// For a volume that a daemon takes over from the one before it: legs keep the epoch that is on record, if it
// is known, until its end has been told to whoever uses the volume.
void keep_epochs(const std::vector<LegRecord>& before, std::vector<LegRecord>& now);

// nullopt: never attached. `path` is DIRECTORY/NAME.legs. Writing is atomic and durable.
[[nodiscard]] Result<std::optional<std::vector<LegRecord>>> load_leg_records(const std::string& path);
[[nodiscard]] Result<void> save_leg_records(const std::string& path, const std::vector<LegRecord>& legs);

}  // namespace weft::initiator
