// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/assembly.h"

#include <algorithm>
#include <utility>

#include "common/core/check.h"

namespace weft::mirror {

namespace {

LegVerdict refuse(std::string why, bool diverged = false) {
    return {.verdict = Verdict::refused, .why = std::move(why), .diverged = diverged};
}

const Member& self_of(const Superblock& superblock) { return superblock.members[superblock.self]; }

bool calls_itself_in_sync(const Superblock& superblock) {
    return self_of(superblock).state == LegState::in_sync;
}

std::string number_of(const Epoch& epoch) { return "epoch " + std::to_string(epoch.number); }

// Whether a leg that was in sync in `epoch` last has been nowhere else since it parted.
bool is_where_it_parted(const Member& member, const Epoch& epoch) {
    if (epoch == member.parted.epoch) return true;
    return std::any_of(member.doubts.begin(), member.doubts.end(),
                       [&](const Claim& doubt) { return doubt.epoch == epoch; });
}

LegVerdict judge_member(const Superblock& base, std::size_t index, const Superblock& leg) {
    const Member& member = base.members[index];
    const bool itself = calls_itself_in_sync(leg);
    LegVerdict verdict{.member = index};
    if (member.state == LegState::in_sync) {
        // Who changed the epoch last may have died before everybody knew: nothing was acknowledged in it
        // then. That holds for a leg that was to learn of its being in sync, too.
        if (leg.epoch == base.epoch || leg.epoch == base.previous) {
            verdict.verdict = Verdict::in_sync;
            return verdict;
        }
        return refuse("it is in " + number_of(leg.epoch) + ", the others know it in " +
                          number_of(base.epoch) + ": it went back or went on without them",
                      itself);
    }
    if (is_where_it_parted(member, leg.epoch)) {
        verdict.verdict = member.from_nothing ? Verdict::from_nothing : Verdict::behind;
        return verdict;
    }
    // It holds nothing that others lack; but what it holds is not known.
    if (!itself) {
        verdict.verdict = Verdict::from_nothing;
        verdict.anew = true;
        return verdict;
    }
    return refuse("it went on without the others: it is in " + number_of(leg.epoch) + ", they parted in " +
                      number_of(member.parted.epoch),
                  true);
}

// The one that speaks for the volume: of the highest epoch among those that call themselves in sync.
std::optional<std::size_t> choose_base(const std::vector<std::optional<Slot>>& legs) {
    std::optional<std::size_t> base;
    for (std::size_t i = 0; i < legs.size(); ++i) {
        if (!legs[i] || legs[i]->kind != SlotKind::valid) continue;
        const Superblock& here = legs[i]->superblock;
        if (!calls_itself_in_sync(here)) continue;
        if (!base || here.epoch.number > legs[*base]->superblock.epoch.number) base = i;
    }
    return base;
}

std::string without_a_base(const std::vector<std::optional<Slot>>& legs) {
    bool stale = false;
    bool away = false;
    for (const auto& leg : legs) {
        away = away || !leg;
        stale = stale || (leg && leg->kind == SlotKind::valid);
    }
    if (stale) return "the legs that are here lack writes that were acknowledged: bring one that is in sync";
    if (away) return "no leg of it is here";
    return "its legs hold no mirror: make one with weftctl volume create";
}

// Members that are in sync, but on none of the legs that are here.
std::vector<std::size_t> missing_of(const Superblock& base, const std::vector<LegVerdict>& legs) {
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < base.members.size(); ++i) {
        if (base.members[i].state != LegState::in_sync) continue;
        const bool here =
            std::any_of(legs.begin(), legs.end(), [&](const auto& leg) { return leg.member == i; });
        if (!here) missing.push_back(i);
    }
    return missing;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::in_sync: return "in sync";
        case Verdict::behind: return "behind";
        case Verdict::from_nothing: return "from nothing";
        case Verdict::refused: return "refused";
        case Verdict::absent: return "absent";
    }
    WEFT_UNREACHABLE("Verdict");
}

LegVerdict judge(const Superblock& base, const Slot& slot) {
    switch (slot.kind) {
        case SlotKind::blank: return {.verdict = Verdict::from_nothing};
        case SlotKind::foreign: return refuse("there is something else at its end");
        case SlotKind::damaged:
        case SlotKind::newer: return refuse(slot.problem);
        case SlotKind::valid: break;
    }
    const Superblock& leg = slot.superblock;
    if (leg.volume != base.volume)
        return refuse("it belongs to another volume, '" + leg.name + "' (" + leg.volume.to_string() + ")");
    for (std::size_t i = 0; i < base.members.size(); ++i) {
        if (base.members[i].uuid != self_of(leg).uuid) continue;
        if (leg.shape != base.shape) return refuse("its superblock gives the volume another size");
        return judge_member(base, i, leg);
    }
    return refuse("it was replaced by another leg");
}

Assembly assemble(const std::vector<std::optional<Slot>>& legs) {
    Assembly assembly;
    assembly.legs.resize(legs.size());
    assembly.base = choose_base(legs);
    if (!assembly.base) {
        assembly.why = without_a_base(legs);
        return assembly;
    }
    const Superblock& base = legs[*assembly.base]->superblock;
    for (std::size_t i = 0; i < legs.size(); ++i) {
        if (legs[i]) assembly.legs[i] = judge(base, *legs[i]);
    }
    for (std::size_t i = 0; i < legs.size(); ++i) {
        LegVerdict& leg = assembly.legs[i];
        if (!leg.member) continue;
        for (std::size_t other = 0; other < i; ++other) {
            if (assembly.legs[other].member != leg.member) continue;
            assembly.why = "legs " + std::to_string(other) + " and " + std::to_string(i) +
                           " are copies of one another: take one of them away";
            return assembly;
        }
    }
    const auto stray = std::find_if(assembly.legs.begin(), assembly.legs.end(),
                                    [](const LegVerdict& leg) { return leg.diverged; });
    if (stray != assembly.legs.end()) {
        assembly.why =
            "leg " + std::to_string(stray - assembly.legs.begin()) + ": " + stray->why +
            "; both may hold writes that the other lacks: say with weftctl leg replace which one is to go";
        return assembly;
    }
    // A leg that is away may have gone on without these, if it was in sync; one that a blank one replaced has
    // not. Which one that is can be told only if no other is away.
    const auto missing = missing_of(base, assembly.legs);
    std::size_t blank = 0;
    std::size_t unclear = 0;
    for (const LegVerdict& leg : assembly.legs) {
        if (leg.verdict == Verdict::from_nothing && !leg.member) ++blank;
        if (leg.verdict == Verdict::absent || leg.verdict == Verdict::refused) ++unclear;
    }
    if (missing.size() > blank || (!missing.empty() && unclear > 0)) {
        assembly.may_be_forced = true;
        assembly.why = "leg " + std::to_string(missing.front()) + " (" +
                       base.members[missing.front()].uuid.to_string() +
                       ") was in sync and is away: it may have gone on without the others";
        return assembly;
    }
    assembly.complete = true;
    return assembly;
}

}  // namespace weft::mirror
