// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/descriptor.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace weft::ublk {
namespace {

constexpr std::uint32_t kIoBytes = 65536;

struct Case {
    std::uint32_t word;
    std::uint32_t sectors;
    std::uint64_t first;
    int code;
    block::IoOp op;
    std::uint64_t lba;
    std::uint64_t blocks;
    std::uint32_t length;
};

TEST(Descriptor, is_decoded_in_blocks_of_the_device) {
    const Case cases[] = {
        {abi::kRead, 8, 16, 0, block::IoOp::read, 2, 1, 4096},
        {abi::kWrite, 128, 0, 0, block::IoOp::write, 0, 16, 65536},
        {abi::kFlush, 0, 0, 0, block::IoOp::flush, 0, 0, 0},
        {abi::kDiscard, 1U << 22U, 8, 0, block::IoOp::discard, 1, 1U << 19U, 0},
        {abi::kWriteZeroes, 4096, 8, 0, block::IoOp::write_zeroes, 1, 512, 0},
        {abi::kRead, 136, 0, EIO, block::IoOp::read, 0, 0, 0},  // larger than the buffer
        {abi::kRead, 9, 0, EIO, block::IoOp::read, 0, 0, 0},    // half a block
        {abi::kWrite, 8, 7, EIO, block::IoOp::write, 0, 0, 0},  // between blocks
        {abi::kWrite, 0, 8, EIO, block::IoOp::write, 0, 0, 0},  // nothing
        {abi::kWriteSame, 8, 0, EOPNOTSUPP, block::IoOp::read, 0, 0, 0},
        {18, 8, 0, EOPNOTSUPP, block::IoOp::read, 0, 0, 0},  // report zones
    };
    for (const Case& each : cases) {
        SCOPED_TRACE(each.word);
        block::IoRequest io;
        io.data.length = 1;
        const int code = decode({each.word, each.sectors, each.first, 0}, 4096, kIoBytes, io);
        EXPECT_EQ(code, each.code);
        if (each.code != 0) continue;
        EXPECT_EQ(io.op, each.op);
        EXPECT_EQ(io.lba, each.lba);
        EXPECT_EQ(io.blocks, each.blocks);
        EXPECT_EQ(io.data.length, each.length);
    }
}

TEST(Descriptor, carries_its_flags_and_none_of_the_last_request) {
    block::IoRequest io;
    EXPECT_EQ(
        decode({abi::kWrite | abi::kIoFua | abi::kIoFailFast | abi::kIoMeta, 8, 0, 0}, 512, kIoBytes, io), 0);
    EXPECT_TRUE(io.fua);
    EXPECT_TRUE(io.may_unmap);
    EXPECT_EQ(io.blocks, 8U);
    EXPECT_EQ(decode({abi::kWriteZeroes | abi::kIoNoUnmap, 8, 0, 0}, 512, kIoBytes, io), 0);
    EXPECT_FALSE(io.fua);
    EXPECT_FALSE(io.may_unmap);
}

TEST(Result, is_the_full_length_or_an_errno_that_linux_takes_for_an_error) {
    block::IoRequest io;
    io.op = block::IoOp::read;
    io.data.length = 4096;
    io.status = block::IoStatus::ok;
    EXPECT_EQ(result_of(io), 4096);
    io.status = block::IoStatus::connection_lost;
    EXPECT_EQ(result_of(io), -ENOLINK);
    io.status = block::IoStatus::medium_error;
    EXPECT_EQ(result_of(io), -ENODATA);
    io.op = block::IoOp::flush;
    io.data.length = 0;
    io.status = block::IoStatus::ok;
    EXPECT_EQ(result_of(io), 0);
    for (int status = 1; status <= static_cast<int>(block::IoStatus::reservation_conflict); ++status) {
        io.status = static_cast<block::IoStatus>(status);
        EXPECT_LT(result_of(io), 0);
        EXPECT_NE(result_of(io), -EOPNOTSUPP);
        EXPECT_NE(result_of(io), -EAGAIN);
    }
}

}  // namespace
}  // namespace weft::ublk
