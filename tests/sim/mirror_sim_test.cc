// SPDX-License-Identifier: Apache-2.0
// A mirror of two or three legs, its owner and its application in the simulated world: legs go away and come
// back, disks are slow, the owner is killed at any step and starts again. The oracle of one volume holds all
// the time; in the end all legs are in sync and the same.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/core/log.h"
#include "common/mirror/mirror_opening.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_disk.h"

namespace weft::sim {
namespace {

using block::IoOp;
using block::IoStatus;

constexpr std::uint32_t kBlock = 4096;
constexpr std::uint64_t kLegBlocks = 512;
constexpr std::size_t kSlots = 8;
constexpr std::uint64_t kMost = 24;  // blocks of a request

// A leg with a network before it. What was under way when it went away is answered as lost when it is over,
// done or not.
class Remote final : public block::BlockDevice {
  public:
    struct Line {
        bool away = false;
        std::uint64_t breaks = 0;
    };
    Remote(Node& node, SimMedium& medium, const Line& line)
        : BlockDevice(node), disk_(node, medium), line_(line) {}

    [[nodiscard]] const block::Geometry& geometry() const override { return disk_.geometry(); }
    [[nodiscard]] std::size_t scratch_bytes() const override { return (sizeof(Part) + 15) / 16 * 16; }

  private:
    struct Part final : block::IoRequest {
        Remote* remote = nullptr;
        block::IoRequest* io = nullptr;
        std::uint64_t breaks = 0;
    };
    void do_submit(block::IoRequest& io) override {
        if (line_.away) {
            complete(io, IoStatus::connection_lost);
            return;
        }
        auto& part = *::new (io.scratch) Part;
        part.op = io.op;
        part.fua = io.fua;
        part.lba = io.lba;
        part.blocks = io.blocks;
        part.data = io.data;
        part.remote = this;
        part.io = &io;
        part.breaks = line_.breaks;
        part.done = [](block::IoRequest& request) {
            auto& done = static_cast<Part&>(request);
            const bool lost = done.breaks != done.remote->line_.breaks;
            done.remote->complete(*done.io, lost ? IoStatus::connection_lost : done.status);
        };
        disk_.submit(part);
    }
    SimDisk disk_;
    const Line& line_;
};

struct Request {
    bool busy = false;
    IoOp op = IoOp::read;
    bool fua = false;
    std::uint64_t lba = 0;
    std::uint64_t blocks = 0;
    Stamp stamp = 0;
    std::uint64_t flush_at = 0;
    Oracle::ReadView view;
};

class MirrorSim;

// What dies with the owner.
struct Process {
    struct Slot final : block::IoRequest {
        MirrorSim* sim = nullptr;
        std::size_t index = 0;
        std::vector<std::max_align_t> memory;
        std::vector<std::byte> buffer = std::vector<std::byte>(kMost * kBlock);
    };
    std::vector<std::unique_ptr<Remote>> legs;
    std::vector<std::byte> room;
    std::unique_ptr<mirror::MirrorOpening> opening;
    std::unique_ptr<mirror::MirrorDevice> device;
    std::array<Slot, kSlots> slots;
};

class MirrorSim {
  public:
    MirrorSim(std::uint64_t seed, std::size_t legs)
        : world(seed),
          shape_(mirror::shape_for(kLegBlocks * kBlock, kBlock, mirror::kRegionBytesMin).value()),
          oracle_(shape_.bytes / kBlock, kBlock),
          lines_(legs) {
        for (std::size_t i = 0; i < legs; ++i) {
            DiskHabits habits{.block_size = kBlock, .blocks = kLegBlocks};
            if (world.random().chance(0.3)) habits.latency_max = 3ms;
            media_.push_back(std::make_unique<SimMedium>(world, habits));
        }
        make_volume();
    }

    std::string run() {
        start_owner();
        for (std::size_t slot = 0; slot < kSlots; ++slot) schedule(slot);
        faults_ = true;
        fault();
        world.run_for(4s);
        faults_ = false;
        for (auto& line : lines_) line.away = false;
        if (!node_->alive()) restart();
        if (!world.run_until([&] { return wrong() || healthy(); }, 60s))
            return complain("it did not become whole again: " + state());
        if (wrong()) return complain("");
        stopping_ = true;
        if (!world.run_until([&] { return wrong() || idle(); }, 30s)) return complain("requests do not end");
        world.run_until([&] { return wrong() || healthy(); }, 60s);
        compare();
        if (wrong()) return complain("");
        bool closed = false;
        process_->device->close([&] { closed = true; });
        if (!world.run_until([&] { return closed; }, 10s)) return complain("it does not close: " + state());
        process_->device.reset();
        return complain("");
    }

