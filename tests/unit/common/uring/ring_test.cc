// SPDX-License-Identifier: Apache-2.0
#include "common/uring/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "common/core/slab.h"
#include "common/uring/command_ring.h"
#include "tests/support/temporary_file.h"

namespace weft::uring {
namespace {

struct Op final : Operation {
    void complete(std::int32_t value, std::uint32_t) override {
        result = value;
        ++completions;
        if (then) then();
    }
    std::int32_t result = 0;
    int completions = 0;
    std::function<void()> then;
};

struct Counted final : reactor::Sleeper::Watch {
    void on_readable() override {
        ++calls;
        if (then) then();
    }
    int calls = 0;
    std::function<void()> then;
};

class RingTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto ring = Ring::create(8, &regions_);
        if (!ring && (ring.error().code == EPERM || ring.error().code == ENOSYS))
            GTEST_SKIP() << ring.error().what;
        ASSERT_TRUE(ring) << ring.error().what;
        ring_ = std::move(*ring);
        slab_ = std::move(*Slab::allocate(1 << 20));
        region_ = regions_.add(slab_.data(), slab_.size());
        ring_->attach();
    }
    void TearDown() override {
        if (ring_ == nullptr) return;
        ring_->detach();
        regions_.remove(region_);
    }
    Segment segment(std::size_t at, std::uint32_t length) { return {slab_.data() + at, length, region_}; }
    void until(const std::function<bool()>& done) {
        while (!done()) {
            ring_->flush();
            if (!ring_->poll() && ring_->arm()) ring_->sleep(5s);
        }
    }

    RegionDirectory regions_;
    Slab slab_;
    RegionId region_ = kNoRegion;
    std::unique_ptr<Ring> ring_;
    test::TemporaryFile temporary_{0};
};

TEST_F(RingTest, reads_back_what_it_wrote_through_fixed_and_plain_buffers) {
    EXPECT_TRUE(ring_->fixed(region_));
    EXPECT_FALSE(ring_->fixed(kNoRegion));
    File file = ring_->add_file(temporary_.fd());
    EXPECT_GE(file.slot, 0);
    std::memset(slab_.data(), 'a', 4096);
    std::array<std::byte, 4096> plain{};
    Op write, read, sync;
    ring_->write(write, file, segment(0, 4096), 8192, 0);
    EXPECT_EQ(write.completions, 0);
    until([&] { return write.completions == 1; });
    EXPECT_EQ(write.result, 4096);
    ring_->fsync(sync, file, true);
    ring_->read(read, File{temporary_.fd()}, {plain.data(), 4096, kNoRegion}, 8192);
    until([&] { return read.completions == 1 && sync.completions == 1; });
    EXPECT_EQ(read.result, 4096);
    EXPECT_EQ(sync.result, 0);
    EXPECT_EQ(std::memcmp(plain.data(), slab_.data(), 4096), 0);
    ring_->remove_file(file);
    EXPECT_EQ(file.fd, -1);
}

TEST_F(RingTest, takes_more_operations_than_it_has_entries) {
    const File file = ring_->add_file(temporary_.fd());
    std::array<Op, 100> ops;
    for (std::size_t i = 0; i < ops.size(); ++i) ring_->write(ops[i], file, segment(0, 512), i * 512, 0);
    const auto finished = [&] {
        return std::all_of(ops.begin(), ops.end(), [](const Op& op) { return op.completions == 1; });
    };
    until(finished);
    for (const Op& op : ops) EXPECT_EQ(op.result, 512);
    EXPECT_GT(ring_->counters().overfull, 0U);
    EXPECT_EQ(ring_->counters().operations, 100U);
    EXPECT_EQ(ring_->counters().completions, 100U);
}

TEST_F(RingTest, one_turn_is_one_system_call) {
    const File file = ring_->add_file(temporary_.fd());
    std::array<Op, 8> ops;
    const std::uint64_t before = ring_->counters().enters;
    for (Op& op : ops) ring_->write(op, file, segment(0, 512), 0, 0);
    ring_->flush();
    EXPECT_EQ(ring_->counters().enters, before + 1);
    until([&] {
        return std::all_of(ops.begin(), ops.end(), [](const Op& op) { return op.completions == 1; });
    });
    const std::uint64_t idle = ring_->counters().enters;
    for (int i = 0; i < 1000; ++i) {
        EXPECT_FALSE(ring_->poll());
        ring_->flush();
    }
    EXPECT_EQ(ring_->counters().enters, idle);  // polling an idle ring only reads memory
}

TEST_F(RingTest, reports_errors_as_negative_errno) {
    Op op;
    ring_->read(op, File{.fd = 1 << 20}, segment(0, 512), 0);
    until([&] { return op.completions == 1; });
    EXPECT_EQ(op.result, -EBADF);
}

