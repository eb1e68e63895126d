// SPDX-License-Identifier: Apache-2.0
// An SRP target port on one reactor: its listeners' logins, its nexuses, what they share.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/core/executor.h"
#include "common/core/region.h"
#include "common/rdma/connection.h"
#include "common/srp/login.h"
#include "target/srp/exports.h"
#include "target/srp/settings.h"
#include "target/srp/status.h"

namespace weft::target {

class Channel;
class Command;
class Nexus;

// Owner: the reactor's assembly. Thread: that reactor's. Lifetime: outlives the rdma::Listeners that call it;
// the fabric, the regions, the exports and their units outlive it. REQUIRES: stopped when destroyed.
class Port final : public rdma::ListenerHandler {
  public:
    Port(Executor& executor, rdma::Fabric& fabric, RegionDirectory& regions, Exports& exports,
         const Settings& settings);
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    ~Port() override;

    // A connection request, from any of the listeners. Malformed, wrong or unwelcome ones are rejected with
    // SRP's reason.
    void on_request(std::unique_ptr<rdma::ConnectionRequest> request) override;

    // Refuses new logins, disconnects all channels, waits for what they have in flight; then `stopped` runs,
    // once.
    void stop(std::function<void()> stopped);
    [[nodiscard]] PortStatus status() const;

    // --- For nexuses and channels ---
    [[nodiscard]] Executor& executor() { return executor_; }
    [[nodiscard]] rdma::Fabric& fabric() { return fabric_; }
    [[nodiscard]] RegionDirectory& regions() { return regions_; }
    [[nodiscard]] const Settings& settings() const { return settings_; }
    // Orders commands, task management functions and channels by their arrival.
    [[nodiscard]] std::uint64_t next_sequence() { return ++sequence_; }
    void on_rejected() { ++rejected_; }
    void on_accepted() { ++logins_; }
    void on_function_started() { ++functions_; }
    void on_function_ended() { --functions_; }
    // A command has ended: functions that waited for it may answer.
    void on_command_ended();
    void on_nexus_idle();       // for a while, or while we stop
    void remove(Nexus& nexus);  // later. REQUIRES: it is idle
    template <class Visit>
    void for_each_nexus(Visit visit) {
        for (const auto& [id, nexus] : nexuses_) visit(*nexus);
    }

  private:
    [[nodiscard]] std::optional<srp::RejectReason> refusal(const srp::LoginRequest& login) const;
    [[nodiscard]] Result<Nexus*> nexus_of(const srp::LoginRequest& login, srp::RejectReason& reason);
    void reject(rdma::ConnectionRequest& request, const srp::Tag& tag, srp::RejectReason reason,
                const std::string& why);
    bool make_room();
    void evaluate();
    void check_stopped();
    [[nodiscard]] std::size_t channels() const;

    Executor& executor_;
    rdma::Fabric& fabric_;
    RegionDirectory& regions_;
    Exports& exports_;
    const Settings settings_;
    std::map<srp::PortId, std::unique_ptr<Nexus>> nexuses_;
    std::uint64_t sequence_ = 0;
    std::uint64_t logins_ = 0;
    std::uint64_t rejected_ = 0;
    std::size_t functions_ = 0;  // task management functions that wait
    Counters past_;              // of nexuses that are gone
    bool stopping_ = false;
    std::function<void()> stopped_;
    DeferredCall<Port, &Port::evaluate> evaluate_{*this};
    DeferredCall<Port, &Port::check_stopped> check_stopped_{*this};
};

}  // namespace weft::target
