// SPDX-License-Identifier: Apache-2.0
// RDMA READs and WRITEs of one channel, in pieces as the initiator's descriptors cut them, within what the
// send queue and the peer allow at once. Responses never wait behind a READ that the peer could not serve
// yet: a READ is posted only when one of the negotiated number is free.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/core/intrusive_list.h"
#include "common/core/region.h"
#include "common/rdma/connection.h"
#include "common/srp/descriptor.h"

namespace weft::target {

// One fetch or delivery. Lives in its Command; at most one queue at a time.
struct Transfer : public ListNode {
    enum class Kind : std::uint8_t { read, write };

    Kind kind = Kind::read;
    std::uint32_t command = 0;  // index of the command it belongs to
    bool busy = false;          // from start() until its owner is told
    bool quiet = false;  // write: its end is learned from the response's completion, no completion of its own
    bool failed = false;
    std::uint64_t offset = 0;  // in the initiator's buffer
    Segment local;
    std::uint32_t lkey = 0;
    std::uint32_t posted = 0;     // bytes
    std::uint32_t in_flight = 0;  // completions to come
    srp::DescriptorCursor cursor;
};

// Owner: the channel. Thread: the reactor's.
class TransferQueue {
  public:
    static constexpr std::uint32_t kWriteWork = 128;   // work requests of WRITEs at once
    static constexpr std::uint32_t kReadWorkMax = 16;  // of READs, at most; the peer may allow fewer
    static constexpr std::uint32_t kWork = kWriteWork + kReadWorkMax;
    static constexpr std::uint32_t kWorkBytesMax = 1U << 20U;

    // Names a transfer's work request in its completion.
    class Namer {
      public:
        virtual ~Namer() = default;
        // `retired`: work requests that its completion gives back, < 256.
        [[nodiscard]] virtual rdma::WorkId name(const Transfer& transfer, std::uint32_t retired) = 0;
        // All of it is in the send queue: what is sent from now on comes after it.
        virtual void on_posted(Transfer& transfer) = 0;
    };

    explicit TransferQueue(Namer& namer) : namer_(namer) {}
    void open(rdma::Connection& connection) {
        connection_ = &connection;
        reads_free_ = std::min<std::uint32_t>(connection.limits().reads_in_flight_max, kReadWorkMax);
    }

    // Takes it; on_posted() follows, maybe inside. REQUIRES: local.length > 0
    void start(Transfer& transfer);
    // One of its completions: returns true if it was the last. REQUIRES: status ok
    [[nodiscard]] bool on_completed(Transfer& transfer, std::uint32_t retired);
    // A completion of another kind proves that this many WRITEs are done.
    void on_retired(std::uint32_t writes);
    // Takes it out if it is still queued.
    void forget(Transfer& transfer);
    // Whether READs are possible at all.
    [[nodiscard]] bool can_read() const { return reads_free_ > 0 || reads_in_flight_ > 0; }
    // WRITEs posted since the last call: whoever posts the next signalled work request passes this to
    // on_retired() when it completes.
    [[nodiscard]] std::uint32_t take_unretired();
    [[nodiscard]] std::uint32_t reads_in_flight() const { return reads_in_flight_; }
    [[nodiscard]] std::size_t queued() const { return reads_.size() + writes_.size(); }

  private:
    void pump_reads();
    void pump_writes();
    rdma::SendWork next_piece(Transfer& transfer);

    Namer& namer_;
    rdma::Connection* connection_ = nullptr;
    IntrusiveList<Transfer> reads_;
    IntrusiveList<Transfer> writes_;
    std::uint32_t reads_free_ = 0;
    std::uint32_t reads_in_flight_ = 0;
    std::uint32_t writes_free_ = kWriteWork;
    std::uint32_t unretired_ = 0;
};

}  // namespace weft::target
