// SPDX-License-Identifier: Apache-2.0
// A loop device over a sparse file on a tmpfs of its own that may be smaller than the file. Needs root.
#pragma once

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/core/unique_fd.h"

namespace weft::test {

class LoopDevice {
  public:
    LoopDevice(std::uint64_t bytes, std::uint64_t tmpfs_bytes) {
        if (::geteuid() != 0)
            why_ = "needs root";
        else
            set_up(bytes, tmpfs_bytes);
    }
    LoopDevice(const LoopDevice&) = delete;
    LoopDevice& operator=(const LoopDevice&) = delete;
    ~LoopDevice() {
        if (ready_) ::ioctl(loop_.get(), LOOP_CLR_FD, 0);
        loop_.reset();
        if (mounted_) ::umount2(directory_.c_str(), MNT_DETACH);
        if (!directory_.empty()) ::rmdir(directory_.c_str());
    }

    [[nodiscard]] bool ready() const { return ready_; }
    [[nodiscard]] const std::string& why() const { return why_; }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    void set_up(std::uint64_t bytes, std::uint64_t tmpfs_bytes) {
        directory_ = "/tmp/weft-loop-XXXXXX";
        if (::mkdtemp(directory_.data()) == nullptr) return give_up("mkdtemp");
        const std::string options = "size=" + std::to_string(tmpfs_bytes);
        if (::mount("weft-test", directory_.c_str(), "tmpfs", 0, options.c_str()) != 0)
            return give_up("mount");
        mounted_ = true;
        const UniqueFd file(::open((directory_ + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return give_up("file");
        const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
        if (!control) return give_up("/dev/loop-control");
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0) return give_up("no free loop device");
        path_ = "/dev/loop" + std::to_string(number);
        loop_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
        if (!loop_) return give_up(path_);
        loop_config config{};
        config.fd = static_cast<std::uint32_t>(file.get());
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
        if (::ioctl(loop_.get(), LOOP_CONFIGURE, &config) != 0) return give_up("LOOP_CONFIGURE");
        ready_ = true;
    }
    void give_up(const std::string& what) { why_ = "no loop device: " + what + ": " + std::strerror(errno); }

    std::string directory_;
    std::string path_;
    std::string why_;
    UniqueFd loop_;
    bool mounted_ = false;
    bool ready_ = false;
};

}  // namespace weft::test
