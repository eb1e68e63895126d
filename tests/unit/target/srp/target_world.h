// SPDX-License-Identifier: Apache-2.0
// A target port with two volumes on one simulated node, and scripted initiators on another.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/block/memory_device.h"
#include "common/scsi/cdb.h"
#include "common/srp/port_id.h"
#include "target/srp/port.h"
#include "tests/sim/sim_fabric.h"
#include "tests/unit/target/srp/held_device.h"
#include "tests/unit/target/srp/scripted_initiator.h"

namespace weft::test {

class TargetWorld : public ::testing::Test, public target::Exports {
  protected:
    static constexpr std::uint32_t kBlock = 512;
    static constexpr std::uint32_t kDiskLun = 0;    // a HeldDevice
    static constexpr std::uint32_t kMemoryLun = 5;  // served straight out of its memory

    explicit TargetWorld(std::uint64_t seed = 1) : world(seed) {
        settings.port_id = srp::port_id_of_target("t");
        settings.request_limit = 16;
        settings.nexus_buffer_bytes = 1U << 20U;
    }

    void SetUp() override {
        disk_unit = std::make_unique<lun::LogicalUnit>(disk, lun::Identity{.name = "disk"});
        store = std::move(*block::MemoryStore::create(1U << 20U));
        memory =
            std::move(*block::MemoryDevice::create(target_node, *store, regions, {.block_size = kBlock}));
        memory_unit = std::make_unique<lun::LogicalUnit>(*memory, lun::Identity{.name = "memory"});
        start_port();
    }
    void TearDown() override {
        disk.hold = false;
        disk.release_all();
        initiators.clear();
        stop_port();
        EXPECT_EQ(network.rnr_stalls, 0U);
        memory_unit.reset();
        memory.reset();
    }
    void start_port() {
        group = std::make_unique<target::PortGroup>();
        port = std::make_unique<target::Port>(*group, target_node, target_fabric, regions, *this, settings);
        listener = std::move(*target_fabric.listen({.address = "*", .port = 5555}, "", *group));
    }
    void stop_port() {
        if (port == nullptr) return;
        bool stopped = false;
        port->stop([&] { stopped = true; });
        EXPECT_TRUE(run_until([&] { return stopped; })) << world.recent();
        listener.reset();
        port.reset();
    }

    std::vector<target::Export> visible_to(const srp::PortId& initiator) override {
        if (initiator == srp::port_id_of_initiator("stranger")) return {};
        const bool read_only = initiator == srp::port_id_of_initiator("reader");
        return {{.number = kDiskLun, .unit = disk_unit.get(), .read_only = read_only},
                {.number = kMemoryLun, .unit = memory_unit.get(), .read_only = read_only}};
    }

    bool run_until(const std::function<bool()>& done) { return world.run_until(done, 60s); }

