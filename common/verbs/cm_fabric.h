// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/core/intrusive_list.h"
#include "common/verbs/cm_contexts.h"
#include "common/verbs/device.h"
#include "common/verbs/event_channel.h"
#include "common/verbs/fabric.h"
#include "common/verbs/worker.h"

namespace weft::verbs {

class Connection;

// A connection's place in one of the fabric's lists.
struct ConnectionLink : ListNode {
    explicit ConnectionLink(Connection& owner) : connection(owner) {}
    Connection& connection;
};

// What fabric.h declares: one event channel, one poller for all devices of a reactor.
class CmFabric final : public Fabric, private Poller {
  public:
    CmFabric(Executor& executor, reactor::Sleeper& sleeper, const Options& options,
             std::unique_ptr<EventChannel> channel);
    ~CmFabric() override;

    [[nodiscard]] Result<std::unique_ptr<rdma::Listener>> listen(const rdma::Endpoint& endpoint,
                                                                 const std::string& device,
                                                                 rdma::ListenerHandler& handler) override;
    [[nodiscard]] std::unique_ptr<rdma::Connection> connect(const rdma::Endpoint& destination,
                                                            const std::string& source, int timeout_ms,
                                                            rdma::ConnectionHandler& handler) override;
    [[nodiscard]] Result<std::unique_ptr<rdma::Domain>> open_domain(
        const rdma::ConnectionRequest& request) override;
    [[nodiscard]] Result<std::unique_ptr<rdma::Domain>> open_domain(
        const rdma::Connection& connection) override;
    void take_over(rdma::ConnectionRequest& request) override;

    [[nodiscard]] Poller& poller() override { return *this; }
    [[nodiscard]] const Counters& counters() const override { return counters_; }

    // For what it makes.
    [[nodiscard]] Executor& executor() { return executor_; }
    [[nodiscard]] EventChannel& channel() { return *channel_; }
    [[nodiscard]] Worker& worker() { return worker_; }
    [[nodiscard]] const Options& options() const { return options_; }
    [[nodiscard]] Counters& counted() { return counters_; }
    // Has the connection's report() called in the next poll, its flush() at the end of the turn.
    void request_report(ConnectionLink& link);
    void request_flush(ConnectionLink& link);
    void forget(ConnectionLink& report, ConnectionLink& flush);
    // The device an identity is bound to was removed.
    void on_device_removed(const rdma_cm_id& id);

  private:
    static constexpr Duration kPresencePeriod = 2s;

    bool poll() override;
    void flush() override;
    bool arm() override;
    void disarm() override {}

    [[nodiscard]] Result<std::unique_ptr<rdma::Domain>> open_domain(const rdma_cm_id* id);
    [[nodiscard]] Result<std::shared_ptr<Device>> device_of(ibv_context* verbs);
    bool run_reports();
    void read_events() { channel_->read(); }
    void drop_unusable_devices();
    void watch_presence();
    void check_presence();

    Executor& executor_;
    reactor::Sleeper& sleeper_;
    const Options options_;
    Counters counters_;
    std::unique_ptr<EventChannel> channel_;
    std::vector<std::shared_ptr<Device>> devices_;
    CmContexts cm_contexts_;
    bool device_lost_ = false;
    IntrusiveList<ConnectionLink> reports_;
    IntrusiveList<ConnectionLink> flushes_;
    TimerCall<CmFabric, &CmFabric::check_presence> presence_{*this};
    DeferredCall<CmFabric, &CmFabric::read_events> read_events_{*this};
    Worker worker_;
};

}  // namespace weft::verbs
