// SPDX-License-Identifier: Apache-2.0
// Which legs are in sync, and how that is changed: by superblocks of a new epoch, which every leg that stays
// must have before anything is acknowledged that another missed. Decides what to write and what an answer
// means; writes nothing itself.
//
//     wish (fail, rebuild, promote) -> begin_round() -> each leg of the round: on_written() -> settled, or
//     another round
//
// The rule that keeps two sets of legs from serving without each other (docs/mirror.md): whoever goes on,
// goes on with a leg that every leg left behind, by whatever it may say, would wait for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/mirror/superblock.h"

namespace weft::mirror {

// Thread: its owner's. Control path: allocates.
class Membership {
  public:
    // `base` speaks for the volume (assembly.h). `says`: by member, what the legs in sync say.
    // Not settled: the first round tells every leg in sync what `base` says.
    // REQUIRES: a leg in sync says what `base` says, or is in the epoch before.
    Membership(Superblock base, const std::vector<std::optional<Superblock>>& says);

    // What every leg in sync has been told. Acknowledge only while settled(), by this.
    [[nodiscard]] const Superblock& confirmed() const { return confirmed_; }
    // Nothing is to be changed, and there is a leg in sync.
    [[nodiscard]] bool settled() const;
    // Those that are left may not go on without one that is away. None is in sync any more, until back()
    // finds one that may.
    [[nodiscard]] bool suspended() const { return suspended_; }

    // --- Wishes; they count from the next round on. `member`: a valid index.

    // It failed, or does not answer. One that is not in sync is to be rebuilt again.
    void fail(std::size_t member);
    // It is there, nothing sent to it before can land any more, and it says `says`. True: it is where it was
    // known to be; it may be rebuilt, or while suspended, serve again. False: it was elsewhere (judge() says
    // what to do). REQUIRES: not in sync.
    [[nodiscard]] bool back(std::size_t member, const Superblock& says);
    // It is the one that is to serve again, from the next round on.
    [[nodiscard]] bool revives(std::size_t member) const { return wishes_.at(member) == Wish::revive; }
    // It takes part in writes from the round's end on and is copied to. `anew`: under that UUID, from
    // nothing. REQUIRES: it is stale.
    void rebuild(std::size_t member, const Uuid* anew = nullptr);
    // Whether it is rebuilding and to be told what confirmed() says, durably: a leg that learns of its being
    // in sync must be in the epoch before.
    [[nodiscard]] bool wants_introduction(std::size_t member) const;
    void introduced(std::size_t member);
    // It has all that was acknowledged, flushed, and a map. REQUIRES: settled(); it is rebuilding, and wants
    // no introduction.
    void promote(std::size_t member);
    // All legs in sync are told that nothing is on its way, or that something is. Keeps the epoch.
    void set_clean(bool clean);

    // --- Rounds

    // Something is to be written, and no round is under way.
    [[nodiscard]] bool wants_round() const { return !suspended_ && awaited_.empty() && wanted_; }
    // Begins one: what is to be written durably, to whom. A leg whose write fails, or was not answered before
    // it was given up, has failed. `id`: random, for a new epoch. REQUIRES: wants_round(). May be empty: then
    // it is suspended.
    [[nodiscard]] std::vector<Superblock> begin_round(std::uint64_t id);
    // REQUIRES: it is of this round and was not answered yet.
    void on_written(std::size_t member, bool durably);

  private:
    enum class Wish : std::uint8_t { none, drop, rebuild, promote, revive };
    // What a leg may say.
    struct Known {
        Claim at;                 // it said so, or confirmed it
        std::vector<Claim> sent;  // afterwards, and not confirmed
    };
    [[nodiscard]] Member& member(std::size_t index);
    [[nodiscard]] std::uint8_t in_sync_now() const;
    [[nodiscard]] std::uint8_t claim_of(const Superblock& says) const;
    [[nodiscard]] bool may_go_on(std::uint8_t with) const;
    [[nodiscard]] std::optional<std::size_t> who_may_revive() const;
    void want(std::size_t index, Wish wish);
    void apply(std::size_t index);
    void leave_behind(std::size_t index);
    void forget(std::size_t index);
    void put_in_doubt(Member& rebuilding) const;
    [[nodiscard]] std::vector<Superblock> tell(std::vector<std::size_t> whom);
    void end_of_round();
    void suspend();

    Superblock confirmed_;
    Superblock told_;  // what the last round tells, or told those that answered
    std::vector<Known> known_;
    std::vector<Wish> wishes_;
    std::vector<Uuid> fresh_;  // with a wish to rebuild: the UUID for one that begins anew, or {}
    std::vector<bool> here_;   // while suspended: it came back and has said what it says
    std::optional<bool> clean_;
    std::vector<std::size_t> awaited_;    // of this round
    std::vector<std::size_t> promoting_;  // in sync when the others know, and told then
    bool all_told_ = true;
    bool wanted_ = true;  // there is something to tell
    bool new_epoch_ = false;
    bool suspended_ = false;
};

}  // namespace weft::mirror
