// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "common/core/result.h"
#include "common/core/unique_fd.h"

namespace weft::control {

// A UNIX stream socket that one daemon at a time listens on. PATH.lock is held (flock) while it lives and
// stays behind, empty: removing a lock file would let two daemons hold two files of one name.
class ListeningSocket {
  public:
    // Mode 0600, non-blocking. Error.code EADDRINUSE: a live daemon has it. Makes the directory if only its
    // last part is missing.
    [[nodiscard]] static Result<ListeningSocket> create(const std::string& path);
    ListeningSocket(ListeningSocket&& other) noexcept = default;
    ListeningSocket& operator=(ListeningSocket&&) = delete;
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ~ListeningSocket();  // unlinks the socket

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    ListeningSocket(UniqueFd lock, UniqueFd fd, std::string path)
        : lock_(std::move(lock)), fd_(std::move(fd)), path_(std::move(path)) {}

    UniqueFd lock_;
    UniqueFd fd_;
    std::string path_;
};

}  // namespace weft::control
