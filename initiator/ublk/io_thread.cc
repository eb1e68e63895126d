// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/io_thread.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace weft::ublk {

Result<void> drop_sys_admin() {
    // The plain system calls: libcap's may be made to act on all threads of the process.
    __user_cap_header_struct header{};
    header.version = _LINUX_CAPABILITY_VERSION_3;
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, sets) != 0)
        return fail_errno("cannot read the thread's capabilities", errno);
    auto& effective = sets[CAP_SYS_ADMIN / 32].effective;
    const std::uint32_t mask = 1U << (CAP_SYS_ADMIN % 32);
    if ((effective & mask) == 0) return {};  // setting the same would make new credentials all the same
    effective &= ~mask;
    if (::syscall(SYS_capset, &header, sets) != 0)
        return fail_errno("cannot drop CAP_SYS_ADMIN in an I/O thread", errno);
    return {};
}

Result<void> set_io_flusher() {
    if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0)
        return fail_errno("cannot mark an I/O thread as IO_FLUSHER (needs CAP_SYS_RESOURCE)", errno);
    return {};
}

}  // namespace weft::ublk