    void on_done(std::size_t slot, IoStatus status);

    World world;
    std::uint64_t requests = 0;
    std::uint64_t kills = 0;
    std::uint64_t breaks = 0;
    std::uint64_t copied = 0;

  private:
    [[nodiscard]] bool wrong() const { return !oracle_.complaint().empty(); }
    std::string complain(const std::string& what) {
        if (!what.empty()) oracle_.complain(what);
        return wrong() ? oracle_.complaint() + "\n" + world.recent() : "";
    }
    [[nodiscard]] bool idle() const {
        for (const Request& request : requests_) {
            if (request.busy) return false;
        }
        return true;
    }
    [[nodiscard]] bool healthy() const {
        if (process_ == nullptr || process_->device == nullptr) return false;
        const auto status = process_->device->status();
        for (const auto& leg : status.legs) {
            if (leg.state != mirror::LegState::in_sync) return false;
        }
        return status.settled && status.unreconciled_regions == 0;
    }
    [[nodiscard]] std::string state() const {
        if (process_ == nullptr || process_->device == nullptr) return "no device: " + why_;
        const auto status = process_->device->status();
        std::string text = "epoch " + std::to_string(status.epoch) + (status.settled ? "" : " unsettled") +
                           (status.suspended ? " suspended" : "") + ", dirty " +
                           std::to_string(status.dirty_regions) + ", unreconciled " +
                           std::to_string(status.unreconciled_regions);
        for (const auto& leg : status.legs)
            text += "; " + std::string(to_string(leg.state)) + (leg.up ? " up " : " down ") + leg.problem;
        return text;
    }

    // --- the volume

    void make_volume() {
        Node& maker = world.add_node("maker");
        mirror::Superblock first;
        first.volume = Uuid::from_name("sim", "volume");
        first.name = "sim";
        first.shape = shape_;
        first.sequence = 1;
        first.epoch = {.number = 1, .id = 1};
        first.clean = true;
        for (std::size_t i = 0; i < media_.size(); ++i)
            first.members.push_back(
                {.uuid = Uuid::from_name("leg", std::to_string(i)), .state = mirror::LegState::in_sync});
        const mirror::DirtyMap map(shape_);
        for (std::size_t i = 0; i < media_.size(); ++i) {
            SimDisk disk(maker, *media_[i]);
            std::vector<std::byte> room(mirror::LegMedia::kRoomBytes + mirror::kPageBytes);
            mirror::LegMedia media(disk, {room.data(), mirror::LegMedia::kRoomBytes, kNoRegion});
            std::size_t done = 0;
            media.read_superblock([&](const auto&) {
                first.self = i;
                media.write_superblock(first, [&](bool) { ++done; });
            });
            auto& page = reinterpret_cast<mirror::MapPage&>(*(room.data() + mirror::LegMedia::kRoomBytes));
            map.encode(0, first.volume, 1, page);
            media.write_page(shape_, 0, 1, {page.data(), mirror::kPageBytes, kNoRegion},
                             [&](bool) { ++done; });
            world.run_until([&] { return done == 2; }, 1s);
        }
    }

    // --- the owner

