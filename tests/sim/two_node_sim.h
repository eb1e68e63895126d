// SPDX-License-Identifier: Apache-2.0
// The scenario: one compute node, one or two storage nodes under a linear volume, an application, and faults,
// all out of one seed. weft's own initiator and target, unchanged; the network, the disks and the time are
// simulated (fault models: sim_fabric.h, sim_disk.h).
//
// Faults, at any step: a wire cut one way or both ways and healed, one connection or all of a session
// dropped, a target killed and started again, powered off and on, the initiator killed and started again, a
// slow spell of a disk, failing blocks. What must hold: oracle.h; every request completes exactly once; no
// receive queue is ever found empty; an error needs a disk that made one; after the last fault everything
// completes and every connection is live again within a limited time; an orderly stop ends; what was flushed
// outlives the power.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/oracle.h"
#include "tests/sim/sim_initiator.h"
#include "tests/sim/sim_target.h"

namespace weft::sim {

enum class Fault : std::uint8_t {
    cut_one_way,
    cut_both_ways,
    heal,
    drop_channel,
    drop_session,
    kill_target,
    power_off_target,
    kill_initiator,
    slow_disk,
};
inline constexpr std::size_t kFaults = 9;
[[nodiscard]] std::string_view to_string(Fault fault);

// Plain numbers: they travel through a pipe.
struct SimCounts {
    std::uint64_t requests = 0;
    std::uint64_t reissued = 0;
    std::uint64_t failed = 0;  // by a disk's error
    std::uint64_t power_losses = 0;
    std::uint64_t blocks_checked = 0;
    std::uint64_t settled = 0;  // by ABORT TASK, in the last initiator process
    std::uint64_t resent = 0;
    std::uint64_t recoveries = 0;
    std::uint64_t failovers = 0;
    std::uint64_t simulated_us = 0;
    std::uint64_t digest = 0xCBF29CE484222325;  // of the history: the same seed gives the same
    std::array<std::uint64_t, kFaults> faults{};

    void add(const SimCounts& other);
};

class TwoNodeSim {
  public:
    // `echo`: prints what happens as it happens.
    TwoNodeSim(std::uint64_t seed, Plant plant, bool echo = false);
    TwoNodeSim(const TwoNodeSim&) = delete;
    TwoNodeSim& operator=(const TwoNodeSim&) = delete;
    ~TwoNodeSim();

    // From beginning to end; returns what was wrong, "" if nothing was.
    [[nodiscard]] std::string run();
    // What led to it: the choices of the seed, who waits for what, the last events.
    [[nodiscard]] std::string report() const;
    [[nodiscard]] const SimCounts& counts() const { return counts_; }

  private:
    struct Choices {  // out of the seed
        std::size_t targets = 1;
        std::size_t paths = 1;
        std::uint32_t qps = 1;
        std::uint32_t slots = 8;
        std::uint32_t faults = 8;
        std::uint32_t steps_max = 400;  // between faults
        Duration think_max{0};
        Duration gap_max{0};  // between faults
        Duration down_max{0};
        std::uint16_t allowed = 0;  // faults, a bit each
        bool fua = false;
        DiskHabits disk;
        target::Settings target;
    };

    // two_node_sim.cc
    void choose(Plant plant);
    void make_nodes();
    [[nodiscard]] bool wrong() const { return !oracle_->complaint().empty(); }
    void check(bool condition, const std::string& what);
    bool until(const std::function<bool()>& done, Duration limit, const std::string& what);
    void run_faults();
    void settle_down();
    void sweep();
    void close();
    [[nodiscard]] std::uint64_t errors_injected() const;

    // sim_faults.cc
    void inject();
    void inject(Fault fault);
    void cut(bool both);
    void kill_target(bool power);
    void kill_initiator();
    void start_initiator();
    void heal_everything();
    void collect();

    // sim_load.cc
    void schedule(std::size_t slot);
    void next(std::size_t slot);
    void choose_request(AppRequest& request);
    void begin(AppRequest& request);
    void dispatch(std::size_t slot);
    void reissue();
    void on_done(std::size_t slot, block::IoStatus status);
    void digest(std::uint64_t value);
    block::IoStatus run_one(const AppRequest& request);
    [[nodiscard]] bool idle() const;
    [[nodiscard]] static std::string describe(const AppRequest& request);

    const std::uint64_t seed_;
    World world_;
    Network network_;
    Choices choices_;
    std::vector<std::unique_ptr<SimTarget>> targets_;
    SimInitiatorOptions initiator_options_;
    std::unique_ptr<Oracle> oracle_;
    Node* initiator_node_ = nullptr;
    InitiatorProcess* initiator_ = nullptr;
    bool initiator_ready_ = false;
    int initiator_lives_ = 0;

    std::vector<AppRequest> requests_;  // by slot
    std::vector<Oracle::ReadView> views_;
    std::vector<std::uint64_t> flush_times_;
    std::vector<std::uint64_t> flush_known_;  // the same, but of the process that has it
    std::vector<block::IoStatus> results_;
    Stamp next_stamp_ = 1;
    bool stopping_ = false;  // no new requests
    SimCounts counts_;
    std::vector<Uuid> epochs_;  // what initiator processes leave to the next one
};

}  // namespace weft::sim
