// SPDX-License-Identifier: Apache-2.0
// What goes wrong in the scenario.
#include "tests/sim/two_node_sim.h"

namespace weft::sim {

std::string_view to_string(Fault fault) {
    switch (fault) {
        case Fault::cut_one_way: return "cut one way";
        case Fault::cut_both_ways: return "cut both ways";
        case Fault::heal: return "heal";
        case Fault::drop_channel: return "drop channel";
        case Fault::drop_session: return "drop session";
        case Fault::kill_target: return "kill target";
        case Fault::power_off_target: return "power off target";
        case Fault::kill_initiator: return "kill initiator";
        case Fault::slow_disk: return "slow disk";
    }
    WEFT_UNREACHABLE("Fault");
}

void TwoNodeSim::inject() {
    for (int attempt = 0; attempt < 8; ++attempt) {
        const std::uint64_t which = world_.random().below(kFaults);
        if ((choices_.allowed >> which & 1U) == 0) continue;
        inject(static_cast<Fault>(which));
        return;
    }
}

void TwoNodeSim::inject(Fault fault) {
    Random& random = world_.random();
    world_.trace("fault: " + std::string(to_string(fault)));
    ++counts_.faults.at(static_cast<std::size_t>(fault));
    switch (fault) {
        case Fault::cut_one_way: return cut(false);
        case Fault::cut_both_ways: return cut(true);
        case Fault::heal:
            for (std::size_t t = 0; t < targets_.size(); ++t) {
                for (std::size_t p = 0; p < choices_.paths; ++p) {
                    const std::string& from = initiator_options_.addresses[p];
                    const std::string& to = targets_[t]->options().addresses[p];
                    network_.heal(from, to);
                    network_.heal(to, from);
                }
            }
            return;
        case Fault::drop_channel:
            if (initiator_ != nullptr) {
                initiator::Session& session = initiator_->session(random.below(initiator_->legs()));
                (void)session.drop_channel(random.below(session.channels()));
            }
            return;
        case Fault::drop_session:
            if (initiator_ != nullptr) {
                initiator::Session& session = initiator_->session(random.below(initiator_->legs()));
                for (std::size_t i = 0; i < session.channels(); ++i) (void)session.drop_channel(i);
            }
            return;
        case Fault::kill_target: return kill_target(false);
        case Fault::power_off_target: return kill_target(true);
        case Fault::kill_initiator: return kill_initiator();
        case Fault::slow_disk: {
            SimMedium& medium = targets_[random.below(targets_.size())]->medium();
            const auto most = static_cast<std::uint64_t>(8s / choices_.disk.latency_max);  // 8 s a request
            medium.slowness = medium.slowness == 1 ? random.between(10, most) : 1;
            return;
        }
    }
}

void TwoNodeSim::cut(bool both) {
    Random& random = world_.random();
    const std::size_t path = random.below(choices_.paths);
    std::string from = initiator_options_.addresses[path];
    std::string to = targets_[random.below(targets_.size())]->options().addresses[path];
    if (random.chance(0.5)) std::swap(from, to);
    network_.cut(from, to);
    if (both) network_.cut(to, from);
    if (random.chance(0.7)) {
        world_.after(random.between(Duration{0}, choices_.down_max), nullptr, [this, from, to] {
            network_.heal(from, to);
            network_.heal(to, from);
        });
    }
}

void TwoNodeSim::kill_target(bool power) {
    Random& random = world_.random();
    const std::size_t index = random.below(targets_.size());
    SimTarget& target = *targets_[index];
    if (!target.running()) return;
    if (power) {
        target.power_off();
        ++counts_.power_losses;
        const std::uint64_t first = index * choices_.disk.blocks;
        oracle_->power_off(first, choices_.disk.blocks);
        for (std::uint64_t i = 0; i < choices_.disk.blocks; ++i)
            oracle_->note_content(first + i, target.medium().block(i));
    } else {
        target.kill();
    }
    world_.after(random.between(Duration{0}, choices_.down_max), nullptr, [&target] {
        if (!target.running()) target.start();
    });
}

void TwoNodeSim::kill_initiator() {
    if (initiator_ == nullptr) return;
    collect();
    initiator_ = nullptr;
    initiator_ready_ = false;
    initiator_node_->kill();
    world_.after(world_.random().between(Duration{0}, choices_.down_max), nullptr, [this] {
        if (initiator_ == nullptr) start_initiator();
    });
}

void TwoNodeSim::start_initiator() {
    const int life = ++initiator_lives_;
    initiator_node_ = &world_.add_node("initiator." + std::to_string(life));
    world_.trace(initiator_node_->name() + " starts");
    if (choices_.disk.plant == Plant::new_name) {
        for (auto& target : initiator_options_.targets)
            target.initiator_port[1] = static_cast<std::byte>(life);
    }
    initiator_ = &initiator_node_->keep(std::make_unique<InitiatorProcess>(
        network_, *initiator_node_, initiator_options_,
        [this](std::size_t slot, block::IoStatus status) { on_done(slot, status); }));
    world_.after(Duration{0}, initiator_node_, [this, process = initiator_] {
        process->start([this](const std::string& problem) {
            check(problem.empty(), "the initiator cannot start: " + problem);
            if (!problem.empty()) return;
            initiator_ready_ = true;
            world_.trace("the volume is there");
            reissue();
        });
    });
}

void TwoNodeSim::heal_everything() {
    world_.trace("all faults end");
    network_.heal_all();
    for (const auto& target : targets_) {
        target->medium().slowness = 1;
        target->medium().errors = false;
        if (!target->running()) target->start();
    }
    if (initiator_ == nullptr) start_initiator();
}

// What the process that is about to end has counted.
void TwoNodeSim::collect() {
    if (initiator_ == nullptr) return;
    for (std::size_t leg = 0; leg < initiator_->legs(); ++leg) {
        const auto counters = initiator_->session(leg).status().counters;
        counts_.settled += counters.settled;
        counts_.resent += counters.resent;
        counts_.recoveries += counters.recoveries;
        counts_.failovers += counters.failovers;
    }
}

}  // namespace weft::sim
