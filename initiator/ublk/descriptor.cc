// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/descriptor.h"

#include <cerrno>

#include "common/core/check.h"

namespace weft::ublk {

namespace {

bool known(std::uint32_t operation, block::IoOp& op) {
    switch (operation) {
        case abi::kRead: op = block::IoOp::read; return true;
        case abi::kWrite: op = block::IoOp::write; return true;
        case abi::kFlush: op = block::IoOp::flush; return true;
        case abi::kDiscard: op = block::IoOp::discard; return true;
        case abi::kWriteZeroes: op = block::IoOp::write_zeroes; return true;
        default: return false;
    }
}

}  // namespace

int decode(const abi::IoDescriptor& descriptor, std::uint32_t block_size, std::uint32_t io_bytes_max,
           block::IoRequest& io) {
    const std::uint32_t word = descriptor.operation_and_flags;
    if (!known(word & abi::kOperationMask, io.op)) return EOPNOTSUPP;
    io.fua = (word & abi::kIoFua) != 0;
    io.may_unmap = (word & abi::kIoNoUnmap) == 0;
    io.lba = 0;
    io.blocks = 0;
    io.data.length = 0;
    if (io.op == block::IoOp::flush) return 0;

    const std::uint32_t per_block = block_size / abi::kSectorBytes;
    const bool whole = descriptor.sectors % per_block == 0 && descriptor.first_sector % per_block == 0;
    if (!whole || descriptor.sectors == 0) return EIO;
    io.lba = descriptor.first_sector / per_block;
    io.blocks = descriptor.sectors / per_block;
    if (io.op != block::IoOp::read && io.op != block::IoOp::write) return 0;
    if (descriptor.sectors > io_bytes_max / abi::kSectorBytes) return EIO;
    io.data.length = descriptor.sectors * abi::kSectorBytes;
    return 0;
}

std::int32_t result_of(const block::IoRequest& io) {
    if (io.status == block::IoStatus::ok) return static_cast<std::int32_t>(io.data.length);
    const int code = block::to_errno(io.status);
    WEFT_CHECK(code > 0 && !(io.op == block::IoOp::flush && code == EOPNOTSUPP));
    return -code;
}

}  // namespace weft::ublk
