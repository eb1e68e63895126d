// SPDX-License-Identifier: Apache-2.0
// The rules by which legs are dropped, brought back and found again, against a model of everything that can
// go wrong: legs that vanish with or without having written, owners that die at any step, disks that are
// replaced.
#include "common/mirror/membership.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/mirror/assembly.h"

namespace weft::mirror {
namespace {

struct OwnerDies {};

class Model {
  public:
    Model(std::uint64_t seed, std::size_t legs)
        : chance_(seed), trouble_(seed % 2 == 0 ? 6 : 25), legs_(legs) {
        Superblock first;
        first.volume = Uuid::from_name("test", "volume");
        first.shape = {.block_size = 4096, .region_bytes = 1U << 20U, .bytes = 64U << 20U};
        first.epoch = {.number = 1, .id = 1};
        for (std::size_t i = 0; i < legs; ++i)
            first.members.push_back(
                {.uuid = Uuid::from_name("leg", std::to_string(i)), .state = LegState::in_sync});
        for (std::size_t i = 0; i < legs; ++i) store(i, first);
    }

    // One owner after the other.
    void live(int owners) {
        for (int i = 0; i < owners; ++i) {
            try {
                take_over();
                if (::testing::Test::HasFatalFailure()) return;
                for (int step = 0; step < 60; ++step) act();
                throw OwnerDies{};
            } catch (const OwnerDies&) {
            }
            for (Leg& leg : legs_) leg.up = chance_() % 2 == 0;
        }
        // Whatever happened: with all legs there it serves, and nothing is lost.
        for (Leg& leg : legs_) leg.up = true;
        calm_ = true;
        take_over();
        if (::testing::Test::HasFatalFailure()) return;
        for (int i = 0; i < 4; ++i) look_for_legs();
        for (std::size_t i = 0; i < legs_.size(); ++i) {
            ASSERT_EQ(owner_->confirmed().members[i].state, LegState::in_sync) << "leg " << i;
            ASSERT_EQ(legs_[i].data, legs_[0].data) << "leg " << i;
        }
        ASSERT_TRUE(holds_all(0));
    }
    [[nodiscard]] std::size_t acknowledged() const { return acknowledged_.size(); }
    [[nodiscard]] int forced_waits() const { return waits_; }

  private:
    struct Leg {
        bool up = true;
        std::optional<Superblock> says;
        std::set<int> data;
    };

    bool happens(unsigned of_hundred) { return !calm_ && chance_() % 100 < of_hundred; }
    std::uint64_t new_id() { return ++ids_ + 1; }

    void store(std::size_t leg, Superblock superblock) {
        superblock.self = leg;
        superblock.sequence = ++sequences_;
        const Slot slot = decode_superblock(encode(superblock));
        ASSERT_EQ(slot.kind, SlotKind::valid) << slot.problem;
        legs_[leg].says = slot.superblock;
    }
    [[nodiscard]] Slot read(std::size_t leg) const {
        if (!legs_[leg].says) return {};
        return {.kind = SlotKind::valid, .superblock = *legs_[leg].says};
    }
    [[nodiscard]] bool holds_all(std::size_t leg) const {
        return std::includes(legs_[leg].data.begin(), legs_[leg].data.end(), acknowledged_.begin(),
                             acknowledged_.end());
    }

    // Something is written to a leg. True: it is there, and said so.
    template <class Land>
    bool send(std::size_t leg, Land land) {
        if (happens(1)) throw OwnerDies{};
        if (!legs_[leg].up) return false;
        const bool goes = happens(trouble_);
        if (goes && chance_() % 2 == 0) {
            legs_[leg].up = false;
            return false;
        }
        land();
        if (happens(1)) throw OwnerDies{};
        if (goes) legs_[leg].up = false;
        return !goes;
    }

