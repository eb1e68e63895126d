// SPDX-License-Identifier: Apache-2.0
// Many tasks at once, everything in random order: moves, I/O, buffers, faults, aborts. Each task works in a
// zone of blocks of its own, so that an oracle knows what must be there.
#include "common/lun/task.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>

#include "common/scsi/unmap.h"
#include "tests/unit/common/lun/bench.h"

namespace weft::lun {
namespace {

using block::IoOp;
using block::IoStatus;
using scsi::Cdb;
using scsi::MediaFlags;
using scsi::Opcode;
using test::FrontEnd;

constexpr std::uint64_t kZoneBlocks = 64;
constexpr std::size_t kTasks = 6;

class Chaos {
  public:
    explicit Chaos(std::uint64_t seed)
        : random_(seed),
          geometry_(make_geometry()),
          front_end_(1 + below(4), (geometry_.block_size * 2) << below(4)),
          device_(executor_, geometry_),
          unit_(device_, test::identity_of_test()) {
        front_end_.least_lent = chance(3) ? geometry_.block_size : 0;
        device_.shows_memory = chance(3);
        front_end_.reaches_memory = chance(2);
        device_.supports_fua = !chance(4);
        for (auto& byte : device_.content) byte = static_cast<std::byte>(random_());
        if (chance(2)) {
            for (int i = 0; i < 6; ++i) device_.bad_for_reads.insert(below(geometry_.blocks));
            for (int i = 0; i < 3; ++i) device_.bad_for_writes.insert(below(geometry_.blocks));
        }
        if (chance(4)) {
            device_.fate = [this](const block::IoRequest&) {
                static constexpr std::array kFates = {IoStatus::io_error, IoStatus::no_space,
                                                      IoStatus::timed_out};
                return chance(15) ? kFates.at(below(kFates.size())) : IoStatus::ok;
            };
        }
        breaks_ = chance(4);
        model_ = device_.content;
        for (std::size_t i = 0; i < kTasks; ++i) {
            slots_.push_back(std::make_unique<Slot>(front_end_, device_.scratch_bytes()));
            slots_.back()->zone = i * kZoneBlocks;
        }
    }

    void run(int commands) {
        std::uint64_t idle_steps = 0;
        while (commands > 0 || busy()) {
            const bool moved = step(commands);
            check_finished();
            idle_steps = moved ? 0 : idle_steps + 1;
            if (::testing::Test::HasFailure()) break;
            ASSERT_LT(idle_steps, 10000U) << "stuck: " << reasons();
        }
        drain();
        EXPECT_EQ(unit_.tasks(), 0U);
        if (!::testing::Test::HasFailure()) {
            EXPECT_EQ(device_.content, model_);
        }
    }

  private:
    struct Slot {
        Slot(FrontEnd& front_end, std::size_t scratch_bytes) : command(front_end, scratch_bytes) {}
        FrontEnd::Command command;
        bool active = false;
        bool immediate = false;
        std::uint64_t zone = 0;
        // What was asked.
        IoOp kind = IoOp::flush;  // read: data-in; write: `after` goes to the medium; flush: nothing known
        std::uint64_t lba = 0;
        std::uint64_t blocks = 0;
        bool durable = false;             // success means it is on the medium
        bool block_by_block = false;      // data_out_done counts what was written
        std::vector<std::byte> after;     // of [lba, lba + blocks), if all went well
        std::optional<bool> miscompares;  // VERIFY with bytes
    };

    std::uint64_t below(std::uint64_t end) { return random_() % end; }
    bool chance(std::uint64_t in) { return below(in) == 0; }

    block::Geometry make_geometry() {
        const bool small = chance(2);
        return {.block_size = small ? 512U : 4096U,
                .physical_block_size = 4096,
                .blocks = kTasks * kZoneBlocks,
                .transfer_blocks_max = chance(3) ? static_cast<std::uint32_t>(1 + below(9)) : 0,
                .discard_granularity = 1,
                .discard_blocks_max = chance(2) ? 1 + below(20) : 0,
                .zero_blocks_max = chance(2) ? 1 + below(20) : 0,
                .write_zeroes = chance(2),
                .discard_zeroes = true,
                .volatile_cache = !chance(3)};
    }

    [[nodiscard]] bool busy() const {
        return std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) {
            return slot->active || slot->command.executing() || !slot->command.quiet();
        });
    }
    [[nodiscard]] std::string reasons() const {
        std::string text;
        for (const auto& slot : slots_) text += std::string(slot->command.waits_for()) + "; ";
        return text;
    }

