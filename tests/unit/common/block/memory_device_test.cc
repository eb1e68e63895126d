// SPDX-License-Identifier: Apache-2.0
#include "common/block/memory_device.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/io_slot.h"
#include "tests/support/manual_executor.h"

namespace weft::block {
namespace {

class MemoryDeviceTest : public ::testing::Test {
  protected:
    std::unique_ptr<MemoryDevice> make(MemoryOptions options) {
        return std::move(*MemoryDevice::create(executor_, *store_, regions_, options));
    }
    IoStatus run(BlockDevice& device, test::IoSlot& io) {
        device.submit(io);
        EXPECT_EQ(io.completions, 0);
        executor_.run();
        EXPECT_EQ(io.completions, 1);
        return io.status;
    }
    test::ManualExecutor executor_;
    RegionDirectory regions_;
    std::unique_ptr<MemoryStore> store_ = std::move(*MemoryStore::create(64 * 512));
};

TEST_F(MemoryDeviceTest, is_zero_at_first_and_keeps_what_is_written) {
    const auto device = make({.block_size = 512});
    EXPECT_EQ(device->geometry().blocks, 64U);
    test::IoSlot io(*device, 4096);
    io.buffer[0] = std::byte{1};
    EXPECT_EQ(run(*device, io.set(*device, IoOp::read, 0, 8)), IoStatus::ok);
    EXPECT_TRUE(std::all_of(io.buffer, io.buffer + 4096, [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(io.buffer, 1024, std::byte{7});
    EXPECT_EQ(run(*device, io.set(*device, IoOp::write, 3, 2)), IoStatus::ok);
    std::fill_n(io.buffer, 4096, std::byte{9});
    EXPECT_EQ(run(*device, io.set(*device, IoOp::read, 2, 4)), IoStatus::ok);
    EXPECT_EQ(io.buffer[511], std::byte{0});
    EXPECT_EQ(io.buffer[512], std::byte{7});
    EXPECT_EQ(io.buffer[1535], std::byte{7});
    EXPECT_EQ(io.buffer[1536], std::byte{0});
    EXPECT_EQ(run(*device, io.set(*device, IoOp::discard, 4, 1)), IoStatus::ok);
    EXPECT_EQ(run(*device, io.set(*device, IoOp::read, 3, 2)), IoStatus::ok);
    EXPECT_EQ(io.buffer[511], std::byte{7});
    EXPECT_EQ(io.buffer[512], std::byte{0});
    EXPECT_EQ(run(*device, io.set(*device, IoOp::flush, 0, 0)), IoStatus::ok);
}

TEST_F(MemoryDeviceTest, its_memory_is_a_region_while_it_lives) {
    auto device = make({.block_size = 4096});
    const auto memory = device->memory();
    ASSERT_TRUE(memory);
    EXPECT_EQ(memory->base, store_->base());
    EXPECT_EQ(memory->length, 64U * 512);
    EXPECT_EQ(regions_.at(memory->id).base, store_->base());
    device.reset();
    EXPECT_EQ(regions_.at(memory->id).base, nullptr);
}

TEST_F(MemoryDeviceTest, handles_of_one_store_share_it) {
    RegionDirectory other_regions;
    test::ManualExecutor other_executor;
    const auto device = make({.block_size = 4096});
    const auto other =
        std::move(*MemoryDevice::create(other_executor, *store_, other_regions, {.block_size = 4096}));
    test::IoSlot io(*device, 4096);
    io.buffer[5] = std::byte{5};
    EXPECT_EQ(run(*device, io.set(*device, IoOp::write, 7, 1)), IoStatus::ok);
    EXPECT_EQ(store_->base()[7 * 4096 + 5], std::byte{5});
    EXPECT_EQ(other->memory()->base, device->memory()->base);
}

TEST_F(MemoryDeviceTest, refuses_sizes_that_are_no_multiple) {
    EXPECT_FALSE(MemoryStore::create(0));
    EXPECT_FALSE(MemoryStore::create(1000));
    const auto odd = std::move(*MemoryStore::create(4096 + 512));
    const auto refused = MemoryDevice::create(executor_, *odd, regions_, {.block_size = 4096});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("multiple of the block size 4096"), std::string::npos);
}

}  // namespace
}  // namespace weft::block
