// SPDX-License-Identifier: Apache-2.0
// One thread's io_uring: file I/O, ublk commands and the waiting for all descriptors go through it, so
// that a reactor blocks in one place only.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/core/region.h"
#include "common/core/result.h"
#include "common/reactor/reactor.h"

struct io_uring;
struct io_uring_sqe;

namespace weft::uring {

// One operation handed to a Ring. Owner: whoever embeds it.
// REQUIRES: lives, as do the buffers it names, until complete() was called; one use at a time.
class Operation {
  public:
    Operation() = default;
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    virtual ~Operation() = default;
    // `result`: >= 0, or a negative errno. `flags`: IORING_CQE_F_*. Called by Ring::poll(), never inside the
    // call that queued the operation; may queue others and itself again.
    virtual void complete(std::int32_t result, std::uint32_t flags) = 0;
};

// Binds a member function: OperationCall<Queue, &Queue::on_fetched> fetch_{*this};
template <class Owner, void (Owner::*Method)(std::int32_t)>
class OperationCall final : public Operation {
  public:
    explicit OperationCall(Owner& owner) : owner_(owner) {}
    void complete(std::int32_t result, std::uint32_t) override { (owner_.*Method)(result); }

  private:
    Owner& owner_;
};

// An open file as operations name it: with its place in the ring's table of registered files, if it has one.
struct File {
    int fd = -1;
    int slot = -1;  // -1: not registered
};

struct RingCounters {  // the owner's thread only
    std::uint64_t operations = 0;
    std::uint64_t completions = 0;
    std::uint64_t enters = 0;    // system calls made
    std::uint64_t overfull = 0;  // times the submission queue was full and was submitted early
};

// Owner: the reactor's assembly. Lifetime: outlives the Reactor and everything that queues operations;
// dies before the RegionDirectory and its memory. REQUIRES: no read or write in flight when destroyed.
// Thread: created anywhere; the thread that calls attach() (Reactor::run() does) is the owner from then on.
// Until then the creating thread may watch(), add_file(), have regions added and queue operations: they
// are submitted after attach(). After detach() only destruction, removal of regions, files and watches, and
// attach() by the same thread again.
class Ring final : public reactor::Sleeper, private RegionObserver {
  public:
    // `entries`: operations queued in one turn without an early submit, 1..32768; rounded up to a power of
    // two. In flight there may be more. Observes `regions` (may be null) while it lives: operations on
    // their segments use fixed buffers. A feature that the kernel refuses is done without and logged.
    [[nodiscard]] static Result<std::unique_ptr<Ring>> create(unsigned entries, RegionDirectory* regions);
    ~Ring() override;

    // Registers an open file; without registration when the table (kFilesMax) is full.
    // The descriptor stays the caller's. Files of a ublk queue, volumes.
    [[nodiscard]] File add_file(int fd);
    void remove_file(File& file);

    // All offsets and lengths in bytes. `result` of read and write: bytes moved, maybe fewer than asked.
    void read(Operation& operation, const File& file, const Segment& to, std::uint64_t offset);
    // `flags`: RWF_*, for example RWF_DSYNC.
    void write(Operation& operation, const File& file, const Segment& from, std::uint64_t offset, int flags);
    void fsync(Operation& operation, const File& file, bool data_only);
    void fallocate(Operation& operation, const File& file, int mode, std::uint64_t offset,
                   std::uint64_t length);
    // IORING_OP_URING_CMD; `payload` (<= 16 bytes) is copied at once.
    void command(Operation& operation, const File& file, std::uint32_t cmd_op,
                 std::span<const std::byte> payload);
    // Asks the kernel to give it up: it completes as ever, with -ECANCELED if it was in time.
    // No-op on one that is not in flight.
    void cancel(Operation& operation);

    // Poller. poll() and arm() only read memory unless the kernel has work for this thread; flush() makes
    // at most one system call.
    bool poll() override;
    void flush() override;
    bool arm() override;
    void disarm() override {}

    // Sleeper
    void attach() override;
    void detach() override;
    void sleep(Duration limit) override;
    void watch(int fd, Watch& watch) override;
    void ignore(int fd) override;  // on_readable() is not called again; the descriptor may be closed

    [[nodiscard]] bool fixed(RegionId region) const;  // whether operations there use a fixed buffer
    [[nodiscard]] const RingCounters& counters() const { return counters_; }

    static constexpr unsigned kFilesMax = 1024;

  private:
    class Descriptor;
    explicit Ring(RegionDirectory* regions);
    [[nodiscard]] Result<void> open(unsigned entries);
    void on_region_added(const Region& region) override;
    void on_region_removed(RegionId id) override;
    [[nodiscard]] io_uring_sqe& next(unsigned opcode, Operation* operation, const File& file);
    void make_room();
    [[nodiscard]] bool kernel_has_work() const;
    [[nodiscard]] bool reap();
    void forget(Descriptor& descriptor);

    std::unique_ptr<::io_uring> ring_;  // null until opened
    RegionDirectory* regions_;
    std::bitset<kRegionsMax> fixed_;  // by region id
    std::bitset<kFilesMax> file_slots_;
    bool buffer_table_ = false;
    bool file_table_ = false;
    bool enabled_ = false;   // the kernel knows the owner
    bool attached_ = false;  // between attach() and detach()
    bool ring_registered_ = false;
    bool no_iowait_ = false;
    std::vector<std::unique_ptr<Descriptor>> descriptors_;
    RingCounters counters_;
};

}  // namespace weft::uring
