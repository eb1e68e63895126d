// SPDX-License-Identifier: Apache-2.0
// One target port on two reactors: who belongs where, and what concerns both.
#include "target/srp/port_group.h"

#include <array>

#include "tests/unit/target/srp/target_world.h"

namespace weft::test {
namespace {

using target::PortGroup;

TEST(HomeOfANexus, is_spread_evenly) {
    std::array<int, 4> homes{};
    for (int i = 0; i < 4000; ++i)
        ++homes[PortGroup::home_of(srp::port_id_of_initiator("node" + std::to_string(i)), homes.size())];
    for (const int count : homes) EXPECT_NEAR(count, 1000, 150);
    // Port identifiers of ib_srp differ in a few bits of the GUID.
    homes = {};
    srp::PortId id{};
    for (int i = 0; i < 4000; ++i) {
        id[14] = static_cast<std::byte>(i / 256);
        id[15] = static_cast<std::byte>(i % 256);
        ++homes[PortGroup::home_of(id, homes.size())];
    }
    for (const int count : homes) EXPECT_NEAR(count, 1000, 150);
}

TEST(HomeOfANexus, stays_what_it_is) {
    const auto home = [](const std::string& name) {
        return PortGroup::home_of(srp::port_id_of_initiator(name), 2);
    };
    EXPECT_EQ(home("node1"), 0U);
    EXPECT_EQ(home("node2"), 0U);
    EXPECT_EQ(home("node3"), 1U);
    EXPECT_EQ(home("node4"), 1U);
    EXPECT_EQ(PortGroup::home_of(srp::port_id_of_initiator("node1"), 1), 0U);
}

// TargetWorld's port is the first part; this is the second.
class TwoReactors : public TargetWorld {
  protected:
    struct Second final : target::Exports {
        std::vector<target::Export> visible_to(const srp::PortId&) override {
            return {{.number = kDiskLun, .unit = unit}};
        }
        lun::LogicalUnit* unit = nullptr;
    };

    void SetUp() override {
        TargetWorld::SetUp();
        second_unit = std::make_unique<lun::LogicalUnit>(second_disk, lun::Identity{.name = "disk"});
        second_exports.unit = second_unit.get();
        second_port = std::make_unique<target::Port>(*group, second_node, second_fabric, second_regions,
                                                     second_exports, settings);
    }
    void TearDown() override {
        second_disk.hold = false;
        second_disk.release_all();
        disk.hold = false;
        disk.release_all();
        initiators.clear();
        stop_both();
        TargetWorld::TearDown();
    }
    void stop_both() {
        if (port == nullptr) return;
        listener.reset();
        int stopped = 0;
        port->stop([&] { ++stopped; });
        second_port->stop([&] { ++stopped; });
        EXPECT_TRUE(run_until([&] { return stopped == 2; })) << world.recent();
        port.reset();
        second_port.reset();
    }
    // An initiator that belongs to this part.
    [[nodiscard]] static std::string name_at(std::size_t part, int from = 0) {
        for (int i = from;; ++i) {
            std::string name = "i" + std::to_string(i);
            if (PortGroup::home_of(srp::port_id_of_initiator(name), 2) == part) return name;
        }
    }
    ScriptedInitiator& logged_in_at(std::size_t part, int from = 0) {
        return logged_in(login_request(name_at(part, from)));
    }
    ScriptedInitiator& another_channel_at(std::size_t part) {
        auto more = login_request(name_at(part));
        more.action = srp::MultiChannelAction::keep;
        return logged_in(more);
    }
    static srp::TaskManagement lun_reset(std::uint64_t tag) {
        return {.tag = srp::Tag::of(tag),
                .lun = scsi::encode_lun({.number = kDiskLun}),
                .function = srp::TaskFunction::lun_reset};
    }

