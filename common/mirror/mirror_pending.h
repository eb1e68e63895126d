// SPDX-License-Identifier: Apache-2.0
// What a mirror keeps of a request, in the request's scratch; a part per leg follows, each with its leg's
// scratch behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "common/mirror/mirror_device.h"

namespace weft::mirror {

struct MirrorDevice::Pending final : ListNode {
    struct Hold final : RangeHold {
        explicit Hold(Pending& of)
            : RangeHold(of.io.op == block::IoOp::read ? Touch::read : Touch::write, of.io.lba, of.io.blocks),
              pending(of) {}
        void on_granted() override { pending.mirror.granted(pending); }
        Pending& pending;
    };
    struct Want final : Intent {
        explicit Want(Pending& of) : pending(of) {}
        void on_durable() override {
            pending.intended = true;
            pending.mirror.proceed(pending);
        }
        Pending& pending;
    };

    Pending(MirrorDevice& of, block::IoRequest& request) : mirror(of), io(request) {}

    MirrorDevice& mirror;
    block::IoRequest& io;
    Hold hold{*this};
    Want want{*this};
    bool holds = false;
    bool whole_regions = false;  // it holds all of the regions that it touches
    bool intended = false;       // they are dirty, and all legs say so
    bool zeroing = false;        // what is on its way to the legs is not the request, but zeros for `region`
    bool sent = false;           // it is, or was, on its way
    std::uint64_t region = 0;
    std::uint64_t zeroed = 0;                      // regions that were zeroed end here
    std::size_t outstanding = 0;                   // parts on their way
    Legs good = 0;                                 // legs that have what was sent
    Legs bad = 0;                                  // read: legs that could not give it
    block::IoStatus status = block::IoStatus::ok;  // what the last leg that there is said
};

struct MirrorDevice::Part final : block::IoRequest {
    Part(Pending& of, std::size_t which) : pending(of), leg(which) {}
    Pending& pending;
    std::size_t leg;
};

// A request of the mirror's own to one leg.
struct MirrorDevice::OwnIo final : block::IoRequest {
    explicit OwnIo(const block::BlockDevice& leg)
        : memory(leg.scratch_bytes() / sizeof(std::max_align_t) + 1) {
        scratch = reinterpret_cast<std::byte*>(memory.data());
        done = [](block::IoRequest& request) {
            auto& self = static_cast<OwnIo&>(request);
            self.then(self.status);
        };
    }
    std::vector<std::max_align_t> memory;
    std::function<void(block::IoStatus)> then;
};

}  // namespace weft::mirror
