// SPDX-License-Identifier: Apache-2.0
#include "initiator/placement.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::initiator {
namespace {

config::Volume volume(const std::string& name, const std::vector<std::string>& targets) {
    config::Volume made;
    made.name = name;
    for (const auto& target : targets) {
        config::Leg leg;
        leg.target = target;
        made.linear.push_back(leg);
    }
    return made;
}

config::Initiator initiator(std::uint32_t reactors, std::vector<config::Volume> volumes) {
    config::Initiator made;
    made.reactors = reactors;
    made.volumes = std::move(volumes);
    return made;
}

TEST(Placement, VolumesThatShareATargetShareAReactor) {
    const auto placement = place(initiator(
        4, {volume("a", {"t1", "t2"}), volume("b", {"t3"}), volume("c", {"t2", "t4"}), volume("d", {"t4"})}));
    EXPECT_EQ(placement.volumes.at("a"), placement.volumes.at("c"));
    EXPECT_EQ(placement.volumes.at("c"), placement.volumes.at("d"));
    EXPECT_NE(placement.volumes.at("a"), placement.volumes.at("b"));
    EXPECT_EQ(placement.targets.at("t4"), placement.volumes.at("a"));
    EXPECT_EQ(placement.targets.at("t3"), placement.volumes.at("b"));
}

TEST(Placement, WhatSharesNothingIsSpread) {
    const auto placement =
        place(initiator(3, {volume("a", {"t1"}), volume("b", {"t2"}), volume("c", {"t3"}), volume("d", {})}));
    std::set<std::size_t> used;
    for (const auto& [name, reactor] : placement.volumes) {
        EXPECT_LT(reactor, 3U);
        used.insert(reactor);
    }
    EXPECT_EQ(used.size(), 3U);
}

TEST(Placement, OneReactorTakesAll) {
    const auto placement = place(initiator(1, {volume("a", {"t1"}), volume("b", {"t2"})}));
    EXPECT_EQ(placement.volumes.at("a"), 0U);
    EXPECT_EQ(placement.volumes.at("b"), 0U);
}

}  // namespace
}  // namespace weft::initiator
