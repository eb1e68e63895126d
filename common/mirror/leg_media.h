// SPDX-License-Identifier: Apache-2.0
// One leg's end: reads and writes what weft keeps there. What is written is durable before it is answered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "common/block/block_device.h"
#include "common/core/region.h"
#include "common/core/uuid.h"
#include "common/mirror/dirty_map.h"
#include "common/mirror/superblock.h"

namespace weft::mirror {

// Owner: the mirror. Thread: the device's. One superblock operation and one map operation at a time.
// REQUIRES: device and room outlive it; nothing under way when it is destroyed.
class LegMedia {
  public:
    static constexpr std::size_t kRoomBytes = 5 * std::size_t{kPageBytes};  // page-aligned

    using SlotRead = std::function<void(std::optional<Slot>)>;  // none: it cannot be read
    using Written = std::function<void(bool durably)>;
    using PageRead = std::function<void(std::optional<MapPageView>)>;

    // `room`: kRoomBytes of a region that the device's executor knows.
    LegMedia(block::BlockDevice& device, const Segment& room);
    LegMedia(const LegMedia&) = delete;
    LegMedia& operator=(const LegMedia&) = delete;
    ~LegMedia();

    [[nodiscard]] block::BlockDevice& device() const { return device_; }
    [[nodiscard]] std::uint64_t bytes() const { return device_.geometry().bytes(); }

    // What it says. A leg that is too small for a superblock is foreign.
    void read_superblock(SlotRead done);
    // Into the slot that does not hold the valid one, with the next sequence. REQUIRES: it was read before;
    // the device has room for it.
    void write_superblock(Superblock superblock, Written done);
    // The valid one of the page's two slots; the view is good until the next map operation. None: neither is
    // valid; `done(none)` too if it cannot be read.
    void read_page(const Shape& shape, const Uuid& volume, std::uint64_t page, PageRead done);
    // `bytes`: a whole page; it stays as it is until `done`. Allocates nothing if `done` fits into a
    // std::function.
    void write_page(const Shape& shape, std::uint64_t page, std::uint64_t sequence, const Segment& bytes,
                    Written done);

    [[nodiscard]] bool busy() const { return superblock_io_.in_flight() || page_io_.in_flight(); }

  private:
    struct Io final : block::IoRequest {
        std::function<void(block::IoStatus)> then;
        std::vector<std::max_align_t> memory;  // its scratch
    };
    void prepare(Io& io) const;
    void on_slots_read(Slot slot1, const SlotRead& done);
    void run(Io& io, block::IoOp op, std::uint64_t at, const Segment& data, bool fua,
             std::function<void(block::IoStatus)> then);
    [[nodiscard]] Segment room(unsigned page) const;
    [[nodiscard]] std::span<const std::byte> view(unsigned page) const;

    block::BlockDevice& device_;
    const Segment room_;
    Io superblock_io_;
    Io page_io_;
    Written page_written_;
    Slot slot0_;                  // while slot 1 is read
    unsigned next_slot_ = 0;      // to be written
    std::uint64_t sequence_ = 0;  // of the valid superblock
    bool known_ = false;          // it was read
};

}  // namespace weft::mirror
