// SPDX-License-Identifier: Apache-2.0
// A volume as /dev/ublkbN: the front end over any tree of block devices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/block/block_device.h"
#include "common/core/executor.h"
#include "common/core/region.h"
#include "common/core/result.h"
#include "common/core/uuid.h"
#include "initiator/ublk/channel.h"
#include "initiator/ublk/control.h"
#include "initiator/ublk/node.h"
#include "initiator/ublk/queue.h"
#include "initiator/ublk/record.h"

namespace weft::ublk {

struct DeviceOptions {
    std::string name;                         // the volume's: [A-Za-z0-9._-]{1,48}
    Uuid uuid;                                // the volume's
    std::uint16_t queue_depth = 128;          // 1..4096
    std::uint32_t io_bytes_max = 512 * 1024;  // largest request: a multiple of 4 KiB
    std::optional<std::uint32_t> number;      // N of /dev/ublkbN; default: the kernel chooses
    std::string state_dir = "/var/lib/weft";  // made if missing
    Places places;                            // of the system's files
    Duration lock_limit = 5s;                 // for a process that is just ending to let go of the volume
};

// The reactor side of a device. All outlive the Device.
struct Seat {
    Executor& executor;        // of the reactor; running, on a thread of its own
    RegionDirectory& regions;  // the reactor's
    block::BlockDevice& root;  // the tree, on that reactor
    QueuePortMaker ports;      // ports_on(the reactor's ring)
};

struct DeviceStatus {
    std::uint32_t number = 0;
    bool recovered = false;  // taken over from a dead daemon
    QueueShape shape;
    Intake intake = Intake::serve;
    std::size_t held = 0;  // requests in the tree
    Duration oldest_held{0};
    std::uint64_t memory_bytes = 0;
    QueueCounters counters;
};

// Owner: initiator's assembly. Thread: the control thread (which is not the reactor's); every call blocks.
// A Device exists from the moment its disk is there until stop() or leave() has succeeded.
//
// Ways out:
//   stop()   the disk goes: a graceful end, detach. Nothing is left behind.
//   leave()  the disk stays and waits for the next daemon: an upgrade. What the tree holds is finished first.
//   death    (kill -9, crash): the disk stays and waits likewise; requests held are sent again.
class Device {
  public:
    // Takes over the volume's device if a daemon before us left one, else makes a new one. Before this, the
    // tree is ready to serve (on old kernels a recovery cannot be tried twice). On failure nothing is left
    // behind, except that a device to be taken over stays for the next process.
    [[nodiscard]] static Result<std::unique_ptr<Device>> start(Control& control, const DeviceOptions& options,
                                                               const Seat& seat);
    // Removes what a dead daemon left of the volume's device, instead of taking it over; its users get I/O
    // errors. Returns whether there was any. Error, among others: a living process serves it (EBUSY).
    [[nodiscard]] static Result<bool> remove_leftover(Control& control, const DeviceOptions& options);
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    // REQUIRES: stop() has succeeded or leave() was called. A process that ends in another way does not come
    // here.
    ~Device();

    struct Stop {
        // Whether to take the disk away under those who use it. Then `fail_held` is called on the reactor: it
        // makes the tree fail all it holds and all that comes (connection_lost).
        bool force = false;
        std::function<void()> fail_held;
        Duration limit = 10s;  // by force: for what the tree holds to come back
    };
    // Refuses, saying why, while the disk is mounted or open or requests wait in the tree, unless forced.
    // After a refusal the device serves on. After any other error it is refusing I/O; stop again, or
    // end the process: the next start clears it away.
    [[nodiscard]] Result<void> stop(const Stop& how);
    // Error: the tree did not finish within `limit`; what it holds is sent again to the next daemon.
    // In both cases end the process with _exit(), without destroying the reactor's ring: before 6.16 the
    // driver keeps the ring's commands until the process has gone.
    [[nodiscard]] Result<void> leave(Duration limit);

    [[nodiscard]] std::uint32_t number() const { return record_.number; }
    [[nodiscard]] std::string path() const { return node_.path(); }  // "/dev/ublkb0"
    [[nodiscard]] bool recovered() const { return recovered_; }
    [[nodiscard]] DeviceStatus status();
    // The same for a caller on the reactor.
    [[nodiscard]] DeviceStatus status_here() const;
    // What a device of these options will hold, for a tree with this scratch.
    [[nodiscard]] static std::uint64_t memory_bytes(const DeviceOptions& options, std::size_t scratch_bytes);

  private:
    Device(Control& control, const DeviceOptions& options, const Seat& seat);
    [[nodiscard]] Result<void> open();
    [[nodiscard]] Result<void> create();
    [[nodiscard]] Result<void> take_over(const abi::DeviceInfo& device);
    [[nodiscard]] Result<void> wait_until_left(std::uint32_t number);
    [[nodiscard]] Result<void> begin_recovery(std::uint32_t number);
    [[nodiscard]] Result<void> make_queue(std::uint16_t depth, std::uint32_t io_bytes_max);
    [[nodiscard]] Result<void> fetch_all();
    [[nodiscard]] Result<void> wait_until_unused();
    [[nodiscard]] Result<void> take_disk_away(bool force, UniqueFd claim);
    [[nodiscard]] Result<void> wait_for_tree(Duration limit);
    void note(const abi::DeviceInfo& device);
    void undo_create();
    void close_queue();
    void abandon_queue();
    void on_reactor(const std::function<void()>& call);
    [[nodiscard]] bool wait_for(Duration limit, const std::function<bool()>& condition);

    Control& control_;
    const DeviceOptions options_;
    const Seat seat_;
    block::Geometry geometry_;
    RecordFile file_;
    UniqueFd lock_;
    Record record_;
    Node node_;
    std::unique_ptr<Channel> channel_;
    std::unique_ptr<Queue> queue_;
    bool recovered_ = false;
    bool serving_ = false;
};

}  // namespace weft::ublk
