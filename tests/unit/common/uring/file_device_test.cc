// SPDX-License-Identifier: Apache-2.0
#include "common/uring/file_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <deque>
#include <random>

#include "tests/support/io_slot.h"
#include "tests/support/temporary_file.h"
#include "tests/unit/common/uring/loop_device.h"

namespace weft::uring {
namespace {

using block::IoOp;
using block::IoStatus;

// A reactor on this thread, run until what was submitted is done.
class Rig {
  public:
    Rig() {
        auto ring = Ring::create(64, &regions_);
        if (ring) {
            ring_ = std::move(*ring);
            reactor_ = std::make_unique<reactor::Reactor>(reactor::Options{.name = "test"}, *ring_);
        }
    }
    [[nodiscard]] bool ready() const { return ring_ != nullptr; }
    std::unique_ptr<FileDevice> device(FileStore& store) {
        auto made = FileDevice::create(*reactor_, *ring_, store);
        EXPECT_TRUE(made) << made.error().what;
        return std::move(*made);
    }
    // Until `device` has nothing in flight.
    void drain(const block::BlockDevice& device) {
        struct Check final : Deferred {
            void run() override {
                if (device->in_flight() == 0 && last)
                    reactor->stop();
                else {
                    last = device->in_flight() == 0;
                    reactor->start(timer, 100us);
                }
            }
            struct Again final : Timer {
                explicit Again(Check& of) : check(of) {}
                void expire() override { check.reactor->defer(check); }
                Check& check;
            } timer{*this};
            const block::BlockDevice* device = nullptr;
            reactor::Reactor* reactor = nullptr;
            bool last = false;
        } check;
        check.device = &device;
        check.reactor = reactor_.get();
        reactor_->defer(check);
        reactor_->run();
    }
    IoStatus run(block::BlockDevice& device, test::IoSlot& io) {
        device.submit(io);
        EXPECT_EQ(io.completions, 0);
        drain(device);
        EXPECT_EQ(io.completions, 1);
        return io.status;
    }
    RegionDirectory& regions() { return regions_; }

  private:
    RegionDirectory regions_;
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<reactor::Reactor> reactor_;
};

class FileDeviceTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!rig_.ready()) GTEST_SKIP() << "no io_uring here";
    }
    static std::unique_ptr<FileStore> open(const FileOptions& options) {
        auto store = FileStore::open(options);
        EXPECT_TRUE(store) << store.error().what;
        return store ? std::move(*store) : nullptr;
    }
    Rig rig_;
};

TEST_F(FileDeviceTest, keeps_what_is_written_and_flushes) {
    const test::TemporaryFile file(1 << 20);
    const auto store = open({.path = file.path()});
    const auto device = rig_.device(*store);
    EXPECT_EQ(device->geometry().blocks, 256U);
    EXPECT_TRUE(device->geometry().volatile_cache);
    test::IoSlot io(*device, 65536);
    std::memset(io.buffer, 0x5A, 65536);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::write, 100, 16)), IoStatus::ok);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::ok);
    std::array<char, 8> seen{};
    ASSERT_EQ(::pread(file.fd(), seen.data(), 8, 100 * 4096), 8);
    EXPECT_EQ(seen[7], 0x5A);
    std::memset(io.buffer, 0, 65536);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::read, 100, 16)), IoStatus::ok);
    EXPECT_EQ(io.buffer[65535], std::byte{0x5A});
    io.set(*device, IoOp::write, 0, 1).fua = true;
    EXPECT_EQ(rig_.run(*device, io), IoStatus::ok);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::write, 256, 1)), IoStatus::out_of_range);
    EXPECT_EQ(device->counters().buffered, 0U);
}

TEST_F(FileDeviceTest, takes_buffers_of_any_alignment) {
    const test::TemporaryFile file(1 << 20);
    const auto store = open({.path = file.path(), .block_size = 512});
    const auto device = rig_.device(*store);
    test::IoSlot io(*device, 8192);
    std::memset(io.buffer, 7, 8192);
    io.set(*device, IoOp::write, 3, 8);
    io.data.base += 1;
    EXPECT_EQ(rig_.run(*device, io), IoStatus::ok);
    std::memset(io.buffer, 0, 8192);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::read, 3, 8)), IoStatus::ok);
    EXPECT_EQ(io.buffer[0], std::byte{7});
    EXPECT_EQ(io.buffer[4095], std::byte{7});
    EXPECT_EQ(device->counters().buffered > 0, store->direct());
}

