// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "common/core/executor.h"
#include "common/verbs/address.h"
#include "common/verbs/cm_fabric.h"
#include "common/verbs/event_channel.h"

namespace weft::verbs {

// Listens again by itself when the device of its address was removed and comes back.
class Listener final : public rdma::Listener, private CmEventTarget {
  public:
    [[nodiscard]] static Result<std::unique_ptr<rdma::Listener>> create(CmFabric& fabric,
                                                                        const rdma::Endpoint& endpoint,
                                                                        const std::string& device,
                                                                        rdma::ListenerHandler& handler);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() override;

  private:
    static constexpr int kBacklog = 128;
    static constexpr Duration kRetryPeriod = 1s;

    Listener(CmFabric& fabric, const SocketAddress& address, std::string device,
             rdma::ListenerHandler& handler);
    void on_cm_event(CmEvent& event) override;
    void on_request(CmEvent& event);
    [[nodiscard]] Result<void> listen();
    void retry();

    CmFabric& fabric_;
    SocketAddress address_;
    const std::string device_;
    rdma::ListenerHandler& handler_;
    CmId id_;
    bool retry_failed_ = false;  // and the log says so
    TimerCall<Listener, &Listener::retry> retry_{*this};
};

}  // namespace weft::verbs
