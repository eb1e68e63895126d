// SPDX-License-Identifier: Apache-2.0
// Which legs make the volume: decided from what they say at their ends, and from nothing else. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/mirror/superblock.h"

namespace weft::mirror {

enum class Verdict : std::uint8_t {
    in_sync,       // has everything that was acknowledged
    behind,        // lacks some of the dirty regions
    from_nothing,  // is to get everything that was ever written
    refused,       // not to be touched
    absent,        // nothing is known of it
};
[[nodiscard]] std::string_view to_string(Verdict verdict);

struct LegVerdict {
    Verdict verdict = Verdict::absent;
    std::optional<std::size_t> member;  // in the superblock that it was judged by; none: refused or absent
    std::string why;                    // if refused, as a sentence for people
    // From nothing: what it got already does not count. It was told things that this base knows nothing of.
    bool anew = false;
    // Refused, though it calls itself in sync: it may hold writes that were acknowledged and that the others
    // have not.
    bool diverged = false;
};

// What a leg that says `slot` is to a volume that `base` speaks for. A blank one is nobody yet: it may take
// the place of any member that is not there.
[[nodiscard]] LegVerdict judge(const Superblock& base, const Slot& slot);

struct Assembly {
    std::optional<std::size_t> base;  // the leg whose superblock speaks for the volume, and whose map counts
    std::vector<LegVerdict> legs;     // in the order in which they were given
    // The volume may be served, by those that are in sync. Not: `why` says what is missing or wrong.
    bool complete = false;
    // Not complete, but if somebody says that no leg that is away has gone on without these, it may be
    // served.
    bool may_be_forced = false;
    std::string why;
};

// `legs`: what each says, in the topology's order; none: it is away.
[[nodiscard]] Assembly assemble(const std::vector<std::optional<Slot>>& legs);

}  // namespace weft::mirror
