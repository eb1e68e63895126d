// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/intent_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "common/core/slab.h"
#include "tests/support/faulty_device.h"
#include "tests/support/manual_executor.h"

namespace weft::mirror {
namespace {

class Log : public ::testing::Test, public IntentLogOwner {
  public:
    class Write final : public Intent {
      public:
        Write(Log& log, std::uint64_t from, std::uint64_t to) : log_(log) {
            first = from;
            last = to;
        }
        bool durable = false;

      private:
        void on_durable() override {
            durable = true;
            log_.check(*this);
        }
        Log& log_;
    };

    Log() {
        for (std::size_t i = 0; i < 3; ++i) {
            devices.push_back(std::make_unique<test::FaultyDevice>(executor, kLegBytes, 4096, kKept));
            const Segment own{room.data() + i * LegMedia::kRoomBytes, LegMedia::kRoomBytes, kNoRegion};
            media.push_back(std::make_unique<LegMedia>(*devices.back(), own));
        }
        tell({0, 1, 2});
    }

    void tell(const std::vector<std::size_t>& legs) {
        told = legs;
        std::vector<LegMedia*> list(media.size());
        for (const std::size_t leg : legs) list[leg] = media[leg].get();
        log.set_legs(list);
    }
    void on_page_failed(std::size_t leg) override { failed.push_back(leg); }
    void on_pages_saved() override {}

    Write& write(std::uint64_t first, std::uint64_t last) {
        Write& made = writes.emplace_back(*this, first, last);
        made.durable = log.require(made);
        if (made.durable) check(made);
        return made;
    }
    // Data may be written now: so whoever takes over from any leg must find those regions dirty.
    void check(const Write& write) {
        for (const std::size_t leg : told) {
            if (std::find(failed.begin(), failed.end(), leg) != failed.end()) continue;
            for (std::uint64_t region = write.first; region <= write.last; ++region)
                ASSERT_EQ(state_on(leg, region), RegionState::dirty)
                    << "leg " << leg << ", region " << region;
        }
    }
    RegionState state_on(std::size_t leg, std::uint64_t region) {
        DirtyMap said(shape);
        const std::uint64_t page = DirtyMap::page_of(region);
        std::optional<MapPageView> newest;
        for (const unsigned slot : {0U, 1U}) {
            const std::byte* at = devices[leg]->bytes.data() +
                                  (map_page_at(shape, kLegBytes, page, slot) - (kLegBytes - kKept));
            const auto view = decode_map_page({at, kPageBytes}, volume, page);
            if (view && (!newest || view->sequence > newest->sequence)) newest = view;
        }
        if (newest) said.merge(page, *newest);
        return said.at(region);
    }

    static constexpr std::uint64_t kLegBytes = std::uint64_t{5} << 29U;  // three pages of regions
    static constexpr std::uint64_t kKept = 1U << 20U;

    const Uuid volume = Uuid::from_name("test", "volume");
    test::ManualExecutor executor;
    Slab room = std::move(*Slab::allocate(3 * LegMedia::kRoomBytes + kPageBytes));
    std::vector<std::unique_ptr<test::FaultyDevice>> devices;
    std::vector<std::unique_ptr<LegMedia>> media;
    std::vector<std::size_t> told;
    std::vector<std::size_t> failed;
    const Shape shape = shape_for(kLegBytes, 4096, kRegionBytesMin).value();
    DirtyMap map{shape};
    IntentLog log{*this,
                  map,
                  shape,
                  volume,
                  {room.data() + 3 * LegMedia::kRoomBytes, kPageBytes, kNoRegion},
                  std::vector<std::uint64_t>(shape.pages())};
    std::deque<Write> writes;
};

TEST_F(Log, a_write_waits_until_every_leg_says_dirty) {
    Write& first = write(3, 4);
    EXPECT_FALSE(first.durable);
    executor.run();
    EXPECT_TRUE(first.durable);
    EXPECT_EQ(log.pages_written(), 1U);
    EXPECT_TRUE(write(4, 4).durable) << "later writes cost nothing";
    EXPECT_TRUE(write(3, 4).durable);
    EXPECT_FALSE(write(4, 5).durable);
    executor.run();
    EXPECT_EQ(log.pages_written(), 2U);
}

TEST_F(Log, what_waits_for_one_page_waits_together) {
    std::vector<Write*> all;
    for (std::uint64_t region = 0; region < map.regions(); region += 97)
        all.push_back(&write(region, region));
    executor.run();
    for (const Write* each : all) EXPECT_TRUE(each->durable);
    // The first by itself, and all that came while it was written.
    EXPECT_EQ(log.pages_written(), 1 + map.pages());
}

TEST_F(Log, goes_on_without_a_leg_that_fails) {
    devices[1]->tear_next_write = true;
    Write& first = write(0, 0);
    executor.run();
    EXPECT_TRUE(first.durable);
    EXPECT_EQ(failed, std::vector<std::size_t>{1});
}

TEST_F(Log, a_write_across_two_pages_waits_for_both) {
    ASSERT_EQ(map.pages(), 3U);
    Write& across = write(kRegionsPerPage - 1, kRegionsPerPage);
    executor.run();
    EXPECT_TRUE(across.durable);
    EXPECT_EQ(log.pages_written(), 2U);
}

TEST_F(Log, waits_when_nobody_took_it) {
    for (auto& device : devices) device->tear_next_write = true;
    tell({0, 1});
    devices[2]->tear_next_write = false;
    Write& first = write(0, 0);
    tell({});
    executor.run();
    EXPECT_FALSE(first.durable);
    EXPECT_EQ(failed.size(), 2U);
    failed.clear();
    tell({1});
    executor.run();
    EXPECT_TRUE(first.durable);
    EXPECT_EQ(state_on(1, 0), RegionState::dirty);
}

TEST_F(Log, saves_what_has_become_clean) {
    write(0, 1);
    executor.run();
    map.set(0, RegionState::clean);
    log.save(0);
    executor.run();
    EXPECT_EQ(state_on(2, 0), RegionState::clean);
    EXPECT_EQ(state_on(2, 1), RegionState::dirty);
    // It is not dirty any more: the next write says so first.
    Write& again = write(0, 0);
    EXPECT_FALSE(again.durable);
    executor.run();
    EXPECT_TRUE(again.durable);
}

TEST_F(Log, one_that_gives_up_is_not_told) {
    Write& first = write(0, 0);
    Write& second = write(0, 2);
    log.withdraw(second);
    executor.run();
    EXPECT_TRUE(first.durable);
    EXPECT_FALSE(second.durable);
    EXPECT_TRUE(log.idle());
}

// Whatever order things come in, no write goes ahead before every leg says so: check().
TEST_F(Log, holds_whatever_comes) {
    std::mt19937_64 chance(1);
    for (int step = 0; step < 5000; ++step) {
        const std::uint64_t first = chance() % map.regions();
        const std::uint64_t last = std::min(map.regions() - 1, first + chance() % 3);
        switch (chance() % 4) {
            case 0:
                if (log.idle()) {
                    map.set(first, RegionState::clean);
                    log.save(DirtyMap::page_of(first));
                }
                break;
            case 1: executor.run(); break;
            default: write(first, last);
        }
    }
    executor.run();
    for (const Write& each : writes) EXPECT_TRUE(each.durable);
    EXPECT_TRUE(log.idle());
}

}  // namespace
}  // namespace weft::mirror
