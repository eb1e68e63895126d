// SPDX-License-Identifier: Apache-2.0
#include "common/daemon/reactor_thread.h"

#include <utility>

namespace weft::daemon {

Result<std::unique_ptr<ReactorThread>> ReactorThread::start(const Options& options) {
    auto regions = std::make_unique<RegionDirectory>();
    auto ring = uring::Ring::create(options.ring_entries, regions.get());
    if (!ring) return Failure(ring.error());
    auto made =
        std::unique_ptr<ReactorThread>(new ReactorThread(options, std::move(regions), std::move(*ring)));
    std::promise<Result<void>> promise;
    auto ready = promise.get_future();
    made->thread_ = std::thread(
        [&promise, &options, thread = made.get()] { thread->main(options.first, options.rdma, promise); });
    const Result<void> started = ready.get();
    if (!started) return Failure(started.error());
    return made;
}

ReactorThread::ReactorThread(const Options& options, std::unique_ptr<RegionDirectory> regions,
                             std::unique_ptr<uring::Ring> ring)
    : name_(options.reactor.name),
      regions_(std::move(regions)),
      ring_(std::move(ring)),
      reactor_(options.reactor, *ring_) {}

void ReactorThread::main(const std::function<void()>& first, bool rdma, std::promise<Result<void>>& ready) {
    if (first) first();
    if (rdma) {
        auto fabric = verbs::Fabric::create(reactor_, *ring_);
        if (!fabric) {
            ready.set_value(Failure(fabric.error()));
            return;
        }
        fabric_ = std::move(*fabric);
        reactor_.add(fabric_->poller());
    }
    reactor_.post([&ready] { ready.set_value({}); });
    reactor_.run();
    // What RDMA/CM opened is closed by the same thread, with the same credentials.
    if (fabric_ != nullptr) reactor_.remove(fabric_->poller());
    fabric_.reset();
}

ReactorThread::~ReactorThread() { stop(); }

void ReactorThread::stop() {
    if (!thread_.joinable()) return;
    reactor_.stop();
    thread_.join();
}

control::Json ReactorThread::status() const {
    const auto& counters = reactor_.counters();
    return {{"name", name_},
            {"turns", counters.turns.load(std::memory_order_relaxed)},
            {"sleeps", counters.sleeps.load(std::memory_order_relaxed)},
            {"busy_ns", counters.busy_ns.load(std::memory_order_relaxed)}};
}

}  // namespace weft::daemon
