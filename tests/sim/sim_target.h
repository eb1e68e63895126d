// SPDX-License-Identifier: Apache-2.0
// A storage node: weft's target on a simulated disk, in one process after another on the same medium.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/lun/logical_unit.h"
#include "target/srp/port.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_fabric.h"

namespace weft::sim {

struct SimTargetOptions {
    std::string name;
    std::vector<std::string> addresses;
    DiskHabits disk;
    target::Settings settings;
};

// One process. Owner: its node. Its medium outlives it.
class TargetProcess final : private target::Exports {
  public:
    TargetProcess(Network& network, Node& node, SimMedium& medium, const SimTargetOptions& options);

    [[nodiscard]] Node& node() { return fabric_.node(); }
    void stop(std::function<void()> done);

  private:
    std::vector<target::Export> visible_to(const srp::PortId&) override {
        return {{.number = 0, .unit = &unit_}};
    }

    RegionDirectory regions_;
    SimFabric fabric_;
    SimDisk disk_;
    lun::LogicalUnit unit_;
    target::PortGroup group_;
    target::Port port_;
    std::unique_ptr<rdma::Listener> listener_;
};

// The machine. Owner: the scenario.
class SimTarget {
  public:
    static constexpr std::uint16_t kPort = 5555;

    SimTarget(World& world, Network& network, SimTargetOptions options);

    void start();  // REQUIRES: !running()
    void kill();   // REQUIRES: running()
    // Silence: nobody is told. The wires are connected again by start().
    void power_off();  // REQUIRES: running()
    // The end of a process that was stopped, then of the power. REQUIRES: its stop() is done
    void leave();

    [[nodiscard]] bool running() const { return process_ != nullptr; }
    [[nodiscard]] TargetProcess& process() { return *process_; }
    [[nodiscard]] SimMedium& medium() { return medium_; }
    [[nodiscard]] const SimTargetOptions& options() const { return options_; }

  private:
    World& world_;
    Network& network_;
    const SimTargetOptions options_;
    SimMedium medium_;
    Node* node_ = nullptr;
    TargetProcess* process_ = nullptr;
    bool powered_ = true;
    int lives_ = 0;
};

}  // namespace weft::sim
