// SPDX-License-Identifier: Apache-2.0
#include "common/config/occupancy.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <sstream>

namespace weft::config {

// A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 4341 fe:00:10953015 0 EOF"; one that waits for it has
// "->" behind the number.
bool is_locked(const std::string& path, bool shared) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return false;
    const std::string file =
        fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        std::istringstream words(line);
        std::string number;
        std::string kind;
        std::string strictness;
        std::string access;
        std::string holder;
        std::string held;
        words >> number >> kind >> strictness >> access >> holder >> held;
        if (kind == "FLOCK" && held == file && (!shared || access == "WRITE")) return true;
    }
    return false;
}

// A line of /proc/self/mountinfo: "36 35 98:0 / /mnt rw,noatime shared:1 - ext3 /dev/root rw".
bool is_mounted(dev_t device) {
    const std::string wanted = fmt::format("{}:{}", major(device), minor(device));
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string id;
        std::string parent;
        std::string numbers;
        words >> id >> parent >> numbers;
        if (numbers == wanted) return true;
    }
    return false;
}

}  // namespace weft::config
