// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/process.h"

#include <linux/capability.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace weft::daemon {

namespace {

constexpr rlim_t kDescriptors = 65536;

bool raise_limit(int resource, rlim_t wanted) {
    rlimit limit{};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return false;
    if (limit.rlim_cur >= wanted) return true;
    rlimit raised = limit;
    raised.rlim_cur = wanted;
    raised.rlim_max = std::max(limit.rlim_max, wanted);
    if (::setrlimit(static_cast<__rlimit_resource>(resource), &raised) == 0) return true;
    raised.rlim_cur = limit.rlim_max;
    raised.rlim_max = limit.rlim_max;
    ::setrlimit(static_cast<__rlimit_resource>(resource), &raised);
    return false;
}

// CAP_IPC_LOCK lifts the limit on locked memory.
bool may_lock_without_limit() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
    return (sets[0].effective >> CAP_IPC_LOCK & 1U) != 0;
}

}  // namespace

Result<Signals> Signals::block() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGUSR1);
    if (const int rc = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); rc != 0)
        return fail_errno("cannot block signals", rc);
    UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC));
    if (!fd) return fail_errno("signalfd", errno);
    return Signals(std::move(fd));
}

int Signals::wait(int wake_fd) {
    std::array<pollfd, 2> polled{{{fd_.get(), POLLIN, 0}, {wake_fd, POLLIN, 0}}};
    for (;;) {
        const int ready = ::poll(polled.data(), wake_fd < 0 ? 1 : 2, -1);
        if (ready < 0) continue;  // EINTR
        if ((polled[0].revents & POLLIN) != 0) {
            signalfd_siginfo got{};
            if (::read(fd_.get(), &got, sizeof got) == static_cast<ssize_t>(sizeof got))
                return static_cast<int>(got.ssi_signo);
        }
        if (wake_fd >= 0 && polled[1].revents != 0) return 0;
    }
}

std::vector<std::string> harden() {
    std::vector<std::string> missing;
    ::signal(SIGPIPE, SIG_IGN);
    // A core dump would keep the ublk device and the queue pairs of a dead daemon busy while it is written.
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    raise_limit(RLIMIT_NOFILE, kDescriptors);
    raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
    if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        missing.emplace_back(
            "cannot lock the daemon's memory: under memory pressure it could wait for its own device; "
            "run it as root or with LimitMEMLOCK=infinity");
    return missing;
}

Result<void> check_privileges(const std::string& place, std::uint64_t bytes_locked) {
    if (::geteuid() != 0) return fail(place + ": not root: run it as root, or by its systemd unit", EPERM);
    raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
    rlimit limit{};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes_locked && !may_lock_without_limit()) {
        return fail(place + ": the limit of locked memory is " + std::to_string(limit.rlim_cur >> 10U) +
                    " KiB, this configuration needs " + std::to_string(bytes_locked >> 10U) +
                    " KiB: set LimitMEMLOCK=infinity in the unit, or `ulimit -l unlimited`");
    }
    return {};
}

void notify(const std::string& state) { ::sd_notify(0, state.c_str()); }

}  // namespace weft::daemon
