// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>

#include "common/core/result.h"

namespace weft {

// Page-aligned zeroed anonymous memory for I/O, populated at once: huge pages where there are any,
// left out of core dumps and of forked children. Owner: the component that made it.
// Lifetime: outlives every registration of it.
class Slab {
  public:
    Slab() = default;
    // `bytes` > 0, rounded up to whole pages (2 MiB pages if `bytes` >= 2 MiB and some are free).
    [[nodiscard]] static Result<Slab> allocate(std::size_t bytes);
    Slab(Slab&& other) noexcept
        : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Slab& operator=(Slab&& other) noexcept;
    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;
    ~Slab();

    [[nodiscard]] std::byte* data() const { return base_; }
    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    Slab(std::byte* base, std::size_t size) : base_(base), size_(size) {}
    std::byte* base_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace weft
