// SPDX-License-Identifier: Apache-2.0
// weft's own target on a node of the simulated world: target/srp over a logical unit over a slow medium with
// the same oracle as the fake target has.
#pragma once

#include <memory>
#include <vector>

#include "target/srp/port.h"
#include "tests/unit/initiator/srp/fake_target.h"

namespace weft::test {

// Finishes each request after a random time, whatever has become of who asked.
class SlowDevice final : public block::BlockDevice {
  public:
    SlowDevice(sim::World& world, sim::Node& node, const Habits& habits, Medium& medium)
        : BlockDevice(node), world_(world), node_(node), habits_(habits), medium_(medium) {
        geometry_.block_size = habits.block_size;
        geometry_.physical_block_size = habits.block_size;
        geometry_.blocks = habits.blocks;
        geometry_.discard_granularity = 1;
        geometry_.discard_zeroes = true;
        geometry_.write_zeroes = true;
        geometry_.volatile_cache = habits.write_cache;
    }
    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  private:
    void do_submit(block::IoRequest& io) override {
        world_.after(world_.random().between(habits_.backend_min, habits_.backend_max), &node_,
                     [this, &io] { execute(io); });
    }
    void execute(block::IoRequest& io) {
        const std::size_t offset = io.lba * geometry_.block_size;
        if (io.op == block::IoOp::read)
            std::copy_n(medium_.bytes.begin() + static_cast<std::ptrdiff_t>(offset), io.data.length,
                        io.data.base);
        else if (io.op == block::IoOp::write)
            medium_.land(world_, io.lba, {io.data.base, io.data.length}, geometry_.block_size);
        else if (io.op != block::IoOp::flush)
            std::fill_n(medium_.bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                        io.blocks * geometry_.block_size, std::byte{0});
        complete(io, block::IoStatus::ok);
    }

    sim::World& world_;
    sim::Node& node_;
    const Habits& habits_;
    Medium& medium_;
    block::Geometry geometry_;
};

class RealTarget final : private target::Exports {
  public:
    RealTarget(sim::World& world, sim::Node& node, sim::SimFabric& fabric, const Habits& habits,
               Medium& medium, const srp::PortId& port_id)
        : fabric_(fabric),
          device_(world, node, habits, medium),
          unit_(device_,
                {.uuid = habits.uuid, .name = habits.name, .target_port = port_id, .epoch = habits.epoch}),
          port_(group_, node, fabric, regions_, *this,
                {.port_id = port_id,
                 .request_limit = static_cast<std::uint32_t>(habits.request_limit),
                 .nexus_buffer_bytes = 1U << 20U}),
          lun_(habits.lun) {}

    [[nodiscard]] Result<void> listen(std::uint16_t port) {
        auto listener = fabric_.listen({.address = "*", .port = port}, "", group_);
        if (!listener) return Failure(listener.error());
        listener_ = std::move(*listener);
        return {};
    }
    [[nodiscard]] target::Port& port() { return port_; }

  private:
    std::vector<target::Export> visible_to(const srp::PortId&) override {
        return {{.number = lun_, .unit = &unit_}};
    }

    sim::SimFabric& fabric_;
    RegionDirectory regions_;
    SlowDevice device_;
    lun::LogicalUnit unit_;
    target::PortGroup group_;
    target::Port port_;
    std::uint32_t lun_;
    std::unique_ptr<rdma::Listener> listener_;
};

}  // namespace weft::test
