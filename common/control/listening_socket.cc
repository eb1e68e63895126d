// SPDX-License-Identifier: Apache-2.0
#include "common/control/listening_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace weft::control {

namespace {

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (!path.starts_with('/') || path.size() >= sizeof address.sun_path)
        return fail(fmt::format("control socket {}: the path must be absolute and shorter than {} bytes",
                                path, sizeof address.sun_path),
                    EINVAL);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Result<UniqueFd> take_lock(const std::string& path) {
    const std::string directory = path.substr(0, path.rfind('/'));
    if (!directory.empty() && ::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
        return fail_errno("cannot make the directory " + directory + " of the control socket", errno);
    const std::string name = path + ".lock";
    UniqueFd lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock) return fail_errno("cannot open " + name, errno);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK) return fail_errno("cannot lock " + name, errno);
    return fail(
        fmt::format("already running: another daemon serves {}; stop it, or give this one another control "
                    "socket",
                    path),
        EADDRINUSE);
}

// Removes what a dead daemon left. The lock is ours, so a socket that still answers is no weft's.
Result<bool> clear_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0)
        return errno == ENOENT ? Result<bool>(true) : fail_errno(path, errno);
    if (!S_ISSOCK(status.st_mode))
        return fail(fmt::format("{} exists and is no socket; move it away", path), EEXIST);
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return fail_errno("socket", errno);
    // EAGAIN: its queue is full, so somebody listens.
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN)
        return fail(fmt::format("already running: somebody answers on {}; stop it first", path), EADDRINUSE);
    if (::unlink(path.c_str()) != 0) return fail_errno("cannot remove the stale " + path, errno);
    return true;
}

}  // namespace

Result<ListeningSocket> ListeningSocket::create(const std::string& path) {
    const auto address = address_of(path);
    if (!address) return tl::make_unexpected(address.error());
    auto lock = take_lock(path);
    if (!lock) return tl::make_unexpected(lock.error());
    if (const auto cleared = clear_stale(path, *address); !cleared)
        return tl::make_unexpected(cleared.error());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("socket", errno);
    // The file inherits the mode of the socket's inode: never visible with a wider one, unlike chmod after
    // bind.
    if (::fchmod(fd.get(), 0600) != 0) return fail_errno("fchmod of the control socket", errno);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
        return fail_errno("cannot bind the control socket " + path, errno);
    ListeningSocket socket(std::move(*lock), std::move(fd),
                           path);  // from here on the file is removed on failure
    if (::listen(socket.fd(), 64) != 0) return fail_errno("cannot listen on " + path, errno);
    return socket;
}

ListeningSocket::~ListeningSocket() {
    if (fd_) ::unlink(path_.c_str());
}

}  // namespace weft::control