    void start_owner() {
        node_ = &world.add_node("owner");
        world.after(Duration{0}, node_, [this] {
            auto made = std::make_unique<Process>();
            process_ = made.get();
            node_->keep(std::move(made));
            open();
        });
    }
    void open() {
        Process& process = *process_;
        process.legs.clear();
        process.room.assign(media_.size() * mirror::LegMedia::kRoomBytes + mirror::MirrorDevice::kRoomBytes,
                            std::byte{0});
        std::vector<std::unique_ptr<mirror::LegMedia>> legs;
        for (std::size_t i = 0; i < media_.size(); ++i) {
            process.legs.push_back(std::make_unique<Remote>(*node_, *media_[i], lines_[i]));
            const Segment room{process.room.data() + i * mirror::LegMedia::kRoomBytes,
                               mirror::LegMedia::kRoomBytes, kNoRegion};
            legs.push_back(std::make_unique<mirror::LegMedia>(*process.legs.back(), room));
        }
        const Segment room{process.room.data() + media_.size() * mirror::LegMedia::kRoomBytes,
                           mirror::MirrorDevice::kRoomBytes, kNoRegion};
        process.opening = std::make_unique<mirror::MirrorOpening>(
            std::move(legs), room,
            [this, process = &process](auto outcome) { on_opened(*process, std::move(outcome)); });
        process.opening->start();
    }
    void on_opened(Process& process, mirror::MirrorOpening::Outcome outcome) {
        if (outcome.parts == nullptr) {
            why_ = outcome.assembly.why;
            world.trace("not opened: " + why_);
            world.after(50ms, node_, [this] { open(); });
            return;
        }
        mirror::MirrorOptions options;
        options.name = "sim";
        options.probe_period = 20ms;
        options.clean_period = 50ms;
        options.random = [this] { return 2 + world.random().below(~std::uint64_t{0} - 2); };
        process.device = std::make_unique<mirror::MirrorDevice>(*node_, std::move(*outcome.parts), options);
        world.trace("opened");
        for (std::size_t i = 0; i < kSlots; ++i) {
            Process::Slot& slot = process.slots.at(i);
            slot.sim = this;
            slot.index = i;
            slot.memory.resize(process.device->scratch_bytes() / sizeof(std::max_align_t) + 1);
            slot.scratch = reinterpret_cast<std::byte*>(slot.memory.data());
            slot.done = [](block::IoRequest& io) {
                auto& done = static_cast<Process::Slot&>(io);
                done.sim->on_done(done.index, done.status);
            };
            if (requests_.at(i).busy) again(i);
        }
    }
    // `power`: everything loses its power, all caches are gone.
    void kill(bool power) {
        if (!node_->alive()) return;
        ++kills;
        world.trace(power ? "the power fails everywhere" : "the owner is killed");
        copied +=
            process_ != nullptr && process_->device != nullptr ? process_->device->status().bytes_copied : 0;
        node_->kill();
        process_ = nullptr;
        // The whole host, perhaps: nobody sends again what was under way.
        const bool host = power || world.random().chance(0.5);
        for (std::size_t i = 0; i < kSlots; ++i) {
            Request& request = requests_.at(i);
            if (!request.busy) continue;
            if (request.op == IoOp::read) oracle_.read_abandoned(request.view);
            if (!host) continue;
            if (request.op != IoOp::read && request.op != IoOp::flush)
                oracle_.write_ended(request.lba, request.blocks, false, false);
            request.busy = false;
            schedule(i);
        }
        if (!power) return;
        for (auto& medium : media_) medium->power_off();
        oracle_.power_off(0, shape_.bytes / kBlock);
    }
    void restart() {
        world.trace("the owner starts");
        start_owner();
    }

    // --- faults

    void fault() {
        if (!faults_) return;
        Random& random = world.random();
        const std::size_t leg = random.below(lines_.size());
        switch (random.below(5)) {
            case 0:
            case 1:
            case 2:
                lines_[leg].away = !lines_[leg].away;
                if (lines_[leg].away) {
                    ++lines_[leg].breaks;
                    ++breaks;
                }
                world.trace("leg " + std::to_string(leg) + (lines_[leg].away ? " goes away" : " comes back"));
                break;
            case 3: media_[leg]->slowness = random.chance(0.3) ? 20 : 1; break;
            default:
                if (!node_->alive()) break;
                kill(random.chance(0.3));
                world.after(random.between(Duration{0}, Duration{30ms}), nullptr, [this] {
                    if (!node_->alive()) restart();
                });
        }
        world.after(random.between(Duration{100us}, Duration{120ms}), nullptr, [this] { fault(); });
    }

    // --- the application

