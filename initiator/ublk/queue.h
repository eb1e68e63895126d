// SPDX-License-Identifier: Apache-2.0
// The one queue of a ublk device: tags between the driver and a tree of devices.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/block/block_device.h"
#include "common/core/region.h"
#include "common/core/result.h"
#include "common/core/slab.h"
#include "common/uring/ring.h"
#include "initiator/ublk/abi.h"

namespace weft::ublk {

// The driver's side of a queue: /dev/ublkcN through a ring, or a simulation. Thread: the reactor's.
class QueuePort {
  public:
    virtual ~QueuePort() = default;  // REQUIRES: nothing issued is under way
    // Queues the command; operation.complete() tells its end, never inside this call.
    virtual void issue(uring::Operation& operation, std::uint32_t opcode, const abi::IoCommand& command) = 0;
};

struct QueueShape {
    std::uint16_t depth = 128;                // tags, 1..4096
    std::uint32_t io_bytes_max = 512 * 1024;  // bytes of one tag's buffer: whole pages
    std::size_t scratch_bytes = 0;            // of the tree, per request

    // What a queue of this shape holds.
    [[nodiscard]] std::uint64_t memory_bytes() const;
};

// Where a tag's request is. kernel: a fetch (or commit and fetch) is with the driver; tree: submitted;
// parked: arrived, kept and not answered; gone: the driver aborted it, for good.
enum class TagState : std::uint8_t { idle, kernel, tree, parked, gone };
[[nodiscard]] bool may_follow(TagState from, TagState to);

// What becomes of requests that arrive. serve: they go to the tree. refuse: they fail at once (EIO), also
// those parked: the way to STOP_DEV, which waits for all that is held. park: they are kept unanswered, for
// the next server to be given again (REISSUE): the way to leave.
enum class Intake : std::uint8_t { serve, refuse, park };

struct QueueCounters {  // the reactor's thread only
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;    // moved by reads and writes that succeeded
    std::uint64_t errors = 0;   // requests answered with an error
    std::uint64_t refused = 0;  // of these: by Intake::refuse
    std::uint64_t unknown = 0;  // operations that weft does not know
};

// Owner: ublk::Device. Thread: create() on any, everything else on the root's executor.
// Every request that arrives is answered exactly once, with its full length or with an error, or it is
// parked. No allocation and no system call of its own per request: commits leave with the ring's flush.
class Queue {
  public:
    // Allocates the memory. `root`, `regions` outlive the queue.
    [[nodiscard]] static Result<std::unique_ptr<Queue>> create(block::BlockDevice& root,
                                                               RegionDirectory& regions,
                                                               const QueueShape& shape, std::string name);
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue();  // REQUIRES: held() == 0 and no tag is with the kernel

    // Makes the buffers known to the directory: all registrations happen here. Before fetch_all().
    void register_memory();
    // Asks for a request on every tag. `descriptors` are the driver's, one per tag; both live until
    // drained(). REQUIRES: once; memory registered.
    void fetch_all(QueuePort& port, std::span<const abi::IoDescriptor> descriptors);

    void set_intake(Intake intake);
    [[nodiscard]] Intake intake() const { return intake_; }

    [[nodiscard]] std::size_t count(TagState state) const { return counts_[static_cast<std::size_t>(state)]; }
    // Requests in the tree.
    [[nodiscard]] std::size_t held() const { return count(TagState::tree); }
    // How long the oldest of them is there.
    [[nodiscard]] Duration oldest_held() const;
    // Nothing is with the kernel or in the tree any more: the port may go.
    [[nodiscard]] bool drained() const { return count(TagState::kernel) == 0 && held() == 0; }
    // The first unexpected answer of the driver (a positive errno), if there was one: its tag is gone.
    [[nodiscard]] int failure() const { return failure_; }
    [[nodiscard]] const QueueShape& shape() const { return shape_; }
    [[nodiscard]] const QueueCounters& counters() const { return counters_; }

  private:
    class Tag;
    Queue(block::BlockDevice& root, RegionDirectory& regions, const QueueShape& shape, std::string name,
          Slab buffers, Slab scratch);
    void on_fetched(Tag& tag, std::int32_t result);
    void on_served(Tag& tag);
    void take(Tag& tag);
    void commit(Tag& tag, std::int32_t result);
    void issue(Tag& tag, std::uint32_t opcode, std::int32_t result);
    void enter(Tag& tag, TagState state);

    block::BlockDevice& root_;
    RegionDirectory& regions_;
    const QueueShape shape_;
    const std::string name_;
    Slab buffers_;  // what peers may write: nothing but data in it
    Slab scratch_;
    std::unique_ptr<Tag[]> tags_;
    RegionId region_ = kNoRegion;
    QueuePort* port_ = nullptr;
    std::span<const abi::IoDescriptor> descriptors_;
    Intake intake_ = Intake::serve;
    std::array<std::size_t, 5> counts_{};  // of tags by state
    int failure_ = 0;
    QueueCounters counters_;
};

}  // namespace weft::ublk
