// SPDX-License-Identifier: Apache-2.0
// One reactor of the target: its part of the port, its seats of the volumes, and what its initiators may see.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "common/config/schema.h"
#include "common/core/result.h"
#include "common/daemon/reactor_thread.h"
#include "target/seat.h"
#include "target/srp/port.h"
#include "target/volume.h"

namespace weft::target {

// Owner: the service. Thread: the control thread; status() on any while it lives. Lifetime: the
// configuration, the volumes and the group outlive it.
class Hall final : private Exports {
  public:
    using Volumes = std::vector<std::unique_ptr<Volume>>;

    // `name`: of the reactor.
    [[nodiscard]] static Result<std::unique_ptr<Hall>> create(const config::Target& config,
                                                              const std::string& name,
                                                              const srp::PortId& port_id,
                                                              const Volumes& volumes, PortGroup& group);
    Hall(const Hall&) = delete;
    Hall& operator=(const Hall&) = delete;
    // REQUIRES: every hall of the group has stopped
    ~Hall() override;

    // All listeners of the configuration, for the whole group. REQUIRES: this is the group's first hall
    [[nodiscard]] Result<void> listen(PortGroup& group);
    void close();  // the listeners; no request comes any more
    // Ends the logins and channels of this reactor; ready when that is done. REQUIRES: the first hall is
    // closed; called once
    [[nodiscard]] std::future<void> stop();

    [[nodiscard]] PortStatus status();
    [[nodiscard]] std::vector<lun::Counters> unit_counters();  // in the order of the volumes
    [[nodiscard]] bool drop_channel(const srp::PortId& initiator, std::size_t index);  // see Port
    [[nodiscard]] daemon::ReactorThread& thread() { return *thread_; }

  private:
    Hall(const config::Target& config, std::unique_ptr<daemon::ReactorThread> thread)
        : config_(config), thread_(std::move(thread)) {}
    [[nodiscard]] Result<void> furnish(const srp::PortId& port_id, const Volumes& volumes, PortGroup& group);
    [[nodiscard]] std::vector<Export> visible_to(const srp::PortId& initiator) override;

    const config::Target& config_;
    std::unique_ptr<daemon::ReactorThread> thread_;
    // The reactor's, made and destroyed there.
    std::vector<std::unique_ptr<Seat>> seats_;
    std::unique_ptr<Port> port_;
    std::vector<std::unique_ptr<rdma::Listener>> listeners_;
};

}  // namespace weft::target
