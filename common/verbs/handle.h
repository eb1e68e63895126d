// SPDX-License-Identifier: Apache-2.0
// Owners of verbs objects: one pointer each. A class that holds several declares them in the order PD, CQ, QP
// (destruction runs backwards) and deletes its moves, because a move assignment would destroy in
// declaration order.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <memory>

#include "common/core/check.h"

namespace weft::verbs {

// Destroys a verbs object and insists that it worked: EBUSY means something still refers to it, so an owner
// is declared in the wrong order.
template <auto Destroy>
struct Destroyer {
    template <class T>
    void operator()(T* object) const noexcept {
        if (Destroy(object) != 0) WEFT_UNREACHABLE("a verbs object is destroyed while still in use");
    }
};

struct EventChannelDestroyer {
    void operator()(rdma_event_channel* channel) const noexcept { rdma_destroy_event_channel(channel); }
};

// Not insisted upon: the kernel has ended the identity itself when its device was removed.
// REQUIRES: every event of the identity was acknowledged, else it waits for ever.
struct CmIdDestroyer {
    void operator()(rdma_cm_id* id) const noexcept { static_cast<void>(rdma_destroy_id(id)); }
};

using DeviceContext = std::unique_ptr<ibv_context, Destroyer<&ibv_close_device>>;
using ProtectionDomain = std::unique_ptr<ibv_pd, Destroyer<&ibv_dealloc_pd>>;
using CompletionChannel = std::unique_ptr<ibv_comp_channel, Destroyer<&ibv_destroy_comp_channel>>;
using CompletionQueueHandle = std::unique_ptr<ibv_cq, Destroyer<&ibv_destroy_cq>>;
using QueuePairHandle = std::unique_ptr<ibv_qp, Destroyer<&ibv_destroy_qp>>;
using MemoryRegion = std::unique_ptr<ibv_mr, Destroyer<&ibv_dereg_mr>>;
using EventChannelHandle = std::unique_ptr<rdma_event_channel, EventChannelDestroyer>;
using CmId = std::unique_ptr<rdma_cm_id, CmIdDestroyer>;

}  // namespace weft::verbs
