// SPDX-License-Identifier: Apache-2.0
// One reactor with what belongs to it (regions, ring, fabric), on a thread of its own.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "common/control/message.h"
#include "common/core/region.h"
#include "common/core/result.h"
#include "common/reactor/reactor.h"
#include "common/uring/ring.h"
#include "common/verbs/fabric.h"

namespace weft::daemon {

// Owner: the daemon's assembly. Thread: start(), stop() and destruction on the control thread; call() on any
// but its own.
class ReactorThread {
  public:
    struct Options {
        reactor::Options reactor;
        unsigned ring_entries = 1024;
        bool rdma = true;             // make a fabric
        std::function<void()> first;  // runs on the thread before all else; may change its credentials
    };
    // Returns when the reactor runs. The fabric is made on the thread, after `first`: RDMA/CM serves only
    // threads with the very credentials that opened it.
    [[nodiscard]] static Result<std::unique_ptr<ReactorThread>> start(const Options& options);
    ReactorThread(const ReactorThread&) = delete;
    ReactorThread& operator=(const ReactorThread&) = delete;
    ~ReactorThread();  // stops; REQUIRES: whoever used the reactor is gone

    void stop();
    // Runs `call` on the reactor and waits for it.
    void call(const std::function<void()>& call) { reactor_.run_and_wait(call); }

    [[nodiscard]] reactor::Reactor& reactor() { return reactor_; }
    [[nodiscard]] uring::Ring& ring() { return *ring_; }
    [[nodiscard]] RegionDirectory& regions() { return *regions_; }
    [[nodiscard]] rdma::Fabric& fabric() { return *fabric_; }  // REQUIRES: Options::rdma
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] control::Json status() const;  // docs/status-json.md, reactors[]; any thread

  private:
    ReactorThread(const Options& options, std::unique_ptr<RegionDirectory> regions,
                  std::unique_ptr<uring::Ring> ring);

    void main(const std::function<void()>& first, bool rdma, std::promise<Result<void>>& ready);

    std::string name_;
    // Destroyed in reverse order: fabric, reactor, ring, regions.
    std::unique_ptr<RegionDirectory> regions_;
    std::unique_ptr<uring::Ring> ring_;
    reactor::Reactor reactor_;
    std::unique_ptr<verbs::Fabric> fabric_;
    std::thread thread_;
};

}  // namespace weft::daemon
