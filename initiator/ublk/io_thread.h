// SPDX-License-Identifier: Apache-2.0
// What the thread that serves a disk must be. Each applies to the calling thread only.
#pragma once

#include "common/core/result.h"

namespace weft::ublk {

// Takes CAP_SYS_ADMIN out of the thread's effective set (it stays permitted). START_DEV on kernels that read
// partition tables under a lock does not do so for a device whose tags were fetched without this capability:
// a hung volume then cannot lock up ublk for the whole machine. What the thread keeps: CAP_IPC_LOCK for
// registering memory, CAP_NET_RAW and whatever else it had. It can no longer mount, or use USER_COPY.
[[nodiscard]] Result<void> drop_sys_admin();

// Tells memory reclaim that this thread writes back for others: its own allocations then never wait for the
// very disk it serves. Needs CAP_SYS_RESOURCE.
[[nodiscard]] Result<void> set_io_flusher();

}  // namespace weft::ublk
