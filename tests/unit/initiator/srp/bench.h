// SPDX-License-Identifier: Apache-2.0
// One initiator and one fake target in a simulated world, with what every test of this room needs.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/core/slab.h"
#include "initiator/srp/remote_device.h"
#include "initiator/srp/session.h"
#include "tests/unit/initiator/srp/real_target.h"

namespace weft::test {

// One request of a test, with its memory.
struct TestIo : block::IoRequest {
    std::vector<std::byte> room;
    int completions = 0;
    std::function<void(TestIo&)> next;
};

class Bench {
  public:
    static constexpr std::size_t kBufferBytes = 64 << 10;
    static constexpr std::size_t kBuffers = 64;

    // `paths`: pairs of addresses, i0 -> t0, i1 -> t1.
    explicit Bench(std::uint64_t seed = 1, std::size_t paths = 1, std::uint32_t qps = 2,
                   bool weft_itself = false)
        : real(weft_itself), world(seed), network(world), initiator(world.add_node("initiator")) {
        for (std::size_t i = 0; i < paths; ++i) {
            initiator_addresses.push_back("i" + std::to_string(i));
            target_addresses.push_back("t" + std::to_string(i));
        }
        initiator_fabric = std::make_unique<sim::SimFabric>(network, initiator, initiator_addresses);
        options.target = "alpha";
        options.initiator_port[0] = std::byte{1};
        options.target_port[0] = std::byte{2};
        for (std::size_t i = 0; i < paths; ++i) {
            config::Path path;
            path.address = target_addresses[i];
            path.source = initiator_addresses[i];
            path.qps = qps;
            options.paths.push_back(path);
        }
        options.timing.command_timeout = 3s;
        options.timing.task_timeout = 2s;
        options.timing.connect_timeout = 1s;
        options.timing.reconnect_max = 2s;
        slab = std::move(*Slab::allocate(kBufferBytes * kBuffers));
        region = regions.add(slab.data(), slab.size());
        medium.bytes.resize(habits.blocks * habits.block_size);
        start_target();
    }
    ~Bench() {
        if (device != nullptr) device->close();
        if (session != nullptr) {
            if (session->state() != initiator::SessionState::stopped) stop();
            world.run_for(1s);
        }
        device.reset();
        session.reset();
        world.run_for(1s);
        target_node->kill();
        world.run_for(1s);
    }

    void start_target() {
        target_node = &world.add_node("target" + std::to_string(++target_lives));
        auto& fabric =
            target_node->keep(std::make_unique<sim::SimFabric>(network, *target_node, target_addresses));
        target_fabric = &fabric;
        if (real) {
            weft_target = &target_node->keep(std::make_unique<RealTarget>(world, *target_node, fabric, habits,
                                                                          medium, options.target_port));
            EXPECT_TRUE(weft_target->listen(5555));
        } else {
            target =
                &target_node->keep(std::make_unique<FakeTarget>(world, *target_node, fabric, habits, medium));
            EXPECT_TRUE(target->listen(5555));
        }
    }
    void kill_target() { target_node->kill(); }

    void start_session() {
        session = std::move(*initiator::Session::create(initiator, *initiator_fabric, regions, options));
        session->start();
    }
    bool log_in() {
        start_session();
        return world.run_until([this] { return session->live(); }, 30s);
    }
    // Logs in, waits for every channel, finds the unit and makes a device of it.
    bool open(initiator::RemoteDeviceOptions device_options = {.name = "leg"}) {
        if (!log_in() || !all_live()) return false;
        auto unit = find(habits.name.empty() ? initiator::UnitSelector{habits.lun}
                                             : initiator::UnitSelector{habits.name});
        if (!unit) return false;
        device = std::make_unique<initiator::RemoteDevice>(*session, *unit, device_options);
        return true;
    }
    Result<initiator::RemoteUnit> find(initiator::UnitSelector selector) {
        std::optional<Result<initiator::RemoteUnit>> found;
        session->find_unit(std::move(selector), [&](auto unit) { found = std::move(unit); });
        EXPECT_TRUE(world.run_until([&] { return found.has_value(); }, 60s));
        return found ? std::move(*found) : fail("no answer");
    }
    bool all_live() {
        return world.run_until(
            [this] {
                for (const auto& channel : session->status().channels)
                    if (channel.state != "live") return false;
                return true;
            },
            30s);
    }
    void stop() {
        bool stopped = false;
        session->stop([&] { stopped = true; });
        EXPECT_TRUE(world.run_until([&] { return stopped; }, 60s));
    }

    std::byte* buffer(std::size_t index) { return slab.data() + index * kBufferBytes; }
    // Fills in a request; `index` names its buffer.
    TestIo& prepare(TestIo& io, block::IoOp op, std::uint64_t lba, std::uint64_t blocks,
                    std::size_t index = 0) {
        io.op = op;
        io.lba = lba;
        io.blocks = blocks;
        io.data = {};
        if (op == block::IoOp::read || op == block::IoOp::write)
            io.data = {buffer(index), static_cast<std::uint32_t>(blocks * habits.block_size), region};
        io.room.assign(device->scratch_bytes() + 16, std::byte{0});
        io.scratch =
            reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(io.room.data()) + 15) / 16 * 16);
        io.done = [](block::IoRequest& request) {
            auto& self = static_cast<TestIo&>(request);
            ++self.completions;
            if (self.next) self.next(self);
        };
        return io;
    }
    // One request from beginning to end.
    block::IoStatus run(block::IoOp op, std::uint64_t lba = 0, std::uint64_t blocks = 0, bool fua = false) {
        TestIo io;
        prepare(io, op, lba, blocks);
        io.fua = fua;
        device->submit(io);
        EXPECT_FALSE(io.completions != 0) << "completed inside submit";
        EXPECT_TRUE(world.run_until([&] { return io.completions == 1; }, 120s));
        return io.status;
    }
    // Versions as the oracle of the target understands them.
    void stamp(std::size_t index, std::uint64_t blocks, std::uint64_t version) {
        std::memset(buffer(index), static_cast<int>(version & 0xFF), blocks * habits.block_size);
        for (std::uint64_t i = 0; i < blocks; ++i)
            std::memcpy(buffer(index) + i * habits.block_size, &version, sizeof version);
    }
    [[nodiscard]] std::uint64_t version_on_medium(std::uint64_t lba) const {
        std::uint64_t version = 0;
        std::memcpy(&version, medium.bytes.data() + lba * habits.block_size, sizeof version);
        return version;
    }
    [[nodiscard]] std::uint64_t ghosts() const { return medium.ghosts; }

    const bool real;  // weft's own target, or the fake one

    sim::World world;
    sim::Network network;
    sim::Node& initiator;
    std::vector<std::string> initiator_addresses;
    std::vector<std::string> target_addresses;
    std::unique_ptr<sim::SimFabric> initiator_fabric;
    Slab slab;
    RegionDirectory regions;
    RegionId region = kNoRegion;
    Habits habits;
    Medium medium;
    sim::Node* target_node = nullptr;
    sim::SimFabric* target_fabric = nullptr;
    FakeTarget* target = nullptr;
    RealTarget* weft_target = nullptr;
    int target_lives = 0;

    initiator::SessionOptions options;
    std::unique_ptr<initiator::Session> session;
    std::unique_ptr<initiator::RemoteDevice> device;
};

}  // namespace weft::test
