// SPDX-License-Identifier: Apache-2.0
// The same blocks on several legs. What it promises and how it keeps it: docs/mirror.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/block/block_device.h"
#include "common/mirror/assembly.h"
#include "common/mirror/dirty_map.h"
#include "common/mirror/intent_log.h"
#include "common/mirror/leg_media.h"
#include "common/mirror/membership.h"
#include "common/mirror/range_lock.h"

namespace weft::mirror {

struct MirrorOptions {
    std::string name;           // for people
    Duration probe_period{1s};  // how often a leg that is away is asked whether it is back
    Duration clean_period{5s};  // a region is clean when nobody has written to it for one to two of them
    std::function<std::uint64_t()> random;  // for ids: never 0
};

// What a mirror is made of, once the ends of its legs have been read.
struct MirrorParts {
    struct Leg {
        std::unique_ptr<LegMedia> media;
        bool here = false;               // it was read
        std::optional<Superblock> says;  // in sync: what it says
    };
    Superblock base;
    std::vector<Leg> legs;  // by member
    DirtyMap map;
    std::vector<std::uint64_t> sequences;  // of the map's pages
    Segment room;                          // kRoomBytes of a region that the legs' executor knows
};

struct MirrorLegStatus {
    LegState state = LegState::stale;
    bool up = false;
    std::string problem;
};

struct MirrorStatus {
    std::uint64_t epoch = 0;
    bool settled = false;
    bool suspended = false;
    std::uint64_t dirty_regions = 0;
    std::uint64_t unreconciled_regions = 0;
    std::uint64_t bytes_copied = 0;
    std::vector<MirrorLegStatus> legs;
};

// Owner: the tree's assembly. Thread: the executor's. REQUIRES: the legs' devices outlive it; close() has
// said so before it is destroyed.
class MirrorDevice final : public block::BlockDevice, private IntentLogOwner {
  public:
    static constexpr std::uint32_t kCopyBytes = 256U << 10U;
    static constexpr std::size_t kRoomBytes = kPageBytes + kCopyBytes;

    MirrorDevice(Executor& executor, MirrorParts parts, MirrorOptions options);
    ~MirrorDevice() override;

    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return scratch_bytes_; }

    // Lets go of its legs, and tells them that nothing was on its way if they are there to hear it. `closed`
    // runs when it may be destroyed. REQUIRES: no request in flight; none comes.
    void close(std::function<void()> closed);

    [[nodiscard]] MirrorStatus status() const;

  private:
    using Legs = std::uint8_t;  // bit n: leg n, which is member n
    static constexpr Legs bit(std::size_t leg) { return static_cast<Legs>(1U << leg); }

    struct Pending;
    struct Part;
    struct Leg {
        std::unique_ptr<LegMedia> media;
        block::BlockDevice* device = nullptr;
        bool up = false;           // it is used
        bool asking = false;       // its superblock is being read or written outside of a round
        std::uint64_t copied = 0;  // rebuilding: regions below it are done
        std::string problem;
    };
    enum class CopyKind : std::uint8_t { none, reconcile, rebuild };
    // Copies one piece after the other.
    struct Copier final : RangeHold {
        explicit Copier(MirrorDevice& of) : RangeHold(Touch::copy, 0, 1), mirror(of) {}
        void on_granted() override { mirror.copy_read(); }
        MirrorDevice& mirror;
        CopyKind kind = CopyKind::none;
        std::uint64_t region = 0;
        std::uint64_t done_blocks = 0;  // of the region
        std::size_t source = 0;
        Legs targets = 0;
        std::size_t outstanding = 0;
        bool failed = false;
    };
    struct OwnIo;

    void do_submit(block::IoRequest& io) override;
    void on_page_failed(std::size_t leg) override { leg_failed(leg, "it did not take a page of the map"); }

    void on_pages_saved() override {
        if (!copies_.pending()) executor().defer(copies_);
    }

    // mirror_device.cc: the way of a request
    void granted(Pending& pending);
    void proceed(Pending& pending);
    void park(Pending& pending);
    void wake();
    [[nodiscard]] bool begin_zeroing(Pending& pending);
    void read(Pending& pending);
    void change(Pending& pending);
    void send(Pending& pending, Legs whom);
    void on_part(Part& part);
    void on_sent(Pending& pending);
    void finish(Pending& pending, block::IoStatus status);
    Part& make_part(Pending& pending, std::size_t leg);
    void touch(std::uint64_t lba, std::uint64_t blocks);
    [[nodiscard]] std::uint64_t region_of(std::uint64_t lba) const { return lba / region_blocks_; }

    // mirror_legs.cc: who is in sync
    void leg_failed(std::size_t leg, const std::string& why);
    [[nodiscard]] bool is_last(std::size_t leg) const { return in_sync_ == bit(leg); }
    void run_rounds();
    void on_written(std::size_t leg, bool durably);
    void on_settled();
    void tell_log();
    void probe();
    void on_probed(std::size_t leg, const std::optional<Slot>& slot);
    void bring_back(std::size_t leg, const Slot& slot);
    void check_closed();

    // mirror_copy.cc: what is made the same again, and when it is clean
    void copy_more();
    [[nodiscard]] bool choose_region();
    void copy_piece();
    void copy_read();
    void on_copy_read(block::IoStatus status);
    void on_copy_written(std::size_t leg, block::IoStatus status);
    void end_piece();
    void end_rebuilding();
    void save_map();
    void clean();
    [[nodiscard]] bool all_in_sync() const;
    void flush_legs();
    void on_leg_flushed(std::size_t leg, block::IoStatus status);
    void end_cleaning();

    MirrorOptions options_;
    Shape shape_;
    block::Geometry geometry_;
    std::uint64_t region_blocks_;
    std::size_t part_bytes_ = 0;
    std::size_t scratch_bytes_ = 0;
    Segment copy_room_;
    std::vector<Leg> legs_;
    Membership membership_;
    DirtyMap map_;
    RangeLock lock_;
    IntentLog log_;
    Legs in_sync_ = 0;  // as confirmed, and settled
    Legs rebuilding_ = 0;
    Legs taking_pages_ = 0;  // rebuilding, and about to be promoted
    unsigned passes_ = 0;    // of the whole map that it has
    IntrusiveList<Pending> parked_;

    std::vector<bool> unreconciled_;  // regions that legs in sync may differ in
    std::uint64_t unreconciled_count_ = 0;
    std::vector<std::uint64_t> wanted_;  // of those, the ones that somebody wants to read
    std::vector<bool> touched_;          // regions written since the last cleaning began
    std::vector<bool> idle_;             // regions that were dirty and not touched when this one began
    std::size_t flushing_ = 0;           // legs that are to say that they have flushed
    bool flush_failed_ = false;

    std::unique_ptr<Copier> copier_;
    std::vector<std::unique_ptr<OwnIo>> own_io_;  // one per leg and one to read with, for copying
    std::vector<std::unique_ptr<OwnIo>> flush_io_;
    std::size_t rebuilt_ = 0;  // the leg that is being rebuilt
    std::uint64_t bytes_copied_ = 0;
    std::size_t round_ = 0;  // superblocks under way
    bool closing_ = false;
    bool said_clean_ = false;
    std::function<void()> closed_;

    DeferredCall<MirrorDevice, &MirrorDevice::run_rounds> rounds_{*this};
    DeferredCall<MirrorDevice, &MirrorDevice::copy_more> copies_{*this};
    TimerCall<MirrorDevice, &MirrorDevice::probe> probe_timer_{*this};
    TimerCall<MirrorDevice, &MirrorDevice::clean> clean_timer_{*this};
};

}  // namespace weft::mirror
