// SPDX-License-Identifier: Apache-2.0
// The data path allocates nothing: counted.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "tests/unit/common/lun/bench.h"

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

void* operator new(std::size_t bytes) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(bytes)) return memory;
    std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace weft::lun {
namespace {

// A device and a front end that allocate nothing themselves.
class QuickDevice final : public block::BlockDevice {
  public:
    explicit QuickDevice(Executor& executor) : BlockDevice(executor), geometry_(test::geometry_of_test()) {}
    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  private:
    void do_submit(block::IoRequest& io) override { complete(io, block::IoStatus::ok); }
    block::Geometry geometry_;
};

class QuickMover final : public DataMover {
  public:
    Segment borrow(Task&, std::uint32_t, std::uint32_t most) override {
        const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(most, buffers[0].size()));
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            if (lent[i]) continue;
            lent[i] = true;
            return {buffers[i].data(), length, kNoRegion};
        }
        return {};
    }
    void give_back(Task&, Segment buffer) override {
        for (std::size_t i = 0; i < buffers.size(); ++i)
            if (buffers[i].data() == buffer.base) lent[i] = false;
    }
    void fetch(Task&, std::uint32_t token, std::uint64_t, Segment) override { fetched[token] = true; }
    void deliver(Task&, std::uint32_t token, std::uint64_t, Segment) override { delivered[token] = true; }
    [[nodiscard]] bool reaches(RegionId) const override { return false; }
    void finished(Task&) override { ++count; }
    bool answer(Task& task) {
        bool any = false;
        for (std::uint32_t token = 0; token <= kPieces; ++token) {
            if (std::exchange(fetched[token], false)) {
                task.on_fetched(token, true);
                any = true;
            }
            if (std::exchange(delivered[token], false)) {
                task.on_delivered(token, true);
                any = true;
            }
        }
        return any;
    }

    std::array<std::array<std::byte, 16384>, kPieces> buffers;
    std::array<bool, kPieces> lent{};
    std::array<bool, kPieces + 1> fetched{};
    std::array<bool, kPieces + 1> delivered{};
    int count = 0;
};

TEST(Allocation, ACommandTakesNone) {
    test::ManualExecutor executor;
    QuickDevice device(executor);
    LogicalUnit unit(device, test::identity_of_test());
    test::Inventory inventory;
    NexusUnit nexus(inventory);
    const auto mover = std::make_unique<QuickMover>();
    const auto task = std::make_unique<Task>(*mover);
    std::vector<std::byte> parameter(Task::kParameterBytes);
    task->parameter = parameter;
    const std::array cdbs = {
        scsi::encode_read(0, 8),
        scsi::encode_read(0, 1000),
        scsi::encode_write(0, 8),
        scsi::encode_write(0, 1000, {.fua = true}),
        scsi::encode_synchronize_cache(),
        scsi::encode_write_same_16(0, 100, false),
        scsi::encode_unmap(24),
        scsi::encode_test_unit_ready(),
        scsi::encode_read_capacity_16(32),
        scsi::encode_mode_sense_6(0x3F, 0, 255),
    };
    const std::uint64_t before = allocations.load();
    for (const auto& cdb : cdbs) {
        task->cdb = cdb;
        task->data_in_length = 1000 * 512;
        task->data_out_length = 1000 * 512;
        unit.execute(*task, nexus);
        while (executor.run() || mover->answer(*task)) {
        }
    }
    EXPECT_EQ(allocations.load() - before, 0U);
    EXPECT_EQ(mover->count, static_cast<int>(cdbs.size()));
}

}  // namespace
}  // namespace weft::lun
