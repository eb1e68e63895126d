// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "common/core/clock.h"

namespace weft {

// For log lines that a peer can cause as often as it likes: lets so many through in each period.
// Thread: its owner's.
class Throttle {
  public:
    Throttle(std::uint32_t most, Duration period) : most_(most), period_(period) {}

    // How many were left out since the last that was let through; nothing: this one is left out too.
    [[nodiscard]] std::optional<std::uint64_t> pass(Instant now) {
        if (passed_ == 0 || now - begun_ >= period_) {
            begun_ = now;
            passed_ = 0;
        }
        if (passed_ == most_) {
            ++left_out_;
            return std::nullopt;
        }
        ++passed_;
        return std::exchange(left_out_, 0);
    }

  private:
    const std::uint32_t most_;
    const Duration period_;
    Instant begun_{};
    std::uint32_t passed_ = 0;
    std::uint64_t left_out_ = 0;
};

}  // namespace weft
