// SPDX-License-Identifier: Apache-2.0
// Everything that stores blocks. Devices compose into a tree; any tree stands behind any front end.
#pragma once

#include <cstddef>
#include <optional>

#include "common/block/geometry.h"
#include "common/block/io_request.h"
#include "common/core/executor.h"
#include "common/core/region.h"

namespace weft::block {

// One reactor's view of a device. Thread: the executor's only.
// Rules of every implementation:
//  - a request completes exactly once, always, teardown included, and never inside submit();
//  - after it completes, neither the device nor any peer touches its data buffer;
//  - no allocation per request: state goes into io.scratch.
class BlockDevice {
  public:
    explicit BlockDevice(Executor& executor) : executor_(executor) {}
    BlockDevice(const BlockDevice&) = delete;
    BlockDevice& operator=(const BlockDevice&) = delete;
    virtual ~BlockDevice() { WEFT_CHECK(in_flight_ == 0); }  // REQUIRES: no request in flight

    [[nodiscard]] virtual const Geometry& geometry() const = 0;  // constant for the life of the object
    // Bytes of scratch a request needs at this level and all below; a multiple of 16.
    [[nodiscard]] virtual std::size_t scratch_bytes() const = 0;
    // The memory that holds the volume from byte 0, where the device is such memory: a front end may
    // then serve reads straight out of it.
    [[nodiscard]] virtual std::optional<Region> memory() const { return std::nullopt; }

    // Takes the request; `done` runs later. A request that does not fit the geometry, or writes to a
    // read-only device, completes with out_of_range or read_only.
    // REQUIRES: io is the submitter's; io.done set; io.scratch holds scratch_bytes().
    void submit(IoRequest& io);

    // A flush that this device failed (its scratch names it) was part of one that is about to be answered
    // with an error: now whoever asked knows. Told by the device above, in the turn of that answer.
    virtual void on_failure_told(const std::byte* scratch) { static_cast<void>(scratch); }

    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
    [[nodiscard]] Executor& executor() const { return executor_; }

  protected:
    // Gives the request back. REQUIRES: it was submitted to this device and not completed yet.
    void complete(IoRequest& io, IoStatus status);

  private:
    virtual void do_submit(IoRequest& io) = 0;

    Executor& executor_;
    std::size_t in_flight_ = 0;
};

}  // namespace weft::block
