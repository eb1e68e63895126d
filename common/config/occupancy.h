// SPDX-License-Identifier: Apache-2.0
// Who else has a file, as far as the kernel says without being disturbed: taking a lock to see whether it is
// free would refuse it to a daemon that starts at that moment.
#pragma once

#include <sys/types.h>

#include <string>

namespace weft::config {

// A process holds a flock(2) on the file that keeps us from taking ours (shared or not). False also if that
// cannot be found out: for processes of another PID namespace, and on file systems that show another device
// number than they have (btrfs).
[[nodiscard]] bool is_locked(const std::string& path, bool shared);
// A file system on the block device is mounted. False also if that cannot be found out.
[[nodiscard]] bool is_mounted(dev_t device);

}  // namespace weft::config
