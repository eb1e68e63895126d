// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/initiator/srp/torture.h"

#include <cstdlib>

namespace weft::test {

namespace {

void inject(Bench& bench, const Faults& faults) {
    sim::Random& random = bench.world.random();
    const auto path = [&] { return std::to_string(random.below(bench.initiator_addresses.size())); };
    switch (random.below(6)) {
        case 0:
        case 1:
            if (faults.cut_one_channel)
                (void)bench.session->drop_channel(random.below(bench.session->channels()));
            return;
        case 2:
            if (faults.target_cuts && !bench.real) bench.target->disconnect(random.below(4));
            return;
        case 3:
            if (faults.target_cuts && !bench.real && random.chance(0.3)) bench.target->disconnect_all();
            return;
        case 4:
            if (faults.cut_wires) {
                const std::string name = path();
                bench.network.cut("i" + name, "t" + name);
                if (!faults.one_way) bench.network.cut("t" + name, "i" + name);
            } else if (faults.one_way) {
                const std::string name = path();
                bench.network.cut("t" + name, "i" + name);
            }
            return;
        case 5:
            bench.network.heal_all();
            if (faults.kill && random.chance(0.5)) {
                bench.kill_target();
                bench.world.run_for(random.between(1ms, 500ms));
                bench.start_target();
            }
            return;
        default: return;
    }
}

}  // namespace

std::uint64_t seeds() {
    const char* const wanted = std::getenv("WEFT_SEEDS");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 6;
}

void torture(Bench& bench, const Faults& faults) {
    bench.network.retry_timeout = 400ms;
    ASSERT_TRUE(bench.open());
    Load load(bench);
    for (int round = 0; round < 12; ++round) {
        bench.world.run_for(bench.world.random().between(100us, 400ms));
        inject(bench, faults);
    }
    bench.network.heal_all();
    load.stop();
    ASSERT_TRUE(bench.world.run_until([&] { return load.in_flight() == 0; }, 120s)) << bench.world.recent();
    EXPECT_EQ(bench.ghosts(), 0U) << bench.world.recent();
    EXPECT_EQ(load.wrong, 0U) << bench.world.recent();
    EXPECT_EQ(load.failed, 0U);
    EXPECT_GT(load.done, Load::kWorkers);
    for (const auto& [lba, version] : load.acknowledged)
        ASSERT_EQ(bench.version_on_medium(lba), version) << lba;
    EXPECT_EQ(bench.network.rnr_stalls, 0U);
    EXPECT_TRUE(bench.all_live());
}

}  // namespace weft::test
