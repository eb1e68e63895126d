// SPDX-License-Identifier: Apache-2.0
// The data path allocates nothing: counted, on a running reactor, once it is warm.
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "common/block/linear_device.h"
#include "common/block/memory_device.h"
#include "common/reactor/reactor.h"
#include "common/uring/file_device.h"
#include "common/uring/ring.h"
#include "tests/perf/allocation_counter.h"
#include "tests/support/io_slot.h"
#include "tests/support/temporary_file.h"

namespace weft {
namespace {

constexpr std::uint64_t kWarmUp = 2000;
constexpr std::uint64_t kCounted = 10000;

// Keeps some requests in flight on one device until enough have completed.
class Load {
  public:
    Load(reactor::Reactor& reactor, block::BlockDevice& device, RegionDirectory& regions)
        : reactor_(reactor), device_(device), regions_(regions) {
        for (int i = 0; i < 16; ++i) {
            Slot& slot = slots_.emplace_back(*this, device);
            slot.region = regions.add(slot.buffer, slot.capacity);
        }
    }
    ~Load() {
        for (Slot& slot : slots_) regions_.remove(slot.region);
    }
    void start() {
        for (Slot& slot : slots_) submit(slot);
    }
    [[nodiscard]] std::uint64_t failures() const { return failures_; }

  private:
    struct Slot final : test::IoSlot {
        Slot(Load& of, const block::BlockDevice& device) : IoSlot(device, 65536), load(of) {
            done = [](block::IoRequest& io) {
                auto& slot = static_cast<Slot&>(io);
                slot.load.on_done(slot);
            };
        }
        Load& load;
    };

    void submit(Slot& slot) {
        const auto op = static_cast<block::IoOp>(chance_() % 5);
        const std::uint64_t blocks = 1 + chance_() % 16;
        const std::uint64_t lba = chance_() % (device_.geometry().blocks - blocks);
        if (op == block::IoOp::flush)
            slot.set(device_, op, 0, 0);
        else
            slot.set(device_, op, lba, blocks);
        device_.submit(slot);
    }
    void on_done(Slot& slot) {
        const bool optional = slot.op == block::IoOp::discard || slot.op == block::IoOp::write_zeroes;
        if (slot.status != block::IoStatus::ok && !optional) ++failures_;
        ++completions_;
        if (completions_ == kWarmUp) test::count_allocations(true);
        if (completions_ == kWarmUp + kCounted) test::count_allocations(false);
        if (completions_ < kWarmUp + kCounted)
            submit(slot);
        else if (device_.in_flight() == 0)
            reactor_.stop();
    }

    reactor::Reactor& reactor_;
    block::BlockDevice& device_;
    RegionDirectory& regions_;
    std::mt19937_64 chance_{1};
    std::deque<Slot> slots_;
    std::uint64_t completions_ = 0;
    std::uint64_t failures_ = 0;
};

void run(Duration poll) {
    RegionDirectory regions;
    auto ring = uring::Ring::create(64, &regions);
    if (!ring) GTEST_SKIP() << ring.error().what;
    reactor::Reactor reactor({.name = "load", .poll = poll}, **ring);
    const test::TemporaryFile file(4 << 20);
    const auto store = std::move(*uring::FileStore::open({.path = file.path()}));
    const auto on_file = std::move(*uring::FileDevice::create(reactor, **ring, *store));
    const auto memory = std::move(*block::MemoryStore::create(4 << 20));
    const auto in_memory = std::move(*block::MemoryDevice::create(reactor, *memory, regions, {}));
    const auto linear = std::move(*block::LinearDevice::create(reactor, {in_memory.get(), on_file.get()}));
    Load load(reactor, *linear, regions);
    const std::uint64_t before = test::allocations();
    load.start();
    reactor.run();
    EXPECT_EQ(test::allocations() - before, 0U);
    EXPECT_EQ(load.failures(), 0U);
}

class AllocationTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!test::can_count_allocations()) GTEST_SKIP() << "a sanitizer has replaced malloc";
    }
};

TEST_F(AllocationTest, the_counter_counts) {
    const std::uint64_t before = test::allocations();
    test::count_allocations(true);
    auto* volatile number = new int(1);
    delete number;
    void* volatile memory = std::malloc(10);
    std::free(memory);
    test::count_allocations(false);
    EXPECT_EQ(test::allocations() - before, 2U);
}

TEST_F(AllocationTest, none_over_linear_memory_and_file_when_sleeping) { run(0ns); }
TEST_F(AllocationTest, none_over_linear_memory_and_file_when_polling) { run(200us); }

}  // namespace
}  // namespace weft
