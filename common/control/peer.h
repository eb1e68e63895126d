// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/control/message.h"
#include "common/core/unique_fd.h"

namespace weft::control {

// One client of the control socket: its bytes in, cut into lines, and its bytes out. Bounded both ways.
// Owner and thread: the server's socket thread.
class Peer {
  public:
    using Clock = std::chrono::steady_clock;

    Peer(UniqueFd fd, std::uint64_t id) : fd_(std::move(fd)), id_(id), progress_(Clock::now()) {}

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] std::uint64_t id() const { return id_; }

    // Reads what is there, at most one piece. False: the connection is broken.
    [[nodiscard]] bool receive();
    // The next whole line, or nothing. A line that is too long ends the input: overlong() turns true.
    [[nodiscard]] std::optional<std::string> next_line();
    [[nodiscard]] bool overlong() const { return inbox_.size() > kLineBytesMax; }
    void end_input() {
        inbox_.clear();
        input_ended_ = true;
    }

    void send(const std::string& line);
    // Writes what the socket takes. False: the connection is broken.
    [[nodiscard]] bool flush();
    [[nodiscard]] std::size_t unsent() const { return outbox_.size() - sent_; }

    // Takes nothing in while a request runs or its answer is not taken: one request at a time.
    [[nodiscard]] bool wants_input() const { return !input_ended_ && may_run(); }
    [[nodiscard]] bool may_run() const { return !busy && unsent() < kLineBytesMax; }
    // Nothing more will come of it.
    [[nodiscard]] bool finished() const { return input_ended_ && !busy && unsent() == 0 && inbox_.empty(); }
    // An answer has waited for longer than `limit`. Events never count: they are dropped instead.
    [[nodiscard]] bool stalled(Clock::time_point now, std::chrono::milliseconds limit) const {
        return !following && unsent() > 0 && now - progress_ > limit;
    }

    bool busy = false;         // a request of this peer is on the control thread
    bool following = false;    // events are pushed to it
    std::uint64_t cursor = 0;  // the newest event it was sent

  private:
    UniqueFd fd_;
    std::uint64_t id_;
    std::string inbox_;
    std::string outbox_;
    std::size_t sent_ = 0;
    bool input_ended_ = false;
    Clock::time_point progress_;
};

}  // namespace weft::control