    [[nodiscard]] srp::LoginRequest login_request(const std::string& name = "i") const {
        return {.immediate_data = true,
                .immediate_offset = 68,
                .it_iu_length = 8260,
                .initiator_port = srp::port_id_of_initiator(name),
                .target_port = settings.port_id};
    }
    ScriptedInitiator& initiator() {
        return *initiators.emplace_back(std::make_unique<ScriptedInitiator>(initiator_fabric));
    }
    // Logs in and expects success.
    ScriptedInitiator& logged_in(const srp::LoginRequest& request) {
        ScriptedInitiator& peer = initiator();
        const auto bytes = srp::encode(request);
        peer.connect({bytes.begin(), bytes.end()});
        EXPECT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::connecting; }));
        EXPECT_EQ(peer.state, ScriptedInitiator::State::live);
        return peer;
    }
    ScriptedInitiator& logged_in() { return logged_in(login_request()); }
    // Logs in and expects a reject with this reason.
    void expect_reject(const std::vector<std::byte>& private_data, srp::RejectReason reason) {
        ScriptedInitiator& peer = initiator();
        peer.connect(private_data);
        ASSERT_TRUE(run_until([&] { return peer.state != ScriptedInitiator::State::connecting; }));
        ASSERT_EQ(peer.state, ScriptedInitiator::State::rejected);
        ASSERT_TRUE(peer.reject.has_value());
        EXPECT_EQ(peer.reject->reason, reason);
    }
    void expect_reject(const srp::LoginRequest& request, srp::RejectReason reason) {
        const auto bytes = srp::encode(request);
        expect_reject(std::vector<std::byte>(bytes.begin(), bytes.end()), reason);
    }

    const ScriptedInitiator::Answer* wait_for(ScriptedInitiator& peer, std::uint64_t tag) {
        run_until(
            [&] { return peer.answer_to(tag) != nullptr || peer.state != ScriptedInitiator::State::live; });
        EXPECT_NE(peer.answer_to(tag), nullptr) << "no answer to " << tag << "\n" << world.recent();
        return peer.answer_to(tag);
    }
    // Sends a command whose DATA-IN or DATA-OUT is `length` bytes at `offset` of the peer's data, directly
    // described.
    void send_in(ScriptedInitiator& peer, std::uint64_t tag, std::uint32_t number, const scsi::Cdb& cdb,
                 std::size_t offset, std::uint32_t length) {
        const auto where = peer.at(offset, length);
        peer.send(srp::CommandContent{
            .tag = srp::Tag::of(tag),
            .lun = scsi::encode_lun({.number = static_cast<std::uint16_t>(number)}),
            .cdb = cdb,
            .data_in = length > 0 ? srp::BufferContent::direct(where) : srp::BufferContent{}});
    }
    void send_out(ScriptedInitiator& peer, std::uint64_t tag, std::uint32_t number, const scsi::Cdb& cdb,
                  std::size_t offset, std::uint32_t length) {
        const auto where = peer.at(offset, length);
        peer.send(srp::CommandContent{.tag = srp::Tag::of(tag),
                                      .lun = scsi::encode_lun({.number = static_cast<std::uint16_t>(number)}),
                                      .cdb = cdb,
                                      .data_out = srp::BufferContent::direct(where)});
    }
    void write(ScriptedInitiator& peer, std::uint64_t tag, std::uint64_t lba, std::uint32_t blocks,
               std::size_t offset) {
        send_out(peer, tag, kDiskLun, scsi::encode_write(lba, blocks), offset, blocks * kBlock);
    }
    void read(ScriptedInitiator& peer, std::uint64_t tag, std::uint64_t lba, std::uint32_t blocks,
              std::size_t offset) {
        send_in(peer, tag, kDiskLun, scsi::encode_read(lba, blocks), offset, blocks * kBlock);
    }
    static void fill(ScriptedInitiator& peer, std::size_t offset, std::size_t length, unsigned seed) {
        for (std::size_t i = 0; i < length; ++i)
            peer.data[offset + i] = static_cast<std::byte>((i * 7 + i / 256 + seed) & 0xFFU);
    }

    sim::World world;
    sim::Network network{world};
    sim::Node& target_node{world.add_node("target")};
    sim::Node& initiator_node{world.add_node("initiator")};
    sim::SimFabric target_fabric{network, target_node, {"t"}};
    sim::SimFabric initiator_fabric{network, initiator_node, {"i"}};
    RegionDirectory regions;
    target::Settings settings;
    HeldDevice disk{target_node, 8192, kBlock};
    std::unique_ptr<block::MemoryStore> store;
    std::unique_ptr<block::MemoryDevice> memory;
    std::unique_ptr<lun::LogicalUnit> disk_unit;
    std::unique_ptr<lun::LogicalUnit> memory_unit;
    std::unique_ptr<target::PortGroup> group;
    std::unique_ptr<target::Port> port;
    std::unique_ptr<rdma::Listener> listener;
    std::vector<std::unique_ptr<ScriptedInitiator>> initiators;
};

}  // namespace weft::test