TEST_F(RingTest, a_cancelled_operation_still_completes_once) {
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    Op op;
    ring_->read(op, File{event.get()}, segment(0, 8), 0);
    ring_->flush();
    EXPECT_FALSE(ring_->poll());
    ring_->cancel(op);
    until([&] { return op.completions == 1; });
    EXPECT_EQ(op.result, -ECANCELED);
    ring_->cancel(op);
    ring_->flush();
    ring_->sleep(1s);  // the cancellation's own completion
    ring_->poll();
    EXPECT_EQ(op.completions, 1);
}

TEST_F(RingTest, a_watched_descriptor_is_reported_while_it_stays_readable) {
    const UniqueFd event(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    Counted watch;
    watch.then = [&] {
        std::uint64_t value = 0;
        if (watch.calls < 3) return;
        EXPECT_EQ(::read(event.get(), &value, sizeof value), 8);
    };
    ring_->watch(event.get(), watch);
    until([&] { return watch.calls == 3; });
    ring_->flush();
    ring_->sleep(1ms);
    ring_->poll();
    EXPECT_EQ(watch.calls, 3);
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(event.get(), &one, sizeof one), 8);
    watch.then = nullptr;
    until([&] { return watch.calls == 4; });
    ring_->ignore(event.get());
}

TEST_F(RingTest, an_ignored_descriptor_may_be_closed_and_its_number_watched_again) {
    Counted first, second;
    int number = -1;
    {
        const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
        number = event.get();
        ring_->watch(number, first);
        ring_->flush();
        ring_->ignore(number);
    }
    const UniqueFd event(::eventfd(1, EFD_CLOEXEC));
    ASSERT_EQ(event.get(), number);
    ring_->watch(number, second);
    until([&] { return second.calls > 0; });
    EXPECT_EQ(first.calls, 0);
    second.then = [&] { ring_->ignore(number); };  // from inside its own call
    const int calls = second.calls;
    until([&] { return second.calls > calls; });
}

TEST_F(RingTest, sleeps_no_longer_than_its_limit) {
    ring_->sleep(0ns);
    ring_->sleep(1ms);
    EXPECT_EQ(ring_->counters().enters, 2U);
}

TEST_F(RingTest, regions_come_and_go) {
    Slab other = std::move(*Slab::allocate(8192));
    const RegionId id = regions_.add(other.data(), other.size());
    EXPECT_TRUE(ring_->fixed(id));
    const File file = ring_->add_file(temporary_.fd());
    Op op;
    ring_->write(op, file, {other.data(), 8192, id}, 0, 0);
    until([&] { return op.completions == 1; });
    EXPECT_EQ(op.result, 8192);
    regions_.remove(id);
    EXPECT_FALSE(ring_->fixed(id));
}

TEST(RingReactorTest, sleeps_in_the_ring_and_wakes_for_mail_io_and_timers) {
    auto made = Ring::create(16, nullptr);
    if (!made) GTEST_SKIP() << made.error().what;
    Ring& ring = **made;
    test::TemporaryFile file(0);
    reactor::Reactor reactor({.name = "ring test"}, ring);
    std::thread owner([&] { reactor.run(); });
    std::array<std::byte, 4096> buffer{};
    Op op;
    for (int round = 0; round < 100; ++round) {
        std::atomic<bool> done{false};
        op.then = [&] { done = true; };
        reactor.post([&] { ring.write(op, File{file.fd()}, {buffer.data(), 4096, kNoRegion}, 0, 0); });
        while (!done) std::this_thread::yield();
        reactor.run_and_wait([] {});
    }
    EXPECT_EQ(op.completions, 100);
    EXPECT_EQ(op.result, 4096);
    reactor.stop();
    owner.join();
    EXPECT_GT(reactor.counters().sleeps.load(), 0U);
    // Each wake-up is worth a few turns at most: nothing spins.
    EXPECT_LT(reactor.counters().turns.load(), 100U * 20U);
}

TEST(CommandRingTest, passes_on_errors_of_the_kernel) {
    auto ring = CommandRing::create();
    if (!ring) GTEST_SKIP() << ring.error().what;
    const UniqueFd null(::open("/dev/zero", O_RDWR | O_CLOEXEC));
    std::array<std::byte, 80> payload{};
    for (int i = 0; i < 20; ++i) {
        const auto result = ring->run(null.get(), 1, payload, 5s);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, EOPNOTSUPP) << result.error().what;
    }
    const auto closed = ring->run(1 << 20, 1, {});
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().code, EBADF);
}

}  // namespace
}  // namespace weft::uring
