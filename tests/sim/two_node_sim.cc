// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/two_node_sim.h"

#include <utility>

namespace weft::sim {

using block::IoOp;
using block::IoStatus;

void SimCounts::add(const SimCounts& other) {
    requests += other.requests;
    reissued += other.reissued;
    failed += other.failed;
    power_losses += other.power_losses;
    blocks_checked += other.blocks_checked;
    settled += other.settled;
    resent += other.resent;
    recoveries += other.recoveries;
    failovers += other.failovers;
    simulated_us += other.simulated_us;
    for (std::size_t i = 0; i < kFaults; ++i) faults.at(i) += other.faults.at(i);
}

TwoNodeSim::TwoNodeSim(std::uint64_t seed, Plant plant, bool echo)
    : seed_(seed), world_(seed), network_(world_) {
    world_.set_echo(echo);
    choose(plant);
    make_nodes();
}

TwoNodeSim::~TwoNodeSim() {
    // What was not stopped in order (something was wrong) ends as a killed process does.
    if (initiator_ != nullptr) initiator_node_->kill();
    for (const auto& target : targets_) {
        if (target->running()) target->kill();
    }
}

void TwoNodeSim::choose(Plant plant) {
    Random& random = world_.random();
    choices_.targets = random.chance(0.35) ? 2 : 1;
    choices_.paths = random.between(1, 2);
    choices_.qps = static_cast<std::uint32_t>(random.between(1, 3));
    choices_.slots = static_cast<std::uint32_t>(random.between(1, 16));
    choices_.faults = static_cast<std::uint32_t>(random.between(3, 12));
    // From a storm within milliseconds to minutes in which most of it heals in between.
    struct Pace {
        Duration think;
        Duration gap;
        Duration down;
        std::uint32_t steps;
    };
    static constexpr std::array<Pace, 4> kPaces{
        {{0us, 300us, 5ms, 300}, {500us, 5ms, 100ms, 500}, {20ms, 150ms, 1s, 200}, {150ms, 1s, 8s, 100}}};
    const Pace& pace = kPaces.at(random.below(kPaces.size()));
    choices_.think_max = pace.think;
    choices_.gap_max = pace.gap;
    choices_.down_max = pace.down;
    choices_.steps_max = pace.steps;
    // Half of the seeds have all faults, the others some: rare combinations are not drowned.
    choices_.allowed = static_cast<std::uint16_t>(
        random.chance(0.5) ? (1U << kFaults) - 1 : random.between(1, (1U << kFaults) - 1));
    choices_.fua = random.chance(0.5);
    DiskHabits& disk = choices_.disk;
    disk.block_size = random.chance(0.5) ? 512 : 4096;
    disk.blocks = random.between(32, 192);
    disk.volatile_cache = random.chance(0.75);
    disk.latency_max = random.chance(0.7) ? 300us : random.chance(0.7) ? 5ms : 60ms;
    disk.error_chance = random.chance(0.2) ? 0.003 : 0;
    disk.plant = plant;
    choices_.target.request_limit = static_cast<std::uint32_t>(random.between(4, 40));
    choices_.target.nexus_buffer_bytes = std::uint64_t{256 << 10U} << random.below(3);
    network_.retry_timeout = random.between(100ms, 2s);
    network_.delay_max = random.chance(0.7) ? 30us : 400us;
}

void TwoNodeSim::make_nodes() {
    Random& random = world_.random();
    initiator_options_.slots = choices_.slots;
    initiator_options_.epochs = &epochs_;
    for (std::size_t p = 0; p < choices_.paths; ++p)
        initiator_options_.addresses.push_back("i" + std::to_string(p));
    for (std::size_t t = 0; t < choices_.targets; ++t) {
        SimTargetOptions options;
        options.name = t == 0 ? "alpha" : "beta";
        options.disk = choices_.disk;
        options.settings = choices_.target;
        options.settings.port_id[0] = static_cast<std::byte>(t + 2);
        initiator::SessionOptions session;
        session.target = options.name;
        session.initiator_port[0] = std::byte{1};
        session.target_port = options.settings.port_id;
        for (std::size_t p = 0; p < choices_.paths; ++p) {
            options.addresses.push_back(options.name.substr(0, 1) + std::to_string(p));
            config::Path path;
            path.address = options.addresses.back();
            path.port = SimTarget::kPort;
            path.source = initiator_options_.addresses[p];
            path.qps = choices_.qps;
            session.paths.push_back(path);
        }
        session.timing.command_timeout = random.between(1s, 10s);
        session.timing.task_timeout = random.between(1s, 5s);
        session.timing.connect_timeout = 1s;
        session.timing.reconnect_max = 2s;
        initiator_options_.targets.push_back(session);
        targets_.push_back(std::make_unique<SimTarget>(world_, network_, options));
    }
    oracle_ = std::make_unique<Oracle>(choices_.disk.blocks * choices_.targets, choices_.disk.block_size);
    requests_.resize(choices_.slots);
    for (std::size_t slot = 0; slot < choices_.slots; ++slot) requests_[slot].slot = slot;
    views_.resize(choices_.slots);
    flush_times_.resize(choices_.slots);
    flush_known_.resize(choices_.slots);
    results_.resize(choices_.slots);
}

void TwoNodeSim::check(bool condition, const std::string& what) {
    if (!condition) oracle_->complain(what);
}

// Runs until `done`; not reached within `limit` of simulated time is a hang.
bool TwoNodeSim::until(const std::function<bool()>& done, Duration limit, const std::string& what) {
    const bool reached = world_.run_until([&] { return wrong() || done(); }, limit);
    check(reached, what + " within " + std::to_string(limit / 1s) + " s");
    return !wrong();
}

std::uint64_t TwoNodeSim::errors_injected() const {
    std::uint64_t sum = 0;
    for (const auto& target : targets_) sum += target->medium().errors_injected;
    return sum;
}

std::string TwoNodeSim::run() {
    for (const auto& target : targets_) target->start();
    start_initiator();
    // Half of the seeds let it come up in peace; in the others the logins have their faults too.
    if (world_.random().chance(0.5)) until([this] { return initiator_ready_; }, 30s, "no volume");
    for (std::size_t slot = 0; slot < requests_.size(); ++slot) schedule(slot);
    if (!wrong()) run_faults();
    if (!wrong()) settle_down();
    if (!wrong()) sweep();
    if (!wrong()) close();
    check(network_.rnr_stalls == 0, "a receive queue was found empty");
    counts_.blocks_checked = oracle_->blocks_checked;
    counts_.simulated_us = static_cast<std::uint64_t>(world_.now().time_since_epoch() / 1us);
    return oracle_->complaint();
}

void TwoNodeSim::run_faults() {
    Random& random = world_.random();
    for (std::uint32_t i = 0; i < choices_.faults && !wrong(); ++i) {
        if (random.chance(0.6)) {
            for (std::uint64_t steps = random.below(choices_.steps_max); steps > 0 && !wrong(); --steps)
                (void)world_.step();
        } else {
            const Instant end = world_.now() + random.between(Duration{0}, choices_.gap_max);
            while (world_.now() < end && !wrong()) (void)world_.step();
        }
        inject();
    }
}

// After the last fault: work goes on, ends, and every connection is there again.
void TwoNodeSim::settle_down() {
    heal_everything();
    const Instant end = world_.now() + choices_.gap_max;
    while (world_.now() < end && !wrong()) (void)world_.step();
    stopping_ = true;
    if (!until([this] { return initiator_ready_; }, 60s, "no volume again")) return;
    if (!until([this] { return idle(); }, 60s, "requests do not complete")) return;
    until([this] { return initiator_->all_channels_live(); }, 30s, "not every connection is live again");
}

// Reads all there is, through the front door.
void TwoNodeSim::sweep() {
    const std::uint64_t blocks = choices_.disk.blocks * choices_.targets;
    for (std::uint64_t lba = 0; lba < blocks && !wrong(); lba += 32) {
        AppRequest read;
        read.lba = lba;
        read.blocks = std::min<std::uint64_t>(32, blocks - lba);
        check(run_one(read) == IoStatus::ok, "the last read failed");
    }
    AppRequest flush;
    flush.op = IoOp::flush;
    // The first may tell of a lost cache.
    if (!wrong() && counts_.power_losses > 0) (void)run_one(flush);
    if (!wrong()) check(run_one(flush) == IoStatus::ok, "the last flush failed");
}

// An orderly stop; then the power goes, and what was flushed must be there.
void TwoNodeSim::close() {
    collect();
    bool stopped = false;
    world_.after(Duration{0}, initiator_node_, [&] { initiator_->stop([&] { stopped = true; }); });
    if (!until([&] { return stopped; }, 60s, "the initiator does not stop")) return;
    initiator_ = nullptr;
    initiator_node_->release_kept();
    for (std::size_t t = 0; t < targets_.size(); ++t) {
        SimTarget& target = *targets_[t];
        auto over = std::make_shared<bool>(false);
        world_.after(Duration{0}, &target.process().node(),
                     [over, process = &target.process()] { process->stop([over] { *over = true; }); });
        if (!until([over] { return *over; }, 60s, "a target does not stop")) return;
        target.leave();
        const std::uint64_t first = t * choices_.disk.blocks;
        oracle_->power_off(first, choices_.disk.blocks);
        for (std::uint64_t i = 0; i < choices_.disk.blocks; ++i)
            oracle_->check_medium(first + i, target.medium().block(i));
    }
}

std::string TwoNodeSim::report() const {
    std::string text = world_.recent();
    text += "seed " + std::to_string(seed_) + ": " + std::to_string(choices_.targets) + " targets, " +
            std::to_string(choices_.paths) + " paths of " + std::to_string(choices_.qps) + ", " +
            std::to_string(choices_.slots) + " slots, " + std::to_string(choices_.disk.blocks) +
            " blocks of " + std::to_string(choices_.disk.block_size) +
            (choices_.disk.volatile_cache ? ", cache" : ", no cache") + ", request limit " +
            std::to_string(choices_.target.request_limit) + ", buffers " +
            std::to_string(choices_.target.nexus_buffer_bytes) + ", faults " +
            std::to_string(choices_.allowed) + "\n";
    if (initiator_ != nullptr) text += initiator_->describe();
    for (const AppRequest& request : requests_) {
        if (request.busy) text += "not completed: " + describe(request) + "\n";
    }
    return text;
}

}  // namespace weft::sim
