// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_initiator.h"

#include <utility>

namespace weft::sim {

InitiatorProcess::InitiatorProcess(Network& network, Node& node, const SimInitiatorOptions& options,
                                   Done done)
    : node_(node), options_(options), done_(std::move(done)), fabric_(network, node, options.addresses) {
    slab_ = std::move(*Slab::allocate(options.slots * options.slot_bytes));
    region_ = regions_.add(slab_.data(), slab_.size());
    for (const auto& target : options.targets) {
        auto session = initiator::Session::create(node, fabric_, regions_, target);
        WEFT_CHECK(session.has_value());
        sessions_.push_back(std::move(*session));
    }
}

InitiatorProcess::~InitiatorProcess() {
    root_.reset();
    legs_.clear();
    sessions_.clear();
}

void InitiatorProcess::start(std::function<void(const std::string&)> ready) {
    ready_ = std::move(ready);
    for (const auto& session : sessions_) session->start();
    find_next();
}

void InitiatorProcess::find_next() {
    initiator::Session& session = *sessions_[legs_.size()];
    session.find_unit(initiator::UnitSelector{0U}, [this, &session](Result<initiator::RemoteUnit> unit) {
        if (!unit) {
            ready_(unit.error().what);
            return;
        }
        const std::size_t leg = legs_.size();
        std::vector<Uuid>& epochs = *options_.epochs;
        initiator::RemoteDeviceOptions device{.name = session.target()};
        if (leg < epochs.size())
            device.heritage = initiator::RemoteDeviceOptions::Heritage{epochs[leg]};
        else
            epochs.push_back(unit->epoch.id);
        device.on_epoch = [&epochs, leg](const Uuid& epoch) { epochs[leg] = epoch; };
        legs_.push_back(std::make_unique<initiator::RemoteDevice>(session, *unit, device));
        if (legs_.size() < sessions_.size())
            find_next();
        else
            assemble();
    });
}

void InitiatorProcess::assemble() {
    std::vector<block::BlockDevice*> legs;
    for (const auto& leg : legs_) legs.push_back(leg.get());
    auto root = block::LinearDevice::create(node_, std::move(legs));
    WEFT_CHECK(root.has_value());
    root_ = std::move(*root);
    for (std::size_t i = 0; i < options_.slots; ++i) {
        auto slot = std::make_unique<Slot>();
        slot->process = this;
        slot->index = i;
        slot->room.resize(root_->scratch_bytes() / sizeof(Unit) + 1);
        slot->scratch = slot->room.front().bytes;
        slot->done = [](block::IoRequest& io) {
            const auto& self = static_cast<Slot&>(io);
            WEFT_CHECK(!self.process->inside_submit_);
            self.process->done_(self.index, io.status);
        };
        slots_.push_back(std::move(slot));
    }
    ready_("");
}

void InitiatorProcess::submit(const AppRequest& request) {
    Slot& slot = *slots_[request.slot];
    slot.op = request.op;
    slot.fua = request.fua;
    slot.lba = request.lba;
    slot.blocks = request.blocks;
    slot.data = {};
    if (request.op == block::IoOp::read || request.op == block::IoOp::write) {
        const std::uint64_t bytes = request.blocks * root_->geometry().block_size;
        WEFT_CHECK(bytes <= options_.slot_bytes);
        slot.data = {buffer(request.slot), static_cast<std::uint32_t>(bytes), region_};
    }
    inside_submit_ = true;
    root_->submit(slot);
    inside_submit_ = false;
}

void InitiatorProcess::stop(std::function<void()> done) {
    auto left = std::make_shared<std::size_t>(sessions_.size());
    for (const auto& leg : legs_) leg->close();
    for (const auto& session : sessions_) {
        session->stop([left, done] {
            if (--*left == 0) done();
        });
    }
}

bool InitiatorProcess::all_channels_live() const {
    for (const auto& session : sessions_) {
        for (const auto& channel : session->status().channels) {
            if (channel.state != "live") return false;
        }
    }
    return true;
}

std::string InitiatorProcess::describe() const {
    std::string text;
    for (const auto& session : sessions_) {
        const auto status = session->status();
        text += status.target + ": " + status.state + ", " + std::to_string(status.in_flight) +
                " in flight; " + status.problem + "\n";
        for (const auto& channel : status.channels) {
            text += "  " + channel.path + ": " + channel.state + ", " + std::to_string(channel.in_flight) +
                    " in flight, " + std::to_string(channel.credits) + " credits; " + channel.problem + "\n";
        }
        for (const auto& wait : status.waits)
            text += "  waits: " + wait.reason + " (" + std::to_string(wait.requests) + ")\n";
    }
    for (const auto& leg : legs_) {
        const auto status = leg->status();
        text += status.name + " " + status.unit + ": " + status.state + ", " +
                std::to_string(status.in_flight) + " in flight; " + status.problem + "\n";
        for (const auto& wait : status.waits)
            text += "  waits: " + wait.reason + " (" + std::to_string(wait.requests) + ")\n";
    }
    return text;
}

}  // namespace weft::sim