    // One random thing; false if it was not possible.
    bool step(int& commands) {
        switch (below(8)) {
            case 0: {
                Slot& slot = *slots_.at(below(slots_.size()));
                if (commands == 0 || slot.active || !slot.command.quiet()) return false;
                --commands;
                issue(slot);
                return true;
            }
            case 1:
            case 2:
            case 3:
                if (device_.pending() == 0) return false;
                device_.complete_one(below(device_.pending()));
                return true;
            case 4:
            case 5:
                if (front_end_.pending() == 0) return false;
                return front_end_.complete_one(below(front_end_.pending()), !(breaks_ && chance(20)));
            case 6:
                if (front_end_.has_waiter()) {
                    front_end_.wake_one();
                    return true;
                }
                if (chance(60)) {
                    Slot& slot = *slots_.at(below(slots_.size()));
                    if (slot.command.executing()) front_end_.abort(slot.command);
                }
                return false;
            default: return executor_.run();
        }
    }

    void drain() {
        for (bool any = true; any;) {
            any = executor_.run();
            while (device_.pending() != 0) {
                device_.complete_one(0);
                any = true;
            }
            for (std::size_t i = front_end_.pending(); i-- > 0;) any |= front_end_.complete_one(i);
            while (front_end_.has_waiter()) {
                front_end_.wake_one();
                any = true;
            }
        }
    }

    void issue(Slot& slot) {
        slot.active = true;
        slot.lba = slot.zone + below(kZoneBlocks);
        slot.blocks = 1 + below(slot.zone + kZoneBlocks - slot.lba);
        slot.immediate = chance(3);
        slot.durable = false;
        slot.miscompares.reset();
        const auto lba = slot.lba;
        const auto blocks = static_cast<std::uint32_t>(slot.blocks);
        const std::uint64_t bytes = slot.blocks * geometry_.block_size;
        slot.after = zone_content(slot);
        switch (below(8)) {
            case 0:
            case 1: {
                slot.kind = IoOp::read;
                const std::uint64_t room = chance(4) ? below(bytes + 100) : bytes;
                start(slot, scsi::encode_read(lba, blocks, {.fua = chance(5)}), room, {});
                return;
            }
            case 2:
            case 3: {
                const bool fua = chance(3);
                for (auto& byte : slot.after) byte = static_cast<std::byte>(random_());
                write(
                    slot,
                    fua ? scsi::encode_write_16(lba, blocks, {.fua = true}) : scsi::encode_write(lba, blocks),
                    fua, slot.after);
                return;
            }
            case 4: {
                for (auto& byte : slot.after) byte = static_cast<std::byte>(random_());
                Cdb cdb = scsi::encode_write_16(lba, blocks);
                cdb[0] = static_cast<std::byte>(Opcode::write_and_verify_16);
                cdb[1] = chance(2) ? std::byte{0x02} : std::byte{0};
                write(slot, cdb, true, slot.after);
                return;
            }
            case 5: verify(slot); return;
            case 6: write_same(slot); return;
            default: unmap(slot); return;
        }
    }
    void write(Slot& slot, const Cdb& cdb, bool durable, std::vector<std::byte> data_out) {
        slot.kind = IoOp::write;
        slot.durable = durable && geometry_.volatile_cache;
        slot.block_by_block =
            data_out == slot.after && cdb[0] != static_cast<std::byte>(Opcode::write_same_16);
        start(slot, cdb, 0, std::move(data_out));
    }
    void verify(Slot& slot) {
        slot.kind = IoOp::flush;
        Cdb cdb = scsi::encode_read_16(slot.lba, static_cast<std::uint32_t>(slot.blocks));
        cdb[0] = static_cast<std::byte>(Opcode::verify_16);
        auto bytes = slot.after;
        if (chance(3)) {
            start(slot, cdb, 0, {});
            return;
        }
        cdb[1] = std::byte{0x02};
        slot.miscompares = chance(2);
        if (*slot.miscompares) bytes.at(below(bytes.size())) ^= std::byte{0x80};
        start(slot, cdb, 0, std::move(bytes));
    }
    void write_same(Slot& slot) {
        std::vector<std::byte> pattern(geometry_.block_size);
        if (chance(2)) {
            for (auto& byte : pattern) byte = static_cast<std::byte>(random_());
        }
        const bool ndob = chance(4);
        if (ndob) std::fill(pattern.begin(), pattern.end(), std::byte{0});
        for (std::size_t i = 0; i < slot.after.size(); ++i) slot.after[i] = pattern[i % pattern.size()];
        write(slot,
              scsi::encode_write_same_16(slot.lba, static_cast<std::uint32_t>(slot.blocks), chance(2), ndob),
              false, ndob ? std::vector<std::byte>() : pattern);
    }
    void unmap(Slot& slot) {
        std::vector<scsi::UnmapExtent> extents;
        for (std::uint64_t i = below(4); i-- > 0;) {
            const std::uint64_t first = below(slot.blocks);
            const std::uint64_t count = below(slot.blocks - first + 1);
            extents.push_back({slot.lba + first, static_cast<std::uint32_t>(count)});
            std::fill_n(slot.after.begin() + static_cast<std::ptrdiff_t>(first * geometry_.block_size),
                        count * geometry_.block_size, std::byte{0});
        }
        std::vector<std::byte> list(scsi::unmap_list_bytes(extents.size()));
        scsi::encode_unmap_list(extents, list);
        write(slot, scsi::encode_unmap(static_cast<std::uint16_t>(list.size())), false, list);
    }

