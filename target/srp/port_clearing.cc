// SPDX-License-Identifier: Apache-2.0
// CLEAR TASK SET and LUN RESET: what they do to the nexuses of a port that did not ask for it, on every
// reactor. A LUN names the same unit to every initiator.
#include <utility>

#include "target/srp/channel.h"
#include "target/srp/nexus.h"
#include "target/srp/port.h"

namespace weft::target {

namespace {

bool is_of(const Command& command, std::uint32_t number, std::uint64_t sequence) {
    return command.sequence() <= sequence && LunMap::number_of(command.lun()) == number;
}

}  // namespace

void Port::withdraw_unit(std::uint32_t number, std::uint64_t sequence, Attention why, const Nexus* asker) {
    for_each_nexus([&](Nexus& nexus) {
        if (&nexus == asker) return;
        nexus.for_each_channel([&](Channel& channel) {
            channel.for_each_command([&](Command& command) {
                if (is_of(command, number, sequence)) command.withdraw(Withdrawal::reported);
            });
        });
        if (auto* entry = nexus.luns().find(number)) entry->rights.raise(why);
    });
}

bool Port::is_clear(std::uint32_t number, std::uint64_t sequence) {
    bool clear = true;
    for_each_nexus([&](Nexus& nexus) {
        nexus.for_each_channel([&](Channel& channel) {
            channel.for_each_command(
                [&](const Command& command) { clear = clear && !is_of(command, number, sequence); });
        });
    });
    return clear;
}

// The asking port is there until it has every answer (check_stopped).
std::size_t Port::clear_elsewhere(std::uint64_t function, std::uint32_t number, Attention why) {
    const std::size_t others = group_.tell_others(*this, [this, function, number, why](Port& other) {
        other.clear_for_another(number, why, [this, function] {
            executor_.post([this, function] { on_cleared_elsewhere(function); });
        });
    });
    answers_due_ += others;
    return others;
}

void Port::clear_for_another(std::uint32_t number, Attention why, std::function<void()> done) {
    const std::uint64_t sequence = next_sequence();
    withdraw_unit(number, sequence, why, nullptr);
    clearings_.push_back({.number = number, .sequence = sequence, .done = std::move(done)});
    on_function_started();
    end_clearings();
}

void Port::end_clearings() {
    std::erase_if(clearings_, [this](const Clearing& clearing) {
        if (!is_clear(clearing.number, clearing.sequence)) return false;
        on_function_ended();
        clearing.done();
        return true;
    });
}

// The function may have been given up with its channel.
void Port::on_cleared_elsewhere(std::uint64_t function) {
    WEFT_CHECK(answers_due_ > 0);
    --answers_due_;
    for_each_nexus([&](Nexus& nexus) {
        nexus.for_each_channel([&](Channel& channel) { channel.on_cleared_elsewhere(function); });
    });
    on_nexus_idle();
}

}  // namespace weft::target
