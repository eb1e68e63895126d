// SPDX-License-Identifier: Apache-2.0
#include "common/block/block_device.h"

namespace weft::block {

bool Geometry::contains(const IoRequest& io) const {
    if (io.op == IoOp::flush) return io.blocks == 0 && io.data.length == 0;
    if (io.blocks == 0 || io.blocks > blocks || io.lba > blocks - io.blocks) return false;
    const bool moves_data = io.op == IoOp::read || io.op == IoOp::write;
    return io.data.length == (moves_data ? io.blocks * block_size : 0);
}

void BlockDevice::submit(IoRequest& io) {
    WEFT_CHECK(io.owner_ == IoRequest::Owner::submitter);
    WEFT_CHECK(io.done != nullptr);
    WEFT_CHECK(scratch_bytes() == 0 || io.scratch != nullptr);
    io.owner_ = IoRequest::Owner::device;
    ++in_flight_;
    if (!geometry().contains(io)) {
        complete(io, IoStatus::out_of_range);
        return;
    }
    const bool changes = io.op == IoOp::write || io.op == IoOp::discard || io.op == IoOp::write_zeroes;
    if (changes && geometry().read_only) {
        complete(io, IoStatus::read_only);
        return;
    }
    do_submit(io);
}

void BlockDevice::complete(IoRequest& io, IoStatus status) {
    WEFT_CHECK(io.owner_ == IoRequest::Owner::device);
    WEFT_CHECK(in_flight_ > 0);
    --in_flight_;
    io.owner_ = IoRequest::Owner::completing;
    io.status = status;
    executor_.defer(io);
}

}  // namespace weft::block