    void schedule(std::size_t slot) {
        world.after(world.random().between(Duration{0}, Duration{2ms}), nullptr,
                    [this, slot] { next(slot); });
    }
    void next(std::size_t slot) {
        Request& request = requests_.at(slot);
        if (stopping_ || request.busy || wrong()) return;
        Random& random = world.random();
        const std::uint64_t blocks = shape_.bytes / kBlock;
        const std::uint64_t kind = random.below(100);
        request.op = kind < 50   ? IoOp::write
                     : kind < 88 ? IoOp::read
                     : kind < 95 ? IoOp::flush
                                 : IoOp::write_zeroes;
        request.fua = request.op == IoOp::write && random.chance(0.2);
        request.lba = request.blocks = 0;
        if (request.op != IoOp::flush) {
            request.blocks = random.chance(0.1) ? random.between(1, kMost) : random.between(1, 4);
            request.lba = random.below(blocks - request.blocks + 1);
            if (request.op != IoOp::read && oracle_.write_in_flight(request.lba, request.blocks)) {
                request.op = IoOp::read;
                request.fua = false;
            }
        }
        request.stamp = request.op == IoOp::write ? next_stamp_++ : 0;
        request.busy = true;
        ++requests;
        if (request.op == IoOp::write || request.op == IoOp::write_zeroes)
            oracle_.write_started(request.lba, request.blocks, request.stamp);
        again(slot);
    }
    // To the process that runs now; if there is none, the next one.
    void again(std::size_t slot) {
        Request& request = requests_.at(slot);
        if (process_ == nullptr || process_->device == nullptr) return;
        world.after(Duration{0}, node_, [this, slot, &request, process = process_] {
            Process::Slot& io = process->slots.at(slot);
            if (io.in_flight() || !request.busy) return;
            if (request.op == IoOp::read) oracle_.read_started(request.view, request.lba, request.blocks);
            if (request.op == IoOp::flush) request.flush_at = oracle_.flush_started();
            io.op = request.op;
            io.fua = request.fua;
            io.lba = request.lba;
            io.blocks = request.blocks;
            const bool moves = request.op == IoOp::read || request.op == IoOp::write;
            io.data = moves ? Segment{io.buffer.data(), static_cast<std::uint32_t>(request.blocks * kBlock),
                                      kNoRegion}
                            : Segment{};
            if (request.op == IoOp::write)
                oracle_.fill(io.buffer.data(), request.lba, request.blocks, request.stamp);
            world.trace("slot " + std::to_string(slot) + " " + std::to_string(static_cast<int>(request.op)) +
                        " " + std::to_string(request.lba) + "+" + std::to_string(request.blocks) + " #" +
                        std::to_string(request.stamp));
            process->device->submit(io);
        });
    }

    // All legs hold what the oracle knows, outside of what was never written.
    void compare() {
        oracle_.blocks_checked = 0;
        for (std::uint64_t lba = 0; lba < shape_.bytes / kBlock && !wrong(); ++lba) {
            for (std::size_t leg = 1; leg < media_.size(); ++leg) {
                if (std::memcmp(media_[0]->block(lba), media_[leg]->block(lba), kBlock) != 0)
                    oracle_.complain("legs 0 and " + std::to_string(leg) + " differ in block " +
                                     std::to_string(lba));
            }
            oracle_.check_medium(lba, media_[0]->block(lba));
        }
    }

    mirror::Shape shape_;
    Oracle oracle_;
    std::vector<Remote::Line> lines_;
    std::vector<std::unique_ptr<SimMedium>> media_;
    Node* node_ = nullptr;
    Process* process_ = nullptr;
    std::array<Request, kSlots> requests_{};
    Stamp next_stamp_ = 1;
    bool faults_ = false;
    bool stopping_ = false;
    std::string why_;
};

void MirrorSim::on_done(std::size_t slot, IoStatus status) {
    Request& request = requests_.at(slot);
    world.trace("slot " + std::to_string(slot) + " done: " + std::string(block::to_string(status)));
    if (status != IoStatus::ok)
        return oracle_.complain("slot " + std::to_string(slot) + ": " +
                                std::string(block::to_string(status)));
    request.busy = false;
    switch (request.op) {
        case IoOp::read: oracle_.read_ended(request.view, process_->slots.at(slot).buffer.data()); break;
        case IoOp::flush: oracle_.flush_ended(request.flush_at); break;
        default: oracle_.write_ended(request.lba, request.blocks, true, request.fua);
    }
    schedule(slot);
}

TEST(MirrorSim, loses_nothing) {
    const char* seeds = std::getenv("WEFT_SEEDS");
    const char* first = std::getenv("WEFT_SEED");
    const std::uint64_t begin = first != nullptr ? std::strtoull(first, nullptr, 10) : 1;
    const std::uint64_t count = seeds != nullptr ? std::strtoull(seeds, nullptr, 10) : 60;
    ASSERT_TRUE(log::start("mirror_sim", "error"));  // what happens to legs is the scenario's trace
    std::uint64_t requests = 0;
    std::uint64_t kills = 0;
    std::uint64_t copied = 0;
    for (std::uint64_t seed = begin; seed < begin + count; ++seed) {
        auto sim = std::make_unique<MirrorSim>(seed, 2 + seed % 2);
        sim->world.set_echo(first != nullptr);
        const std::string complaint = sim->run();
        if (!complaint.empty()) {
            (void)sim.release();  // it is not in a state to be taken apart
            FAIL() << "seed " << seed << ": " << complaint;
        }
        requests += sim->requests;
        kills += sim->kills;
        copied += sim->copied;
    }
    std::printf("%llu requests, %llu kills, %llu MiB copied\n", static_cast<unsigned long long>(requests),
                static_cast<unsigned long long>(kills), static_cast<unsigned long long>(copied >> 20U));
}

}  // namespace
}  // namespace weft::sim
