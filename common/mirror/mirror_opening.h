// SPDX-License-Identifier: Apache-2.0
// Looks at the ends of all legs, once, and finds what a mirror is to be made of.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/mirror/mirror_device.h"

namespace weft::mirror {

// Owner: the tree's assembly. Thread: the legs'. REQUIRES: lives until `done` has run.
class MirrorOpening {
  public:
    struct Outcome {
        Assembly assembly;
        std::unique_ptr<MirrorParts> parts;  // if it may be served
    };
    using Done = std::function<void(Outcome)>;

    // `legs`: as many as the volume has. `room`: MirrorDevice::kRoomBytes.
    MirrorOpening(std::vector<std::unique_ptr<LegMedia>> legs, const Segment& room, Done done);
    MirrorOpening(const MirrorOpening&) = delete;
    MirrorOpening& operator=(const MirrorOpening&) = delete;

    void start();

  private:
    void on_read(std::size_t leg, std::optional<Slot> slot);
    void place();
    void read_maps();
    void on_page(const std::optional<MapPageView>& view);
    void finish(bool may_be_served);

    std::vector<std::unique_ptr<LegMedia>> legs_;
    Segment room_;
    Done done_;
    std::size_t outstanding_ = 0;
    std::vector<std::optional<Slot>> slots_;
    Outcome outcome_;
    // Reading maps: which leg, which page.
    std::size_t leg_ = 0;
    std::uint64_t page_ = 0;
    bool page_seen_ = false;  // on one of the legs at least
};

}  // namespace weft::mirror
