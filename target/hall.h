// SPDX-License-Identifier: Apache-2.0
// One reactor of the target: the port on it, the listeners, and what its initiators may see.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/schema.h"
#include "common/core/result.h"
#include "common/daemon/reactor_thread.h"
#include "target/srp/port.h"
#include "target/volume.h"

namespace weft::target {

struct ListenerStatus {
    std::string address;
    std::uint16_t port = 0;
    std::string device;
};

// Owner: the service. Thread: the control thread; status() on any while it lives.
class Hall final : private Exports {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Hall>> create(const config::Target& config,
                                                              const srp::PortId& port_id,
                                                              std::vector<std::unique_ptr<Volume>>& volumes);
    Hall(const Hall&) = delete;
    Hall& operator=(const Hall&) = delete;
    ~Hall() override;

    [[nodiscard]] Result<void> listen();
    void stop();  // logins, channels, then the thread; idempotent

    [[nodiscard]] PortStatus status();
    [[nodiscard]] const std::vector<ListenerStatus>& listeners() const { return listening_; }
    [[nodiscard]] daemon::ReactorThread& thread() { return *thread_; }

  private:
    Hall(const config::Target& config, std::unique_ptr<daemon::ReactorThread> thread,
         std::vector<std::unique_ptr<Volume>>& volumes)
        : config_(config), thread_(std::move(thread)), volumes_(volumes) {}
    void open_port(const srp::PortId& port_id);
    [[nodiscard]] std::vector<Export> visible_to(const srp::PortId& initiator) override;

    const config::Target& config_;
    std::unique_ptr<daemon::ReactorThread> thread_;
    std::vector<std::unique_ptr<Volume>>& volumes_;
    PortGroup group_;
    std::unique_ptr<Port> port_;
    std::vector<std::unique_ptr<rdma::Listener>> listeners_;
    std::vector<ListenerStatus> listening_;
    bool stopped_ = false;
};

}  // namespace weft::target