    void start(Slot& slot, const Cdb& cdb, std::uint64_t room, std::vector<std::byte> data_out) {
        front_end_.prepare(slot.command, cdb, room, std::move(data_out), slot.immediate);
        front_end_.inside([&] { unit_.execute(slot.command, nexus_); });
        EXPECT_EQ(slot.command.finished, 0);
    }

    [[nodiscard]] std::vector<std::byte> zone_content(const Slot& slot) const {
        const auto first = model_.begin() + static_cast<std::ptrdiff_t>(slot.lba * geometry_.block_size);
        return {first, first + static_cast<std::ptrdiff_t>(slot.blocks * geometry_.block_size)};
    }

    void check_finished() {
        for (auto& slot : slots_) {
            if (!slot->active || slot->command.finished == 0 || !slot->command.quiet()) continue;
            slot->active = false;
            check(*slot);
        }
    }
    void check(Slot& slot) {
        const auto& command = slot.command;
        const bool good = command.status == scsi::Status::good && !command.aborted();
        if (slot.kind == IoOp::read && !command.aborted()) check_read(slot, good);
        if (slot.kind == IoOp::write) check_write(slot, good);
        if (slot.miscompares && good) {
            EXPECT_FALSE(*slot.miscompares);
        }
        if (command.status == scsi::Status::check_condition && !command.aborted()) check_sense(slot);
    }
    void check_read(const Slot& slot, bool good) {
        const auto& command = slot.command;
        const auto expected = zone_content(slot);
        if (good) {
            EXPECT_EQ(command.data_in_done, std::min<std::uint64_t>(command.data_in.size(), expected.size()));
        }
        if (breaks_) return;  // what a broken channel delivered is nobody's concern
        ASSERT_LE(command.data_in_done, command.data_in.size());
        EXPECT_TRUE(std::equal(command.data_in.begin(),
                               command.data_in.begin() + static_cast<std::ptrdiff_t>(command.data_in_done),
                               expected.begin()));
    }
    // Each block is as it was or as it should be; after success, and up to data_out_done, as it should be.
    void check_write(const Slot& slot, bool good) {
        const std::size_t size = geometry_.block_size;
        for (std::uint64_t i = 0; i < slot.blocks; ++i) {
            const std::byte* is = device_.content.data() + (slot.lba + i) * size;
            std::byte* was = model_.data() + (slot.lba + i) * size;
            const bool done = std::memcmp(is, slot.after.data() + i * size, size) == 0;
            const bool surely = good || (slot.block_by_block && !slot.command.aborted() &&
                                         (i + 1) * size <= slot.command.data_out_done);
            EXPECT_TRUE(done || (!surely && std::memcmp(is, was, size) == 0))
                << "block " << slot.lba + i << " of " << test::to_hex(slot.command.cdb) << ": "
                << scsi_text(slot);
            if (good && slot.durable) {
                EXPECT_EQ(device_.dirty.count(slot.lba + i), 0U);
            }
            std::memcpy(was, is, size);
        }
    }
    static std::string scsi_text(const Slot& slot) {
        return "status " + std::to_string(static_cast<unsigned>(slot.command.status)) + ", sense " +
               test::to_hex(slot.command.sense.span()) + (slot.command.aborted() ? ", aborted" : "") +
               ", done " + std::to_string(slot.command.data_out_done);
    }
    void check_sense(const Slot& slot) {
        const auto sense = scsi::decode_sense(slot.command.sense.span());
        ASSERT_TRUE(sense);
        if (!sense->information || sense->key != scsi::SenseKey::medium_error) return;
        EXPECT_GE(*sense->information, slot.lba);
        EXPECT_LT(*sense->information, slot.lba + slot.blocks);
        // Exact, unless another fault cut the search for it short.
        if (sense->code == scsi::SenseCode::unrecovered_read_error && slot.kind == IoOp::read &&
            !device_.fate) {
            EXPECT_EQ(device_.bad_for_reads.count(*sense->information), 1U);
        }
    }

    std::mt19937_64 random_;
    block::Geometry geometry_;
    test::ManualExecutor executor_;
    FrontEnd front_end_;
    test::SlowDevice device_;
    LogicalUnit unit_;
    NexusUnit nexus_;
    std::vector<std::byte> model_;
    std::vector<std::unique_ptr<Slot>> slots_;
    bool breaks_ = false;
};

TEST(Task, AnyOrderOfEventsKeepsEveryPromise) {
    const char* only = std::getenv("WEFT_SEED");
    const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
    const std::uint64_t seeds = only != nullptr ? 1 : 150;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        SCOPED_TRACE("replay with WEFT_SEED=" + std::to_string(seed));
        Chaos(seed).run(120);
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace weft::lun