    void settle() {
        while (owner_->wants_round()) {
            auto round = owner_->begin_round(new_id());
            std::shuffle(round.begin(), round.end(), chance_);
            for (const Superblock& superblock : round) {
                const std::size_t leg = superblock.self;
                owner_->on_written(leg, send(leg, [&] { store(leg, superblock); }));
            }
        }
    }

    // Everything that was begun and not acknowledged goes to all legs in sync; then it is acknowledged.
    void push_writes() {
        settle();
        while (!owner_->suspended() && !writes_.empty()) {
            bool failed = false;
            for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
                const LegState state = owner_->confirmed().members[leg].state;
                if (state == LegState::stale) continue;
                for (const int write : writes_) {
                    if (send(leg, [&] { legs_[leg].data.insert(write); })) continue;
                    owner_->fail(leg);
                    failed = failed || state == LegState::in_sync;
                    break;
                }
            }
            settle();
            if (failed) continue;
            if (!owner_->settled()) return;
            acknowledged_.insert(writes_.begin(), writes_.end());
            writes_.clear();
        }
    }

    void act() {
        switch (chance_() % 8) {
            case 0: legs_[chance_() % legs_.size()].up = chance_() % 4 != 0; return;
            case 1:
            case 2: look_for_legs(); return;
            case 3: clean(); return;
            case 4: replace(); return;
            default:
                dirty_.insert(next_write_);
                writes_.insert(next_write_++);
                push_writes();
        }
    }

    void clean() {
        if (!owner_->settled() || !writes_.empty()) return;
        for (const Member& member : owner_->confirmed().members) {
            if (member.state != LegState::in_sync) return;
        }
        dirty_.clear();
    }

    // A disk that is not in sync is exchanged for a new one.
    void replace() {
        const std::size_t leg = chance_() % legs_.size();
        if (!owner_->settled() || owner_->confirmed().members[leg].state != LegState::stale) return;
        legs_[leg] = {.up = chance_() % 2 == 0};
    }

