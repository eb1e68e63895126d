// SPDX-License-Identifier: Apache-2.0
// The disk as the system sees it: its node, its settings in sysfs, its names, who uses it.
#pragma once

#include <cstdint>
#include <string>

#include "common/core/result.h"
#include "common/core/unique_fd.h"
#include "common/core/uuid.h"

namespace weft::ublk {

// Where the system keeps things; other directories in tests.
struct Places {
    std::string dev = "/dev";
    std::string sys_block = "/sys/block";
    std::string proc = "/proc";
    std::string run = "/run/weft/dev";       // what the udev rule reads
    std::string udev = "/run/udev/control";  // there while udevd runs
    std::string links = "/dev/weft";         // where the rule links NAME
};

// Thread: the control thread.
class Node {
  public:
    Node(Places places, std::uint32_t number, std::string name, const Uuid& uuid);

    [[nodiscard]] std::uint32_t number() const { return number_; }
    [[nodiscard]] std::string path() const;            // /dev/ublkbN
    [[nodiscard]] std::string character_path() const;  // /dev/ublkcN
    [[nodiscard]] std::string link() const;            // /dev/weft/NAME

    // Tells the udev rule the volume's names. Before the disk appears.
    [[nodiscard]] Result<void> publish() const;
    // Waits for the link, or makes it where udev does not, and sees to the settings in sysfs: scheduler none;
    // io_timeout 1 s, so that old kernels let go of a dead server's requests soon.
    // A failure is logged: the disk works all the same.
    void settle() const;
    // Undoes publish() and settle(); after the disk has gone.
    void withdraw() const;

    // What keeps the disk or a partition of it in use, as far as /proc and /sys tell ("is mounted on ...");
    // or empty.
    [[nodiscard]] std::string keeper() const;
    // A process other than this one that has it open ("is open in process ..."); or empty.
    [[nodiscard]] std::string opener() const;
    // Opens it exclusively: nobody mounts it while the descriptor is open. Error: it is in use (EBUSY).
    [[nodiscard]] Result<UniqueFd> claim() const;

  private:
    [[nodiscard]] std::string disk() const;  // ublkbN
    void make_link() const;
    [[nodiscard]] std::string mount_point() const;
    [[nodiscard]] bool names_disk(const std::string& path_of_other) const;
    [[nodiscard]] bool linked() const;

    Places places_;
    std::uint32_t number_;
    std::string name_;
    Uuid uuid_;
};

// The identity of this boot; device numbers mean nothing in another.
[[nodiscard]] std::string boot_id(const Places& places);

}  // namespace weft::ublk
