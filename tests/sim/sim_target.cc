// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_target.h"

#include <utility>

namespace weft::sim {

namespace {
lun::Identity identity_of(const SimTargetOptions& options, const SimMedium& medium) {
    lun::Identity identity;
    identity.epoch.id = Uuid::from_name("power", std::to_string(medium.epoch()));
    identity.name = options.name;
    identity.target_port = options.settings.port_id;
    identity.uuid = Uuid::from_name("sim", options.name);
    return identity;
}
}  // namespace

TargetProcess::TargetProcess(Network& network, Node& node, SimMedium& medium, const SimTargetOptions& options)
    : fabric_(network, node, options.addresses),
      disk_(node, medium),
      unit_(disk_, identity_of(options, medium)),
      port_(group_, node, fabric_, regions_, *this, options.settings) {
    auto listener = fabric_.listen({.address = "*", .port = SimTarget::kPort}, "", group_);
    WEFT_CHECK(listener.has_value());
    listener_ = std::move(*listener);
}

void TargetProcess::stop(std::function<void()> done) {
    listener_.reset();
    port_.stop(std::move(done));
}

SimTarget::SimTarget(World& world, Network& network, SimTargetOptions options)
    : world_(world), network_(network), options_(std::move(options)), medium_(world, options_.disk) {}

void SimTarget::start() {
    WEFT_CHECK(!running());
    if (!powered_) {
        powered_ = true;
        for (const auto& address : options_.addresses) {
            network_.heal("*", address);
            network_.heal(address, "*");
        }
    }
    node_ = &world_.add_node(options_.name + "." + std::to_string(++lives_));
    world_.trace(node_->name() + " starts");
    process_ = &node_->keep(std::make_unique<TargetProcess>(network_, *node_, medium_, options_));
}

void SimTarget::kill() {
    WEFT_CHECK(running());
    process_ = nullptr;
    node_->kill();
}

void SimTarget::power_off() {
    for (const auto& address : options_.addresses) {
        network_.cut("*", address);
        network_.cut(address, "*");
    }
    powered_ = false;
    kill();
    medium_.power_off();
}

void SimTarget::leave() {
    WEFT_CHECK(running());
    process_ = nullptr;
    node_->release_kept();
    medium_.power_off();
}

}  // namespace weft::sim
