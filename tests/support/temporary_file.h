// SPDX-License-Identifier: Apache-2.0
// A file in a directory of its own, both gone with the object.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/core/unique_fd.h"

namespace weft::test {

class TemporaryFile {
  public:
    // `bytes` long and sparse; in `directory`, or where TMPDIR says (/var/tmp: tmpfs has no O_DIRECT).
    explicit TemporaryFile(std::uint64_t bytes, std::string directory = {}) {
        if (directory.empty()) {
            const char* set = std::getenv("TMPDIR");
            directory = set != nullptr ? set : "/var/tmp";
        }
        directory_ = directory + "/weft-test-XXXXXX";
        EXPECT_NE(::mkdtemp(directory_.data()), nullptr) << directory_;
        path_ = directory_ + "/file";
        fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        EXPECT_TRUE(fd_);
        EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(bytes)), 0);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() {
        ::unlink(path_.c_str());
        ::rmdir(directory_.c_str());
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] int fd() const { return fd_.get(); }
    void truncate(std::uint64_t bytes) const {
        EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(bytes)), 0);
    }

  private:
    std::string directory_;
    std::string path_;
    UniqueFd fd_;
};

}  // namespace weft::test