    void look_for_legs() {
        settle();
        for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
            if (!legs_[leg].up) {
                owner_->fail(leg);
                settle();
            }
        }
        for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
            if (!legs_[leg].up) continue;
            if (owner_->suspended()) {
                const bool was_in_sync = owner_->confirmed().members[leg].state == LegState::in_sync;
                if (legs_[leg].says && was_in_sync) {
                    ASSERT_TRUE(owner_->back(leg, *legs_[leg].says)) << text();
                    push_writes();
                }
            } else if (owner_->settled() && owner_->confirmed().members[leg].state == LegState::stale) {
                bring_back(leg);
            }
        }
        push_writes();
    }

    void bring_back(std::size_t leg) {
        const Uuid fresh = Uuid::from_name("fresh", std::to_string(new_id()));
        const LegVerdict verdict = judge(owner_->confirmed(), read(leg));
        ASSERT_NE(verdict.verdict, Verdict::refused) << verdict.why << "\n" << text();
        const bool anew = !verdict.member || verdict.anew;
        if (!anew) {
            ASSERT_TRUE(owner_->back(leg, *legs_[leg].says)) << text();
        }
        owner_->rebuild(leg, anew ? &fresh : nullptr);
        settle();
        if (!owner_->settled() || owner_->confirmed().members[leg].state != LegState::rebuilding) return;
        const bool from_nothing = owner_->confirmed().members[leg].from_nothing;
        if (owner_->wants_introduction(leg)) {
            if (!send(leg, [&] { store(leg, owner_->confirmed()); })) {
                owner_->fail(leg);
                return settle();
            }
            owner_->introduced(leg);
        }
        if (happens(20)) return;  // later
        const std::size_t source = a_leg_in_sync();
        const bool copied = send(leg, [&] {
            for (int write = 0; write < next_write_; ++write) {
                if (!from_nothing && dirty_.count(write) == 0) continue;
                if (legs_[source].data.count(write) > 0)
                    legs_[leg].data.insert(write);
                else
                    legs_[leg].data.erase(write);
            }
        });
        if (!copied) {
            owner_->fail(leg);
            return settle();
        }
        ASSERT_TRUE(holds_all(leg)) << "leg " << leg << " was copied and lacks a write";
        owner_->promote(leg);
        settle();
    }
    [[nodiscard]] std::size_t a_leg_in_sync() const {
        for (std::size_t i = 0; i < legs_.size(); ++i) {
            if (owner_->confirmed().members[i].state == LegState::in_sync) return i;
        }
        throw std::logic_error("settled without a leg in sync");
    }

    void take_over() {
        owner_.reset();
        writes_.clear();  // their writer does not know what became of them
        Assembly assembly = look();
        if (!assembly.complete) {
            ++waits_;
            for (Leg& leg : legs_) leg.up = true;
            assembly = look();
        }
        ASSERT_TRUE(assembly.complete) << assembly.why << "\n" << text();
        const std::size_t base = *assembly.base;
        std::vector<std::optional<Superblock>> says(legs_.size());
        for (std::size_t i = 0; i < legs_.size(); ++i) {
            ASSERT_NE(assembly.legs[i].verdict, Verdict::refused)
                << "leg " << i << ": " << assembly.legs[i].why;
            if (assembly.legs[i].verdict != Verdict::in_sync) continue;
            ASSERT_TRUE(holds_all(i)) << "leg " << i << " is to serve and lacks a write\n" << text();
            says[i] = legs_[i].says;
            for (const int write : dirty_) {
                if (legs_[base].data.count(write) > 0)
                    legs_[i].data.insert(write);
                else
                    legs_[i].data.erase(write);
            }
        }
        owner_.emplace(*legs_[base].says, says);
        settle();
    }
    // What all legs say.
    [[nodiscard]] std::string text() const {
        std::string out;
        for (std::size_t i = 0; i < legs_.size(); ++i) {
            out += "leg " + std::to_string(i) + (legs_[i].up ? "" : " (down)") + ":";
            if (!legs_[i].says) {
                out += " blank\n";
                continue;
            }
            const Superblock& says = *legs_[i].says;
            out += " epoch " + std::to_string(says.epoch.number) + "/" + std::to_string(says.epoch.id) +
                   " after " + std::to_string(says.previous.number);
            for (const Member& member : says.members) {
                out +=
                    "; " + member.uuid.to_string().substr(0, 4) + " " + std::string(to_string(member.state));
                if (member.state == LegState::in_sync) continue;
                out += " since " + std::to_string(member.parted.epoch.number) +
                       (member.from_nothing ? " from nothing" : "");
                for (const Claim& doubt : member.doubts) out += " or " + std::to_string(doubt.epoch.number);
            }
            out += "\n";
        }
        return out;
    }
    [[nodiscard]] Assembly look() const {
        std::vector<std::optional<Slot>> slots(legs_.size());
        for (std::size_t i = 0; i < legs_.size(); ++i) {
            if (legs_[i].up) slots[i] = read(i);
        }
        return assemble(slots);
    }

    std::mt19937_64 chance_;
    unsigned trouble_;  // of a hundred things that are sent
    std::vector<Leg> legs_;
    std::optional<Membership> owner_;
    std::set<int> acknowledged_;
    std::set<int> writes_;  // begun, not acknowledged
    std::set<int> dirty_;
    int next_write_ = 0;
    std::uint64_t ids_ = 0;
    std::uint64_t sequences_ = 0;
    int waits_ = 0;
    bool calm_ = false;
};

TEST(Membership, loses_nothing_whatever_happens) {
    std::size_t acknowledged = 0;
    int waits = 0;
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Model model(seed, 2 + seed % 3);
        model.live(12);
        if (::testing::Test::HasFailure()) return;
        acknowledged += model.acknowledged();
        waits += model.forced_waits();
    }
    EXPECT_GT(acknowledged, 50'000U);
    EXPECT_GT(waits, 1000);
}

}  // namespace
}  // namespace weft::mirror