    sim::Node& second_node{world.add_node("target's second reactor")};
    sim::SimFabric second_fabric{network, second_node, {"t2"}};
    RegionDirectory second_regions;
    HeldDevice second_disk{second_node, 8192, kBlock};
    Second second_exports;
    std::unique_ptr<lun::LogicalUnit> second_unit;
    std::unique_ptr<target::Port> second_port;
};

TEST_F(TwoReactors, serve_each_its_own_initiators) {
    ScriptedInitiator& here = logged_in_at(0);
    ScriptedInitiator& there = logged_in_at(1);
    write(here, 1, 10, 1, 0);
    write(there, 1, 20, 1, 0);
    EXPECT_EQ(wait_for(here, 1)->status, 0);
    EXPECT_EQ(wait_for(there, 1)->status, 0);
    EXPECT_EQ(disk.log, std::vector<std::string>{"W 10"});
    EXPECT_EQ(second_disk.log, std::vector<std::string>{"W 20"});
    EXPECT_EQ(second_fabric.connections(), 1U);
}

TEST_F(TwoReactors, keep_all_channels_of_a_nexus_together) {
    ScriptedInitiator& first = logged_in_at(1);
    ScriptedInitiator& other = another_channel_at(1);
    EXPECT_TRUE(port->status().nexuses.empty());
    const auto status = second_port->status();
    ASSERT_EQ(status.nexuses.size(), 1U);
    EXPECT_EQ(status.nexuses[0].channels.size(), 2U);
    // An abort that comes on the surviving channel waits for the write of the lost one.
    second_disk.hold = true;
    write(first, 1, 10, 1, 0);
    ASSERT_TRUE(run_until([&] { return second_disk.held() == 1; }));
    first.connection->disconnect();
    other.abort_task(100, 1);
    world.run_for(100ms);
    EXPECT_EQ(other.answer_to(100), nullptr);
    second_disk.hold = false;
    second_disk.release_all();
    EXPECT_EQ(wait_for(other, 100)->code, srp::ResponseCode::complete);
    // A new login ends both.
    logged_in_at(1);
    EXPECT_TRUE(run_until([&] { return other.state == ScriptedInitiator::State::drained; }));
}

TEST_F(TwoReactors, refuse_with_the_reason) {
    expect_reject(std::vector<std::byte>(rdma::kRequestDataBytes, std::byte{0xA5}),
                  srp::RejectReason::cannot_establish);
    auto request = login_request(name_at(1));
    request.target_port[0] ^= std::byte{1};
    expect_reject(request, srp::RejectReason::cannot_associate);
    EXPECT_EQ(port->status().rejected, 1U);
    EXPECT_EQ(second_port->status().rejected, 1U);
}

TEST_F(TwoReactors, reset_a_unit_for_the_initiators_of_both) {
    ScriptedInitiator& here = logged_in_at(0);
    ScriptedInitiator& there = logged_in_at(1);
    second_disk.hold = true;
    write(there, 1, 20, 1, 0);
    ASSERT_TRUE(run_until([&] { return second_disk.held() == 1; }));
    here.send(srp::encode(lun_reset(9)));
    world.run_for(100ms);
    EXPECT_EQ(here.answer_to(9), nullptr) << "answered while a write of the other reactor may still land";
    second_disk.hold = false;
    second_disk.release_all();
    EXPECT_EQ(wait_for(here, 9)->code, srp::ResponseCode::complete);
    EXPECT_EQ(wait_for(there, 1)->status, static_cast<std::uint8_t>(scsi::Status::task_aborted));
    read(there, 2, 20, 1, 0);
    EXPECT_EQ(wait_for(there, 2)->sense[12], std::byte{0x29});
    read(there, 3, 20, 1, 0);
    EXPECT_EQ(wait_for(there, 3)->status, 0);
    read(here, 10, 20, 1, 0);
    EXPECT_EQ(wait_for(here, 10)->status, 0) << "who asked is not told";
}

TEST_F(TwoReactors, both_ask_at_once) {
    ScriptedInitiator& here = logged_in_at(0);
    ScriptedInitiator& there = logged_in_at(1);
    disk.hold = second_disk.hold = true;
    write(here, 1, 10, 1, 0);
    write(there, 1, 20, 1, 0);
    ASSERT_TRUE(run_until([&] { return disk.held() + second_disk.held() == 2; }));
    here.send(srp::encode(lun_reset(9)));
    there.send(srp::encode(lun_reset(9)));
    world.run_for(100ms);
    disk.release_all();
    world.run_for(100ms);
    EXPECT_EQ(here.answer_to(9), nullptr);
    EXPECT_EQ(there.answer_to(9), nullptr);
    second_disk.release_all();
    EXPECT_EQ(wait_for(here, 9)->code, srp::ResponseCode::complete);
    EXPECT_EQ(wait_for(there, 9)->code, srp::ResponseCode::complete);
}

TEST_F(TwoReactors, who_asked_for_a_reset_is_lost_before_the_answer) {
    ScriptedInitiator& here = logged_in_at(0);
    ScriptedInitiator& there = logged_in_at(1);
    second_disk.hold = true;
    write(there, 1, 20, 1, 0);
    ASSERT_TRUE(run_until([&] { return second_disk.held() == 1; }));
    here.send(srp::encode(lun_reset(9)));
    world.run_for(10ms);
    here.connection->disconnect();
    world.run_for(10ms);
    // The first part has no channel left, but what it has asked is not answered.
    listener.reset();
    bool stopped = false;
    bool second_stopped = false;
    port->stop([&] { stopped = true; });
    world.run_for(1s);
    EXPECT_FALSE(stopped);
    second_port->stop([&] { second_stopped = true; });
    world.run_for(100ms);
    EXPECT_FALSE(second_stopped);
    second_disk.release_all();
    EXPECT_TRUE(run_until([&] { return stopped && second_stopped; })) << world.recent();
    initiators.clear();
    port.reset();
    second_port.reset();
}

TEST_F(TwoReactors, count_their_initiators_together) {
    initiators.clear();
    stop_both();
    settings.nexuses_max = 2;
    start_port();
    second_port = std::make_unique<target::Port>(*group, second_node, second_fabric, second_regions,
                                                 second_exports, settings);
    ScriptedInitiator& here = logged_in_at(0);
    logged_in_at(1);
    expect_reject(login_request(name_at(1, 100)), srp::RejectReason::insufficient_resources);
    expect_reject(login_request(name_at(0, 100)), srp::RejectReason::insufficient_resources);
    // One that is away makes room on its reactor.
    here.connection->disconnect();
    EXPECT_TRUE(run_until([&] { return port->status().nexuses[0].channels.empty(); }));
    logged_in_at(0, 100);
}

TEST_F(TwoReactors, refuse_what_comes_over_while_they_stop) {
    ScriptedInitiator& peer = initiator();
    const auto bytes = srp::encode(login_request(name_at(1)));
    peer.connect({bytes.begin(), bytes.end()});
    second_port->stop([] {});
    EXPECT_TRUE(run_until([&] { return peer.state == ScriptedInitiator::State::rejected; }));
    initiators.clear();
    bool stopped = false;
    port->stop([&] { stopped = true; });
    EXPECT_TRUE(run_until([&] { return stopped; }));
    listener.reset();
    port.reset();
    second_port.reset();
}

}  // namespace
}  // namespace weft::test
