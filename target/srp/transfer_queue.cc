// SPDX-License-Identifier: Apache-2.0
#include "target/srp/transfer_queue.h"

#include <utility>

#include "common/core/check.h"

namespace weft::target {

void TransferQueue::start(Transfer& transfer) {
    WEFT_CHECK(!transfer.busy && transfer.local.length > 0);
    transfer.busy = true;
    transfer.failed = false;
    transfer.posted = 0;
    transfer.in_flight = 0;
    if (transfer.kind == Transfer::Kind::read) {
        reads_.push_back(transfer);
        pump_reads();
    } else {
        writes_.push_back(transfer);
        pump_writes();
    }
}

rdma::SendWork TransferQueue::next_piece(Transfer& transfer) {
    const std::uint32_t rest = transfer.local.length - transfer.posted;
    const srp::MemoryDescriptor piece =
        transfer.cursor.at(transfer.offset + transfer.posted, std::min(rest, kWorkBytesMax));
    rdma::SendWork work;
    work.buffer_count = 1;
    work.buffers[0] = {
        .address = transfer.local.base + transfer.posted, .length = piece.length, .lkey = transfer.lkey};
    work.remote = {.address = piece.address, .rkey = piece.rkey};
    transfer.posted += piece.length;
    return work;
}

void TransferQueue::pump_reads() {
    while (!reads_.empty() && reads_free_ > 0) {
        Transfer& transfer = reads_.front();
        rdma::SendWork work = next_piece(transfer);
        const bool last = transfer.posted == transfer.local.length;
        if (last) reads_.remove(transfer);
        work.opcode = rdma::Opcode::read;
        work.id = namer_.name(transfer, take_unretired());
        --reads_free_;
        ++reads_in_flight_;
        ++transfer.in_flight;
        connection_->post_send(work);
        if (last) namer_.on_posted(transfer);
    }
}

void TransferQueue::pump_writes() {
    while (!writes_.empty() && writes_free_ > 0) {
        Transfer& transfer = writes_.front();
        rdma::SendWork work = next_piece(transfer);
        const bool last = transfer.posted == transfer.local.length;
        if (last) writes_.remove(transfer);
        --writes_free_;
        ++unretired_;
        work.opcode = rdma::Opcode::write;
        // The last free one must come back by itself: nothing may follow that would bring it.
        work.signaled = (last && !transfer.quiet) || writes_free_ == 0;
        if (work.signaled) {
            work.id = namer_.name(transfer, take_unretired());
            ++transfer.in_flight;
        }
        connection_->post_send(work);
        if (last) namer_.on_posted(transfer);
    }
}

std::uint32_t TransferQueue::take_unretired() { return std::exchange(unretired_, 0); }

void TransferQueue::on_retired(std::uint32_t writes) {
    writes_free_ += writes;
    WEFT_CHECK(writes_free_ <= kWriteWork);
    if (writes > 0) pump_writes();
}

bool TransferQueue::on_completed(Transfer& transfer, std::uint32_t retired) {
    WEFT_CHECK(transfer.busy && transfer.in_flight > 0);
    --transfer.in_flight;
    const bool done = transfer.in_flight == 0 && transfer.posted == transfer.local.length && !transfer.quiet;
    if (transfer.kind == Transfer::Kind::read) {
        --reads_in_flight_;
        ++reads_free_;
        pump_reads();
    }
    on_retired(retired);
    return done;
}

void TransferQueue::forget(Transfer& transfer) {
    if (!transfer.linked()) return;
    (transfer.kind == Transfer::Kind::read ? reads_ : writes_).remove(transfer);
}

}  // namespace weft::target
