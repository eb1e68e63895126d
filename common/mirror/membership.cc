// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/membership.h"

#include <algorithm>
#include <utility>

#include "common/core/check.h"

namespace weft::mirror {

namespace {

constexpr std::uint8_t bit(std::size_t index) { return static_cast<std::uint8_t>(1U << index); }

}  // namespace

Membership::Membership(Superblock base, const std::vector<std::optional<Superblock>>& says)
    : confirmed_(std::move(base)) {
    const std::size_t count = confirmed_.members.size();
    WEFT_CHECK(says.size() == count);
    known_.resize(count);
    wishes_.resize(count);
    fresh_.resize(count);
    here_.resize(count);
    // Whoever copied to a leg is gone.
    for (Member& it : confirmed_.members) {
        if (it.state == LegState::rebuilding) it.state = LegState::stale;
    }
    told_ = confirmed_;
    for (std::size_t i = 0; i < count; ++i) {
        if (confirmed_.members[i].state != LegState::in_sync) continue;
        WEFT_CHECK(says[i].has_value());
        known_[i].at = {.epoch = says[i]->epoch, .in_sync = claim_of(*says[i])};
    }
}

Member& Membership::member(std::size_t index) {
    WEFT_CHECK(index < told_.members.size());
    return told_.members[index];
}

bool Membership::settled() const { return !suspended_ && awaited_.empty() && !wanted_; }

std::uint8_t Membership::in_sync_now() const {
    std::uint8_t mask = 0;
    for (std::size_t i = 0; i < told_.members.size(); ++i) {
        if (told_.members[i].state == LegState::in_sync) mask |= bit(i);
    }
    return mask;
}

std::uint8_t Membership::claim_of(const Superblock& says) const {
    if (says.members[says.self].state != LegState::in_sync) return 0;
    std::uint8_t mask = 0;
    for (const Member& it : says.members) {
        if (it.state != LegState::in_sync) continue;
        const auto here = std::find_if(told_.members.begin(), told_.members.end(),
                                       [&](const Member& member) { return member.uuid == it.uuid; });
        if (here == told_.members.end()) return 0;  // it was replaced
        mask |= bit(static_cast<std::size_t>(here - told_.members.begin()));
    }
    return mask;
}

bool Membership::may_go_on(std::uint8_t with) const {
    const auto waits = [with](const Claim& claim) {
        return claim.in_sync == 0 || (claim.in_sync & with) != 0;
    };
    for (std::size_t i = 0; i < told_.members.size(); ++i) {
        const Member& it = told_.members[i];
        if ((with & bit(i)) != 0) continue;
        if (!waits(it.parted) || !std::all_of(it.doubts.begin(), it.doubts.end(), waits)) return false;
    }
    return with != 0;
}

void Membership::want(std::size_t index, Wish wish) {
    wishes_.at(index) = wish;
    wanted_ = true;
}

void Membership::fail(std::size_t index) {
    here_.at(index) = false;
    if (member(index).state == LegState::stale) {
        wishes_[index] = Wish::none;  // it was to be rebuilt, perhaps
        return;
    }
    want(index, Wish::drop);
}

bool Membership::back(std::size_t index, const Superblock& says) {
    Member& it = member(index);
    WEFT_CHECK(it.state != LegState::in_sync && wishes_[index] == Wish::none);
    const Claim claim{.epoch = says.epoch, .in_sync = claim_of(says)};
    const bool expected = claim.epoch == it.parted.epoch ||
                          std::any_of(it.doubts.begin(), it.doubts.end(),
                                      [&](const Claim& doubt) { return doubt.epoch == claim.epoch; });
    if (!expected) return false;
    known_[index] = {.at = claim};
    it.parted = claim;
    it.doubts.clear();
    if (!suspended_) return true;
    here_[index] = true;
    if (const auto who = who_may_revive()) {
        suspended_ = false;
        want(*who, Wish::revive);
    }
    return true;
}

// Nothing was acknowledged since all legs in sync were told the same: each of those has everything.
std::optional<std::size_t> Membership::who_may_revive() const {
    for (std::size_t i = 0; i < here_.size(); ++i) {
        if (here_[i] && confirmed_.members[i].state == LegState::in_sync && may_go_on(bit(i))) return i;
    }
    return std::nullopt;
}

void Membership::rebuild(std::size_t index, const Uuid* anew) {
    WEFT_CHECK(member(index).state == LegState::stale);
    fresh_[index] = anew != nullptr ? *anew : Uuid{};
    want(index, Wish::rebuild);
}

bool Membership::wants_introduction(std::size_t index) const {
    return confirmed_.members.at(index).state == LegState::rebuilding &&
           told_.members[index].state == LegState::rebuilding && known_[index].at.epoch != confirmed_.epoch;
}

void Membership::introduced(std::size_t index) {
    WEFT_CHECK(wants_introduction(index));
    known_[index] = {.at = {.epoch = confirmed_.epoch}};
    // The others hear of it in the next round; until then it is one of the doubts.
    told_.members[index].parted = known_[index].at;
    told_.members[index].doubts.clear();
}

void Membership::promote(std::size_t index) {
    WEFT_CHECK(settled() && confirmed_.members.at(index).state == LegState::rebuilding &&
               known_[index].at.epoch == confirmed_.epoch);
    want(index, Wish::promote);
}

void Membership::set_clean(bool clean) {
    clean_ = clean;
    wanted_ = true;
}

void Membership::leave_behind(std::size_t index) {
    Member& it = told_.members[index];
    if (it.state == LegState::in_sync) {
        it.parted = known_[index].at;
        it.doubts = known_[index].sent;
        new_epoch_ = true;
    }
    it.state = LegState::stale;
}

// The leg that was this member is gone for good, and nobody can wait for it.
void Membership::forget(std::size_t index) {
    const auto give_up = [index](Claim& claim) {
        if ((claim.in_sync & bit(index)) != 0) claim.in_sync = 0;
    };
    for (std::size_t i = 0; i < told_.members.size(); ++i) {
        // What a leg in sync is told next does not name that one any more.
        give_up(told_.members[i].parted);
        for (Claim& doubt : told_.members[i].doubts) give_up(doubt);
    }
}

void Membership::apply(std::size_t index) {
    Member& it = member(index);
    switch (std::exchange(wishes_[index], Wish::none)) {
        case Wish::none: return;
        case Wish::drop: leave_behind(index); return;
        case Wish::rebuild:
            if (fresh_[index] != Uuid{}) {
                forget(index);
                it = {.uuid = fresh_[index], .from_nothing = true};
                known_[index] = {};
            }
            it.state = LegState::rebuilding;
            return;
        case Wish::promote: promoting_.push_back(index); [[fallthrough]];
        case Wish::revive:
            it = {.uuid = it.uuid, .state = LegState::in_sync};
            new_epoch_ = true;
            return;
    }
    WEFT_UNREACHABLE("Wish");
}

void Membership::suspend() {
    suspended_ = true;
    for (std::size_t i = 0; i < told_.members.size(); ++i) {
        leave_behind(i);
        here_[i] = false;
    }
}

std::vector<Superblock> Membership::begin_round(std::uint64_t id) {
    WEFT_CHECK(wants_round());
    if (!promoting_.empty()) return tell(std::exchange(promoting_, {}));
    const auto revived = std::find(wishes_.begin(), wishes_.end(), Wish::revive);
    // What everybody who is told has: who was not told the last time is dropped.
    const Epoch before = revived != wishes_.end()
                             ? known_[static_cast<std::size_t>(revived - wishes_.begin())].at.epoch
                             : told_.epoch;
    for (std::size_t i = 0; i < wishes_.size(); ++i) apply(i);
    if (clean_) told_.clean = *std::exchange(clean_, std::nullopt);
    wanted_ = false;
    all_told_ = true;
    const std::uint8_t in_sync = in_sync_now();
    if (!may_go_on(in_sync)) {
        suspend();
        return {};
    }
    if (std::exchange(new_epoch_, false)) {
        told_.previous = before;
        told_.epoch = {.number = told_.epoch.number + 1, .id = id};
    }
    for (Member& it : told_.members) {
        if (it.state == LegState::rebuilding) put_in_doubt(it);
    }
    std::vector<std::size_t> first;
    for (std::size_t i = 0; i < told_.members.size(); ++i) {
        const bool later = std::find(promoting_.begin(), promoting_.end(), i) != promoting_.end();
        if ((in_sync & bit(i)) != 0 && !later) first.push_back(i);
    }
    return tell(std::move(first));
}

std::vector<Superblock> Membership::tell(std::vector<std::size_t> whom) {
    std::vector<Superblock> round;
    for (const std::size_t i : whom) {
        known_[i].sent.push_back({.epoch = told_.epoch, .in_sync = in_sync_now()});
        round.push_back(told_);
        round.back().self = i;
    }
    awaited_ = std::move(whom);
    return round;
}

// It will be told of this epoch, and may go away before it says so.
void Membership::put_in_doubt(Member& rebuilding) const {
    auto& doubts = rebuilding.doubts;
    const auto says = [&](const Claim& claim) { return claim.epoch == told_.epoch; };
    if (says(rebuilding.parted) || std::any_of(doubts.begin(), doubts.end(), says)) return;
    // One that is forgotten costs a full copy, no more: it does not call itself in sync.
    const auto harmless =
        std::find_if(doubts.begin(), doubts.end(), [](const Claim& claim) { return claim.in_sync == 0; });
    if (doubts.size() == Member::kDoubtsMax)
        doubts.erase(harmless != doubts.end() ? harmless : doubts.begin());
    doubts.push_back({.epoch = told_.epoch});
}

void Membership::on_written(std::size_t index, bool durably) {
    const auto found = std::find(awaited_.begin(), awaited_.end(), index);
    WEFT_CHECK(found != awaited_.end());
    awaited_.erase(found);
    if (durably) {
        known_[index] = {.at = known_[index].sent.back()};
    } else {
        all_told_ = false;
        want(index, Wish::drop);
    }
    if (awaited_.empty()) end_of_round();
}

// Those that were in sync before are told first: one that says it is in sync, of which they know nothing,
// would have to be taken for one that went on without them.
void Membership::end_of_round() {
    if (!all_told_) {
        for (const std::size_t i : std::exchange(promoting_, {})) {
            told_.members[i] = {
                .uuid = told_.members[i].uuid, .state = LegState::rebuilding, .parted = known_[i].at};
            new_epoch_ = true;
        }
    } else if (!promoting_.empty()) {
        wanted_ = true;
    } else {
        confirmed_ = told_;
    }
}

}  // namespace weft::mirror
