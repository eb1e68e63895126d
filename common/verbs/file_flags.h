// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>

#include <cerrno>

#include "common/core/result.h"

namespace weft::verbs {

// The descriptors that rdma-core opens block; a reactor's must not.
[[nodiscard]] inline Result<void> set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return fail_errno("cannot make an RDMA event descriptor non-blocking", errno);
    }
    return {};
}

}  // namespace weft::verbs
