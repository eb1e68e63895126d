// SPDX-License-Identifier: Apache-2.0
// A compute node: weft's initiator in one process after another, and above it what does not die with it: the
// application's requests. A new process is given again whatever the last one had not answered, as ublk does
// it (USER_RECOVERY_REISSUE): a request may be executed more than once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/block/linear_device.h"
#include "common/core/slab.h"
#include "initiator/srp/remote_device.h"
#include "initiator/srp/session.h"
#include "tests/sim/sim_fabric.h"

namespace weft::sim {

struct SimInitiatorOptions {
    std::vector<std::string> addresses;
    std::vector<initiator::SessionOptions> targets;  // a leg each, in order
    std::size_t slots = 8;
    std::size_t slot_bytes = std::size_t{128} << 10U;
    // What processes leave to the next one: each leg's epoch. Owner: the scenario.
    std::vector<Uuid>* epochs = nullptr;
};

// What the application asks for. Owner: the scenario.
struct AppRequest {
    std::size_t slot = 0;
    block::IoOp op = block::IoOp::read;
    bool fua = false;
    std::uint64_t lba = 0;
    std::uint64_t blocks = 0;
    std::uint64_t stamp = 0;
    bool busy = false;
};

// One process. Owner: its node.
class InitiatorProcess {
  public:
    using Done = std::function<void(std::size_t slot, block::IoStatus status)>;

    InitiatorProcess(Network& network, Node& node, const SimInitiatorOptions& options, Done done);
    ~InitiatorProcess();

    // Logs in, finds the units, puts the tree together; `ready` runs once, later, "" or what went wrong.
    void start(std::function<void(const std::string& problem)> ready);
    // Everything in order: REQUIRES: ready, nothing in flight. `done` runs when the sessions have ended.
    void stop(std::function<void()> done);

    [[nodiscard]] bool ready() const { return root_ != nullptr; }
    [[nodiscard]] block::BlockDevice& root() { return *root_; }
    [[nodiscard]] initiator::Session& session(std::size_t leg) { return *sessions_[leg]; }
    [[nodiscard]] std::size_t legs() const { return sessions_.size(); }
    [[nodiscard]] bool all_channels_live() const;
    [[nodiscard]] std::string describe() const;  // what waits, for a failure's report

    // REQUIRES: ready, the slot is free; a write's data is in buffer(slot).
    void submit(const AppRequest& request);
    [[nodiscard]] std::byte* buffer(std::size_t slot) { return slab_.data() + slot * options_.slot_bytes; }

  private:
    struct alignas(16) Unit {
        std::byte bytes[16];
    };
    struct Slot : block::IoRequest {
        InitiatorProcess* process = nullptr;
        std::size_t index = 0;
        std::vector<Unit> room;
    };
    void find_next();
    void assemble();

    Node& node_;
    const SimInitiatorOptions& options_;
    const Done done_;
    std::function<void(const std::string&)> ready_;
    SimFabric fabric_;
    RegionDirectory regions_;
    Slab slab_;
    RegionId region_ = kNoRegion;
    std::vector<std::unique_ptr<initiator::Session>> sessions_;
    std::vector<std::unique_ptr<initiator::RemoteDevice>> legs_;
    std::unique_ptr<block::LinearDevice> root_;
    std::vector<std::unique_ptr<Slot>> slots_;
    bool inside_submit_ = false;
};

}  // namespace weft::sim
