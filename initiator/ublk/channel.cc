// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace weft::ublk {

namespace {

class RingPort final : public QueuePort {
  public:
    // Not in the ring's table of files: before 6.13 an entry taken out is let go of only when all older
    // commands on such files have ended, and another volume's fetches may wait for ever. DEL_DEV would wait
    // for them.
    RingPort(uring::Ring& ring, int fd) : ring_(ring), file_{.fd = fd} {}

    void issue(uring::Operation& operation, std::uint32_t opcode, const abi::IoCommand& command) override {
        ring_.command(operation, file_, opcode, std::as_bytes(std::span(&command, 1)));
    }

  private:
    uring::Ring& ring_;
    uring::File file_;
};

// The driver maps exactly this many bytes of a queue.
std::size_t map_length(std::uint16_t depth) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (abi::descriptor_bytes(depth) + page - 1) / page * page;
}

}  // namespace

QueuePortMaker ports_on(uring::Ring& ring) {
    return [&ring](int fd) { return std::make_unique<RingPort>(ring, fd); };
}

Result<std::unique_ptr<Channel>> Channel::open(const std::string& path, std::uint16_t depth) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd) return fail_errno("cannot open " + path, errno);
    void* mapped = ::mmap(nullptr, map_length(depth), PROT_READ, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (mapped == MAP_FAILED) return fail_errno("cannot map the descriptors of " + path, errno);
    // A forked child must not keep the device from going.
    ::madvise(mapped, map_length(depth), MADV_DONTFORK);
    return std::unique_ptr<Channel>(
        new Channel(std::move(fd), static_cast<const abi::IoDescriptor*>(mapped), depth));
}

Channel::~Channel() {
    port_.reset();
    ::munmap(const_cast<abi::IoDescriptor*>(descriptors_), map_length(depth_));
}

}  // namespace weft::ublk