// Random requests against one flat array, several in flight, in disjoint quarters.
void run_property(Rig& rig, const FileOptions& options, std::uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 chance(seed);
    auto store = std::move(*FileStore::open(options));
    const auto device = rig.device(*store);
    const std::uint64_t blocks = device->geometry().blocks;
    const std::uint32_t size = device->geometry().block_size;
    std::vector<std::byte> flat(blocks * size);
    std::deque<test::IoSlot> slots;
    for (int i = 0; i < 4; ++i) slots.emplace_back(*device, flat.size() / 4 + 4096);
    std::vector<RegionId> regions;
    for (auto& slot : slots) {
        slot.region = rig.regions().add(slot.buffer, slot.capacity);
        regions.push_back(slot.region);
    }
    for (int round = 0; round < 40; ++round) {
        std::vector<std::vector<std::byte>> expected(slots.size());
        for (std::size_t i = 0; i < slots.size(); ++i) {
            const std::uint64_t from = blocks * i / slots.size();
            const std::uint64_t to = blocks * (i + 1) / slots.size();
            const std::uint64_t lba = from + chance() % (to - from);
            const std::uint64_t count = 1 + chance() % (to - lba);
            auto op = static_cast<IoOp>(chance() % 5);
            if (op == IoOp::discard && device->geometry().discard_granularity == 0) op = IoOp::read;
            if (op == IoOp::write_zeroes && !device->geometry().write_zeroes) op = IoOp::read;
            auto& io = slots[i];
            io.set(*device, op, op == IoOp::flush ? 0 : lba, op == IoOp::flush ? 0 : count);
            io.fua = op != IoOp::read && op != IoOp::flush && chance() % 4 == 0;
            io.may_unmap = chance() % 2 == 0;
            std::byte* at = flat.data() + lba * size;
            if (op == IoOp::write) {
                for (std::size_t b = 0; b < count * size; ++b)
                    io.buffer[b] = static_cast<std::byte>(chance());
                std::memcpy(at, io.buffer, count * size);
            }
            if (op == IoOp::discard || op == IoOp::write_zeroes) std::memset(at, 0, count * size);
            if (op == IoOp::read) expected[i].assign(at, at + count * size);
            device->submit(io);
        }
        rig.drain(*device);
        for (std::size_t i = 0; i < slots.size(); ++i) {
            ASSERT_EQ(slots[i].completions, 1);
            ASSERT_EQ(slots[i].status, IoStatus::ok);
            ASSERT_TRUE(std::equal(expected[i].begin(), expected[i].end(), slots[i].buffer));
        }
    }
    for (const RegionId id : regions) rig.regions().remove(id);
}

TEST_F(FileDeviceTest, behaves_like_a_flat_disk) {
    for (const std::uint32_t block_size : {512U, 4096U}) {
        for (const bool cache : {true, false}) {
            const test::TemporaryFile file(64 * 4096);
            run_property(rig_, {.path = file.path(), .block_size = block_size, .write_cache = cache},
                         block_size + (cache ? 1 : 0));
        }
    }
}

TEST_F(FileDeviceTest, behaves_like_a_flat_disk_without_direct_io) {
    if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no /dev/shm";
    const test::TemporaryFile file(64 * 4096, "/dev/shm");
    run_property(rig_, {.path = file.path(), .block_size = 512}, 3);
}

TEST_F(FileDeviceTest, a_file_that_has_shrunk_is_a_medium_error) {
    const test::TemporaryFile file(1 << 20);
    const auto store = open({.path = file.path()});
    const auto device = rig_.device(*store);
    test::IoSlot io(*device, 16384);
    file.truncate(8192);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::read, 0, 2)), IoStatus::ok);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::read, 1, 2)), IoStatus::medium_error);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::read, 100, 1)), IoStatus::medium_error);
    file.truncate(8192 + 100);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::read, 1, 2)), IoStatus::medium_error);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::ok);
}

