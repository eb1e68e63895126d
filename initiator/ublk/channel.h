// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "common/core/result.h"
#include "common/core/unique_fd.h"
#include "common/uring/ring.h"
#include "initiator/ublk/queue.h"

namespace weft::ublk {

// Gives the queue's port to an open /dev/ublkcN. Called on the reactor.
using QueuePortMaker = std::function<std::unique_ptr<QueuePort>(int fd)>;
// The real one: commands through the reactor's ring. `ring` outlives the ports.
[[nodiscard]] QueuePortMaker ports_on(uring::Ring& ring);

// /dev/ublkcN, open (the driver lets one process in at a time) with queue 0's descriptors mapped.
// Thread: open() and destruction on any; port() on the reactor.
// REQUIRES: nothing issued is under way when it is destroyed.
class Channel {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Channel>> open(const std::string& path, std::uint16_t depth);
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();

    void connect(const QueuePortMaker& ports) { port_ = ports(fd_.get()); }
    void disconnect() { port_.reset(); }  // on the reactor, before destruction
    [[nodiscard]] QueuePort& port() { return *port_; }
    [[nodiscard]] std::span<const abi::IoDescriptor> descriptors() const { return {descriptors_, depth_}; }

  private:
    Channel(UniqueFd fd, const abi::IoDescriptor* descriptors, std::uint16_t depth)
        : fd_(std::move(fd)), descriptors_(descriptors), depth_(depth) {}

    UniqueFd fd_;
    const abi::IoDescriptor* descriptors_;
    std::uint16_t depth_;
    std::unique_ptr<QueuePort> port_;
};

}  // namespace weft::ublk
