// SPDX-License-Identifier: Apache-2.0
// Commands with payloads up to 80 bytes, one at a time and blocking: the control side of ublk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/core/clock.h"
#include "common/core/result.h"

struct io_uring;

namespace weft::uring {

// A ring with 128-byte entries. Thread: the one that created it, only; never a reactor's (run() blocks).
class CommandRing {
  public:
    [[nodiscard]] static Result<CommandRing> create();
    CommandRing(CommandRing&&) noexcept;
    CommandRing& operator=(CommandRing&&) noexcept;
    ~CommandRing();

    // Runs one IORING_OP_URING_CMD; `payload` <= 80 bytes. Returns the command's result (>= 0), or an
    // Error whose code is its positive errno; ETIMEDOUT if `timeout` passed first. A command that timed
    // out is cancelled where the kernel can; it may still be running and using the memory that its payload
    // points to: keep that memory for the life of the process then.
    [[nodiscard]] Result<int> run(int fd, std::uint32_t cmd_op, std::span<const std::byte> payload,
                                  std::optional<Duration> timeout = std::nullopt);

  private:
    struct Closer {
        void operator()(::io_uring* ring) const;
    };
    explicit CommandRing(std::unique_ptr<::io_uring, Closer> ring);
    std::unique_ptr<::io_uring, Closer> ring_;
    std::uint64_t sequence_ = 0;
};

}  // namespace weft::uring
