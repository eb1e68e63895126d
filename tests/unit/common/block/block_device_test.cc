// SPDX-License-Identifier: Apache-2.0
#include "common/block/block_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "common/block/null_device.h"
#include "tests/support/io_slot.h"
#include "tests/support/manual_executor.h"

namespace weft::block {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

struct Plain final : IoRequest {};

TEST(GeometryTest, contains_exactly_what_fits) {
    const Geometry geometry{.block_size = 512, .blocks = 100};
    Plain io;
    std::byte byte{};
    const auto fits = [&](IoOp op, std::uint64_t lba, std::uint64_t blocks, std::uint32_t length) {
        io.op = op;
        io.lba = lba;
        io.blocks = blocks;
        io.data = {&byte, length, kNoRegion};
        return geometry.contains(io);
    };
    EXPECT_TRUE(fits(IoOp::read, 0, 100, 51200));
    EXPECT_TRUE(fits(IoOp::write, 99, 1, 512));
    EXPECT_FALSE(fits(IoOp::write, 99, 2, 1024));
    EXPECT_FALSE(fits(IoOp::read, 100, 1, 512));
    EXPECT_FALSE(fits(IoOp::read, kMax, 1, 512));
    EXPECT_FALSE(fits(IoOp::read, 1, kMax, 512));
    EXPECT_FALSE(fits(IoOp::read, 0, 0, 0));
    EXPECT_FALSE(fits(IoOp::read, 0, 2, 512));
    EXPECT_FALSE(fits(IoOp::read, 0, 1, 0));
    EXPECT_TRUE(fits(IoOp::discard, 0, 100, 0));
    EXPECT_FALSE(fits(IoOp::discard, 0, 1, 512));
    EXPECT_FALSE(fits(IoOp::write_zeroes, 1, 100, 0));
    EXPECT_TRUE(fits(IoOp::flush, 0, 0, 0));
    EXPECT_FALSE(fits(IoOp::flush, 0, 1, 0));
}

TEST(IoStatusTest, maps_errno_both_ways) {
    const std::pair<int, IoStatus> from[] = {
        {0, IoStatus::ok},
        {ENOSPC, IoStatus::no_space},
        {EDQUOT, IoStatus::no_space},
        {EFBIG, IoStatus::no_space},
        {ENODATA, IoStatus::medium_error},
        {EILSEQ, IoStatus::data_corrupt},
        {ETIMEDOUT, IoStatus::timed_out},
        {ENOLINK, IoStatus::connection_lost},
        {EROFS, IoStatus::read_only},
        {EOPNOTSUPP, IoStatus::not_supported},
        {EBADE, IoStatus::reservation_conflict},
        {EIO, IoStatus::io_error},
        {EINVAL, IoStatus::io_error},
        {12345, IoStatus::io_error},
    };
    for (const auto& [code, status] : from) EXPECT_EQ(from_errno(code), status) << code;
    for (unsigned i = 0; i <= static_cast<unsigned>(IoStatus::reservation_conflict); ++i) {
        const auto status = static_cast<IoStatus>(i);
        EXPECT_FALSE(to_string(status).empty());
        EXPECT_EQ(to_errno(status) == 0, status == IoStatus::ok);
        // Linux takes EOPNOTSUPP from a flush for success.
        EXPECT_NE(to_errno(status), EOPNOTSUPP);
        EXPECT_NE(to_errno(status), ENOTSUP);
    }
}

class NullDeviceTest : public ::testing::Test {
  protected:
    test::ManualExecutor executor_;
    NullDevice device_{executor_, Geometry{.block_size = 512, .blocks = 8}};
    test::IoSlot io_{device_, 4096};
};

TEST_F(NullDeviceTest, never_completes_inside_submit_and_completes_once) {
    for (const IoOp op : {IoOp::read, IoOp::write, IoOp::discard, IoOp::write_zeroes}) {
        device_.submit(io_.set(device_, op, 0, 8));
        EXPECT_EQ(io_.completions, 0);
        EXPECT_TRUE(io_.in_flight());
        executor_.run();
        EXPECT_EQ(io_.completions, 1);
        EXPECT_EQ(io_.status, IoStatus::ok);
        EXPECT_FALSE(io_.in_flight());
    }
    EXPECT_EQ(device_.in_flight(), 0U);
}

TEST_F(NullDeviceTest, refuses_what_does_not_fit) {
    device_.submit(io_.set(device_, IoOp::write, 1, 8));
    EXPECT_EQ(io_.completions, 0);
    executor_.run();
    EXPECT_EQ(io_.status, IoStatus::out_of_range);
}

TEST_F(NullDeviceTest, refuses_changes_to_a_read_only_device) {
    NullDevice device(executor_, Geometry{.block_size = 512, .blocks = 8, .read_only = true});
    for (const IoOp op : {IoOp::write, IoOp::discard, IoOp::write_zeroes}) {
        device.submit(io_.set(device, op, 0, 1));
        executor_.run();
        EXPECT_EQ(io_.status, IoStatus::read_only);
    }
    device.submit(io_.set(device, IoOp::read, 0, 1));
    executor_.run();
    EXPECT_EQ(io_.status, IoStatus::ok);
    device.submit(io_.set(device, IoOp::flush, 0, 0));
    executor_.run();
    EXPECT_EQ(io_.status, IoStatus::ok);
}

TEST_F(NullDeviceTest, reads_zeroes_whatever_was_written_and_whatever_the_buffer_held) {
    const auto count = [&](unsigned value) {
        return std::count(io_.buffer, io_.buffer + io_.capacity, static_cast<std::byte>(value));
    };
    std::fill_n(io_.buffer, io_.capacity, std::byte{0xEE});
    for (const IoOp op : {IoOp::write, IoOp::flush, IoOp::discard, IoOp::write_zeroes}) {
        device_.submit(io_.set(device_, op, 2, op == IoOp::flush ? 0 : 2));
        executor_.run();
        EXPECT_EQ(io_.status, IoStatus::ok);
    }
    EXPECT_EQ(count(0xEE), 4096) << "only reads change a buffer";
    device_.submit(io_.set(device_, IoOp::read, 2, 2));
    executor_.run();
    EXPECT_EQ(io_.status, IoStatus::ok);
    EXPECT_EQ(std::count(io_.buffer, io_.buffer + 1024, std::byte{0}), 1024);
    EXPECT_EQ(count(0xEE), 4096 - 1024) << "nothing behind it";
}

using NullDeviceDeathTest = NullDeviceTest;

TEST_F(NullDeviceDeathTest, a_request_has_one_owner) {
    EXPECT_DEATH(
        {
            device_.submit(io_.set(device_, IoOp::read, 0, 1));
            device_.submit(io_);
        },
        "owner_");
}

}  // namespace
}  // namespace weft::block
