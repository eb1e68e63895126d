// SPDX-License-Identifier: Apache-2.0
#include "initiator/srp/discovery.h"

#include <gtest/gtest.h>

#include "tests/unit/initiator/srp/bench.h"

namespace weft::test {
namespace {

TEST(Discovery, tells_what_a_unit_is) {
    Bench bench;
    bench.habits.lun = 300;
    ASSERT_TRUE(bench.log_in());
    const auto unit = bench.find(std::string("tank"));
    ASSERT_TRUE(unit) << unit.error().what;
    EXPECT_EQ(unit->number, 300U);
    EXPECT_EQ(unit->name, "tank");
    EXPECT_EQ(unit->uuid, bench.habits.uuid);
    EXPECT_EQ(unit->designator.size(), 32U);
    EXPECT_EQ(unit->label(), "volume 'tank' (LUN 300)");
    const block::Geometry& geometry = unit->geometry;
    EXPECT_EQ(geometry.blocks, 4096U);
    EXPECT_EQ(geometry.block_size, 512U);
    EXPECT_EQ(geometry.transfer_blocks_max, 128U);
    EXPECT_GT(geometry.discard_granularity, 0U);
    EXPECT_TRUE(geometry.discard_zeroes);
    EXPECT_TRUE(geometry.write_zeroes);
    EXPECT_TRUE(geometry.volatile_cache);
    EXPECT_FALSE(geometry.read_only);
    EXPECT_FALSE(geometry.rotational);
}

TEST(Discovery, finds_by_name_uuid_and_lun) {
    Bench bench;
    bench.habits.lun = 7;
    ASSERT_TRUE(bench.log_in());
    EXPECT_TRUE(bench.find(std::string("tank")));
    EXPECT_TRUE(bench.find(bench.habits.uuid.to_string()));
    EXPECT_TRUE(bench.find(std::uint32_t{7}));
    const auto other = bench.find(std::string("pond"));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().what, "target alpha shows us no volume 'pond'");
}

TEST(Discovery, says_when_there_is_no_such_unit) {
    Bench bench;
    bench.habits.has_unit = false;
    ASSERT_TRUE(bench.log_in());
    EXPECT_FALSE(bench.find(std::string("tank")));
    const auto lun = bench.find(std::uint32_t{3});
    ASSERT_FALSE(lun);
    EXPECT_EQ(lun.error().what, "target alpha: LUN 3: it is not a disk");
    EXPECT_FALSE(bench.find(std::uint32_t{20000}));
}

TEST(Discovery, finds_a_stock_unit_by_the_uuid_in_its_serial_number) {
    Bench bench;
    bench.habits.weft = false;
    bench.habits.name.clear();
    ASSERT_TRUE(bench.log_in());
    EXPECT_TRUE(bench.find(bench.habits.uuid.to_string()));
    EXPECT_FALSE(bench.find(std::string("tank")));
}

TEST(Discovery, outlives_lost_connections) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Bench bench(seed, 2, 1);
        bench.start_session();
        std::optional<Result<initiator::RemoteUnit>> found;
        bench.session->find_unit(std::string("tank"), [&](auto unit) { found = std::move(unit); });
        for (int i = 0; i < 5 && !found; ++i) {
            bench.world.run_until([&] { return bench.session->live(); }, 10s);
            bench.world.run_for(bench.world.random().between(1us, 300us));
            bench.target->disconnect_all();
        }
        ASSERT_TRUE(bench.world.run_until([&] { return found.has_value(); }, 30s));
        EXPECT_TRUE(*found) << found->error().what;
    }
}

TEST(Discovery, ends_with_the_session) {
    Bench bench;
    bench.start_session();
    bool failed = false;
    bench.session->find_unit(std::string("tank"), [&](auto unit) { failed = !unit; });
    bench.world.run_for(50us);
    bench.stop();
    bench.world.run_for(1ms);
    EXPECT_TRUE(failed);
}

}  // namespace
}  // namespace weft::test