void run_no_space(Rig& rig, const std::string& directory) {
    const test::TemporaryFile file(1 << 20, directory);
    const auto store = std::move(*FileStore::open({.path = file.path()}));
    const auto device = rig.device(*store);
    test::IoSlot io(*device, 16384);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto* const signal = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8192, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(rig.run(*device, io.set(*device, IoOp::write, 0, 2)), IoStatus::ok);
    EXPECT_EQ(rig.run(*device, io.set(*device, IoOp::write, 1, 3)), IoStatus::no_space);  // begun, cut short
    EXPECT_GT(device->counters().continued, 0U);
    io.set(*device, IoOp::write, 2, 1).fua = true;
    EXPECT_EQ(rig.run(*device, io), IoStatus::no_space);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, signal);
    EXPECT_EQ(rig.run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::ok);
}

TEST_F(FileDeviceTest, no_space_left_is_said_and_does_not_break_flush) { run_no_space(rig_, {}); }

TEST_F(FileDeviceTest, no_space_left_is_said_without_direct_io_too) {
    if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no /dev/shm";
    run_no_space(rig_, "/dev/shm");
}

TEST_F(FileDeviceTest, after_a_failed_flush_every_flush_fails_until_reopened) {
    const test::TemporaryFile file(1 << 20);
    auto store = open({.path = file.path()});
    {
        const auto device = rig_.device(*store);
        const auto other = rig_.device(*store);  // another reactor's handle
        test::IoSlot io(*device, 4096);
        store->on_sync_failed();
        EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::io_error);
        EXPECT_EQ(rig_.run(*other, io.set(*other, IoOp::flush, 0, 0)), IoStatus::io_error);
        EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::write, 0, 1)), IoStatus::ok);
    }
    store.reset();
    store = open({.path = file.path()});
    const auto device = rig_.device(*store);
    test::IoSlot io(*device, 4096);
    EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::ok);
}

// A loop device whose backing runs out of space: write-back of what the page cache has taken fails later.
TEST_F(FileDeviceTest, a_lost_write_back_fails_the_flush_of_every_handle) {
    test::LoopDevice loop(16U << 20U, 4U << 20U);
    if (!loop.ready()) GTEST_SKIP() << loop.why();
    {
        const auto store = open({.path = loop.path()});
        const auto device = rig_.device(*store);
        const auto other = rig_.device(*store);
        test::IoSlot io(*device, 1 << 20);
        std::memset(io.buffer, 1, 1 << 20);
        for (std::uint64_t at = 0; at < 12; ++at) {
            io.set(*device, IoOp::write, at * 256, 255);
            io.data.base += 1;  // misaligned: through the page cache
            EXPECT_EQ(rig_.run(*device, io), IoStatus::ok);
        }
        EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::io_error);
        EXPECT_EQ(rig_.run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::io_error);
        EXPECT_EQ(rig_.run(*other, io.set(*other, IoOp::flush, 0, 0)), IoStatus::io_error);
        EXPECT_TRUE(store->sync_failed());
    }
}

TEST_F(FileDeviceTest, a_block_device_is_a_flat_disk_and_is_locked) {
    test::LoopDevice loop(256U << 10U, 4U << 20U);
    if (!loop.ready()) GTEST_SKIP() << loop.why();
    {
        const auto store = open({.path = loop.path(), .block_size = 512});
        EXPECT_EQ(store->geometry().bytes(), 256U << 10U);
        const auto again = FileStore::open({.path = loop.path(), .block_size = 512});
        ASSERT_FALSE(again);
        EXPECT_NE(again.error().what.find("in use"), std::string::npos);
    }
    // The loop driver takes back its offer to punch holes when tmpfs refuses to zero a range.
    run_property(rig_, {.path = loop.path(), .block_size = 512}, 17);
    test::LoopDevice other(256U << 10U, 4U << 20U);
    run_property(rig_, {.path = other.path(), .size = 256U << 10U, .write_cache = false}, 18);
}

}  // namespace
}  // namespace weft::uring
