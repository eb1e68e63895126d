// SPDX-License-Identifier: Apache-2.0
// Histories of a mirror of three legs, and what is made of what they left on the legs.
#include "common/mirror/assembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace weft::mirror {
namespace {

class Assemble : public ::testing::Test {
  public:
    Assemble() {
        Superblock first;
        first.volume = Uuid::from_name("test", "volume");
        first.name = "data";
        first.shape = {.block_size = 4096, .region_bytes = 1U << 20U, .bytes = 64U << 20U};
        first.sequence = 1;
        first.epoch = {.number = 1, .id = 1};
        for (const char* leg : {"a", "b", "c"})
            first.members.push_back({.uuid = Uuid::from_name("test", leg), .state = LegState::in_sync});
        now = first;
        write({0, 1, 2});
    }

    // The superblock that is meant, onto these legs.
    void write(const std::set<std::size_t>& onto) {
        ++now.sequence;
        for (const std::size_t leg : onto) {
            now.self = leg;
            Slot slot = decode_superblock(encode(now));
            ASSERT_EQ(slot.kind, SlotKind::valid) << slot.problem;
            legs[leg] = slot;
        }
    }
    void next_epoch(std::uint64_t id) {
        now.previous = now.epoch;
        now.epoch = {.number = now.epoch.number + 1, .id = id};
    }
    // A new epoch without that leg.
    void drop(std::size_t leg, std::uint64_t id) {
        Member& member = now.members[leg];
        member.state = LegState::stale;
        member.parted = {.epoch = now.epoch};
        next_epoch(id);
    }
    void bring_back(std::size_t leg, std::uint64_t id) {
        now.members[leg] = {.uuid = now.members[leg].uuid, .state = LegState::in_sync};
        next_epoch(id);
    }
    [[nodiscard]] Assembly with(const std::set<std::size_t>& here) const {
        auto some = legs;
        for (std::size_t i = 0; i < some.size(); ++i) {
            if (here.count(i) == 0) some[i] = std::nullopt;
        }
        return assemble(some);
    }
    [[nodiscard]] static std::vector<Verdict> verdicts(const Assembly& assembly) {
        std::vector<Verdict> out;
        for (const auto& leg : assembly.legs) out.push_back(leg.verdict);
        return out;
    }
    using Verdicts = std::vector<Verdict>;

