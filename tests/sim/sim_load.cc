// SPDX-License-Identifier: Apache-2.0
// The application of the scenario: its requests, their completions, and their life beyond a process.
#include <algorithm>

#include "tests/sim/two_node_sim.h"

namespace weft::sim {

using block::IoOp;
using block::IoStatus;

std::string TwoNodeSim::describe(const AppRequest& request) {
    static constexpr std::array<const char*, 5> kNames{"read", "write", "flush", "discard", "write_zeroes"};
    std::string text = "slot " + std::to_string(request.slot) + " " +
                       kNames.at(static_cast<std::size_t>(request.op)) + " " + std::to_string(request.lba) +
                       "+" + std::to_string(request.blocks);
    if (request.op == IoOp::write) text += " #" + std::to_string(request.stamp);
    return text + (request.fua ? " fua" : "");
}

bool TwoNodeSim::idle() const {
    return std::none_of(requests_.begin(), requests_.end(), [](const auto& each) { return each.busy; });
}

void TwoNodeSim::digest(std::uint64_t value) { counts_.digest = (counts_.digest ^ value) * 0x100000001B3; }

void TwoNodeSim::schedule(std::size_t slot) {
    world_.after(world_.random().between(Duration{0}, choices_.think_max), nullptr,
                 [this, slot] { next(slot); });
}

void TwoNodeSim::next(std::size_t slot) {
    AppRequest& request = requests_[slot];
    if (stopping_ || request.busy) return;
    choose_request(request);
    begin(request);
    dispatch(slot);
}

void TwoNodeSim::choose_request(AppRequest& request) {
    Random& random = world_.random();
    const std::uint64_t blocks = choices_.disk.blocks * choices_.targets;
    const std::uint64_t most =
        std::min<std::uint64_t>(initiator_options_.slot_bytes / choices_.disk.block_size, blocks);
    const std::uint64_t kind = random.below(100);
    request.op = kind < 45   ? IoOp::write
                 : kind < 80 ? IoOp::read
                 : kind < 88 ? IoOp::flush
                 : kind < 94 ? IoOp::discard
                             : IoOp::write_zeroes;
    request.fua = choices_.fua && (request.op == IoOp::write || request.op == IoOp::write_zeroes) &&
                  random.chance(0.15);
    request.stamp = request.op == IoOp::write ? next_stamp_++ : 0;
    request.lba = request.blocks = 0;
    if (request.op == IoOp::flush) return;
    for (int attempt = 0; attempt < 4; ++attempt) {
        request.blocks = random.chance(0.1) ? random.between(1, most)
                                            : random.between(1, std::min<std::uint64_t>(most, 16));
        request.lba = random.below(blocks - request.blocks + 1);
        if (request.op == IoOp::read || !oracle_->write_in_flight(request.lba, request.blocks)) return;
    }
    request.op = IoOp::read;  // no room for a write at the moment
    request.fua = false;
}

void TwoNodeSim::begin(AppRequest& request) {
    request.busy = true;
    ++counts_.requests;
    if (request.op == IoOp::read)
        oracle_->read_started(views_[request.slot], request.lba, request.blocks);
    else if (request.op == IoOp::flush)
        flush_times_[request.slot] = flush_known_[request.slot] = oracle_->flush_started();
    else
        oracle_->write_started(request.lba, request.blocks, request.stamp);
    world_.trace(describe(request));
}

// Hands it to the process that runs now, in a turn of its own; if that dies first, reissue() does it.
void TwoNodeSim::dispatch(std::size_t slot) {
    if (!initiator_ready_) return;
    world_.after(Duration{0}, initiator_node_, [this, slot, process = initiator_] {
        const AppRequest& request = requests_[slot];
        if (request.op == IoOp::write)
            oracle_->fill(process->buffer(slot), request.lba, request.blocks, request.stamp);
        process->submit(request);
    });
}

// What the dead process had not answered.
void TwoNodeSim::reissue() {
    for (std::size_t slot = 0; slot < requests_.size(); ++slot) {
        AppRequest& request = requests_[slot];
        if (!request.busy) continue;
        ++counts_.reissued;
        if (request.op == IoOp::read) {
            oracle_->read_abandoned(views_[slot]);
            oracle_->read_started(views_[slot], request.lba, request.blocks);
        }
        // The new process cannot know that it is an old one: if it fails, it tells of everything up to now.
        flush_known_[slot] = oracle_->flush_started();
        world_.trace("again: " + describe(request));
        dispatch(slot);
    }
}

void TwoNodeSim::on_done(std::size_t slot, IoStatus status) {
    AppRequest& request = requests_[slot];
    world_.trace("done: " + describe(request) + ": " + std::string(block::to_string(status)));
    check(request.busy, "a request completed twice: " + describe(request));
    if (wrong()) return;
    request.busy = false;
    digest(static_cast<std::uint64_t>(world_.now().time_since_epoch().count()));
    digest(slot << 8U | static_cast<std::uint64_t>(status));
    const bool ok = status == IoStatus::ok;
    // A flush may also tell of a lost cache.
    const bool told = request.op == IoOp::flush && status == IoStatus::io_error && counts_.power_losses > 0;
    if (!ok && !told && ++counts_.failed > errors_injected())
        check(false,
              describe(request) + ": " + std::string(block::to_string(status)) + ", yet no disk failed");
    results_[slot] = status;
    if (request.op == IoOp::read) {
        if (ok)
            oracle_->read_ended(views_[slot], initiator_->buffer(slot));
        else
            oracle_->read_abandoned(views_[slot]);
    } else if (request.op == IoOp::flush) {
        if (ok)
            oracle_->flush_ended(flush_times_[slot]);
        else
            oracle_->flush_failed(flush_known_[slot]);
    } else {
        oracle_->write_ended(request.lba, request.blocks, ok, request.fua || !choices_.disk.volatile_cache);
    }
    schedule(slot);
}

// One request from beginning to end, while nothing else is under way.
IoStatus TwoNodeSim::run_one(const AppRequest& request) {
    AppRequest& mine = requests_[request.slot];
    mine = request;
    begin(mine);
    dispatch(request.slot);
    until([&] { return !mine.busy; }, 60s, "a request alone does not complete");
    return results_[request.slot];
}

}  // namespace weft::sim