    Superblock now;
    std::vector<std::optional<Slot>> legs{3};
};

TEST_F(Assemble, all_are_here) {
    const Assembly all = with({0, 1, 2});
    EXPECT_TRUE(all.complete);
    EXPECT_EQ(verdicts(all), (Verdicts{Verdict::in_sync, Verdict::in_sync, Verdict::in_sync}));
}

TEST_F(Assemble, one_that_was_in_sync_is_away_and_may_have_gone_on) {
    const Assembly some = with({0, 2});
    EXPECT_FALSE(some.complete);
    EXPECT_TRUE(some.may_be_forced);
    EXPECT_NE(some.why.find("leg 1"), std::string::npos);
    EXPECT_EQ(verdicts(some), (Verdicts{Verdict::in_sync, Verdict::absent, Verdict::in_sync}));
}

TEST_F(Assemble, one_that_the_others_dropped_is_not_missed) {
    drop(1, 2);
    write({0, 2});
    EXPECT_TRUE(with({0, 2}).complete);
    const Assembly all = with({0, 1, 2});
    EXPECT_TRUE(all.complete);
    EXPECT_EQ(verdicts(all), (Verdicts{Verdict::in_sync, Verdict::behind, Verdict::in_sync}));
    EXPECT_FALSE(with({0, 1}).complete) << "leg 2 may have gone on without leg 0";
}

// It calls itself in sync; that is all it knows.
TEST_F(Assemble, one_that_was_dropped_never_serves_alone) {
    drop(1, 2);
    write({0, 2});
    const Assembly alone = with({1});
    EXPECT_FALSE(alone.complete);
    EXPECT_TRUE(alone.may_be_forced) << "by somebody who knows better, or thinks so";
}

TEST_F(Assemble, one_that_knows_that_it_is_stale_never_serves) {
    drop(1, 2);
    now.members[1].state = LegState::rebuilding;
    write({0, 1, 2});
    const Assembly alone = with({1});
    EXPECT_FALSE(alone.complete);
    EXPECT_FALSE(alone.may_be_forced);
    EXPECT_NE(alone.why.find("bring one that is in sync"), std::string::npos);
}

// Whoever dropped leg 1 died when only leg 0 knew: nothing was acknowledged without leg 1, and leg 2 has all
// there is.
TEST_F(Assemble, a_drop_that_not_all_survivors_know_of) {
    drop(1, 2);
    write({0});
    const Assembly all = with({0, 1, 2});
    EXPECT_TRUE(all.complete);
    EXPECT_EQ(verdicts(all), (Verdicts{Verdict::in_sync, Verdict::behind, Verdict::in_sync}));
    EXPECT_EQ(all.base, 0U);
    EXPECT_FALSE(with({1, 2}).complete);
}

// Leg 1 was to be dropped, leg 2 was to know of it, and nobody ever learned whether it does. Then leg 0 went
// on alone.
TEST_F(Assemble, a_drop_that_was_in_doubt) {
    Superblock before = now;
    drop(0, 2);
    write({2});
    now = before;
    drop(2, 3);
    now.members[2].doubts = {{.epoch = {.number = 2, .id = 2}}};
    now.epoch.number = 3;
    now.members[1] = {
        .uuid = now.members[1].uuid, .state = LegState::stale, .parted = {.epoch = before.epoch}};
    write({0});
    const Assembly all = with({0, 1, 2});
    EXPECT_TRUE(all.complete) << all.why;
    EXPECT_EQ(verdicts(all), (Verdicts{Verdict::in_sync, Verdict::behind, Verdict::behind}));
}

TEST_F(Assemble, two_that_went_on_without_each_other_are_never_merged_silently) {
    const Superblock before = now;
    drop(1, 2);
    drop(2, 3);
    write({0});
    now = before;
    drop(0, 4);
    write({1, 2});
    const Assembly all = with({0, 1, 2});
    EXPECT_FALSE(all.complete);
    EXPECT_FALSE(all.may_be_forced);
    EXPECT_NE(all.why.find("may hold writes"), std::string::npos);
    // The same epoch number, made twice.
    now = before;
    drop(1, 5);
    write({0});
    EXPECT_FALSE(with({0, 1, 2}).complete);
    EXPECT_FALSE(with({0, 1, 2}).may_be_forced);
}

// Its disk was put back to what it was the other week.
TEST_F(Assemble, one_that_went_back_is_refused) {
    const auto old = legs[1];
    for (std::uint64_t i = 0; i < 3; ++i) {
        next_epoch(10 + i);
        write({0, 1, 2});
    }
    legs[1] = old;
    const Assembly all = with({0, 1, 2});
    EXPECT_FALSE(all.complete);
    EXPECT_TRUE(all.legs[1].diverged);
}

TEST_F(Assemble, one_that_came_back_counts_again) {
    drop(1, 2);
    write({0, 2});
    bring_back(1, 3);
    write({0, 1, 2});
    EXPECT_TRUE(with({0, 1, 2}).complete);
    EXPECT_FALSE(with({0, 2}).complete);
    // And leg 2's turn: whoever has the old news of leg 1 is behind, not the one that counts.
    drop(2, 4);
    write({0, 1});
    EXPECT_EQ(verdicts(with({0, 1, 2})), (Verdicts{Verdict::in_sync, Verdict::in_sync, Verdict::behind}));
}

TEST_F(Assemble, a_blank_one_takes_the_place_of_the_only_one_that_is_missing) {
    legs[1] = Slot{};
    const Assembly all = with({0, 1, 2});
    EXPECT_TRUE(all.complete) << all.why;
    EXPECT_EQ(verdicts(all), (Verdicts{Verdict::in_sync, Verdict::from_nothing, Verdict::in_sync}));
    // It may stand for leg 1, and leg 2, which is away, may have gone on.
    const Assembly some = with({0, 1});
    EXPECT_FALSE(some.complete);
    EXPECT_TRUE(some.may_be_forced);
}

TEST_F(Assemble, a_rebuild_goes_on_where_it_stopped) {
    now.members[1] = {
        .uuid = Uuid::from_name("test", "new"), .state = LegState::rebuilding, .from_nothing = true};
    next_epoch(2);
    write({0, 1, 2});
    now.members[1].copied = 40;
    write({0, 2});
    const Assembly all = with({0, 1, 2});
    EXPECT_TRUE(all.complete);
    EXPECT_EQ(verdicts(all), (Verdicts{Verdict::in_sync, Verdict::from_nothing, Verdict::in_sync}));
    EXPECT_EQ(all.legs[1].member, 1U);
    EXPECT_FALSE(with({1}).complete);
}

TEST_F(Assemble, what_does_not_belong_here_is_not_touched) {
    legs[1] = Slot{.kind = SlotKind::foreign};
    EXPECT_EQ(with({0, 1, 2}).legs[1].verdict, Verdict::refused);
    EXPECT_FALSE(with({0, 1, 2}).complete);
    Superblock other = now;
    other.volume = Uuid::from_name("test", "another");
    other.name = "precious";
    legs[1] = decode_superblock(encode(other));
    other.self = 0;
    const Assembly two = with({0, 1, 2});
    EXPECT_NE(two.legs[1].why.find("precious"), std::string::npos);
    legs[1] = Slot{.kind = SlotKind::newer, .problem = "too new"};
    EXPECT_EQ(with({0, 1, 2}).legs[1].why, "too new");
}

TEST_F(Assemble, a_leg_that_was_replaced_does_not_come_back) {
    const auto old = legs[1];
    now.members[1] = {.uuid = Uuid::from_name("test", "new"), .state = LegState::in_sync};
    next_epoch(2);
    write({0, 1, 2});
    legs[1] = old;
    EXPECT_EQ(with({0, 1, 2}).legs[1].verdict, Verdict::refused);
    EXPECT_FALSE(with({0, 1, 2}).legs[1].diverged);
}

TEST_F(Assemble, a_copy_of_a_leg_is_noticed) {
    legs[1] = legs[0];
    const Assembly all = with({0, 1, 2});
    EXPECT_FALSE(all.complete);
    EXPECT_NE(all.why.find("copies of one another"), std::string::npos);
}

TEST_F(Assemble, nothing_is_here) {
    EXPECT_FALSE(with({}).complete);
    legs = {Slot{}, Slot{}, Slot{}};
    const Assembly blank = with({0, 1, 2});
    EXPECT_FALSE(blank.complete);
    EXPECT_NE(blank.why.find("weftctl volume create"), std::string::npos);
}

}  // namespace
}  // namespace weft::mirror
