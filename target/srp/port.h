// SPDX-License-Identifier: Apache-2.0
// An SRP target port on one reactor: the logins that belong there, its nexuses, what they share.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/core/executor.h"
#include "common/core/region.h"
#include "common/core/throttle.h"
#include "common/rdma/connection.h"
#include "common/srp/login.h"
#include "target/srp/exports.h"
#include "target/srp/port_group.h"
#include "target/srp/settings.h"
#include "target/srp/status.h"

namespace weft::target {

class Channel;
class Command;
class Nexus;
class TaskManagement;

// Owner: the reactor's assembly. Thread: that reactor's. Lifetime: the group, the fabric, the regions, the
// exports and their units outlive it. REQUIRES: the whole group has stopped when it is destroyed.
class Port final {
  public:
    using Attention = lun::NexusUnit::Attention;

    Port(PortGroup& group, Executor& executor, rdma::Fabric& fabric, RegionDirectory& regions,
         Exports& exports, const Settings& settings);
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    ~Port();

    // A connection request of an initiator that belongs here. Malformed, wrong or unwelcome ones are rejected
    // with SRP's reason.
    void on_request(std::unique_ptr<rdma::ConnectionRequest> request);

    // Refuses new logins, disconnects all channels, waits for what they have in flight and for what it has
    // asked of other parts; then `stopped` runs, once. It goes on answering other parts.
    void stop(std::function<void()> stopped);
    [[nodiscard]] PortStatus status() const;
    // Cuts a channel of an initiator, as a drill; by its place in status(). False: there is none.
    [[nodiscard]] bool drop_channel(const srp::PortId& initiator, std::size_t index);

    // --- For nexuses and channels ---
    [[nodiscard]] Executor& executor() { return executor_; }
    [[nodiscard]] rdma::Fabric& fabric() { return fabric_; }
    [[nodiscard]] RegionDirectory& regions() { return regions_; }
    [[nodiscard]] const Settings& settings() const { return settings_; }
    // Orders commands, task management functions and channels by their arrival.
    [[nodiscard]] std::uint64_t next_sequence() { return ++sequence_; }
    // A login failed for a reason of ours; a peer broke the protocol and loses its channel. Said in the log,
    // but not as often as peers can cause it.
    void on_login_failed(const std::string& what);
    void on_fault(const std::string& what);
    void on_accepted() { ++logins_; }
    void on_function_started() { ++functions_; }
    void on_function_ended() { --functions_; }
    // A command has ended: functions that waited for it may answer.
    void on_command_ended();
    // What a function about the whole unit does to the nexuses here, but `asker`: every command that came up
    // to `sequence` is withdrawn, and the next is told why. (port_clearing.cc)
    void withdraw_unit(std::uint32_t number, std::uint64_t sequence, Attention why, const Nexus* asker);
    [[nodiscard]] bool is_clear(std::uint32_t number, std::uint64_t sequence);  // none of them is left
    // The same on the other parts; the function with this sequence is told as often as this returns.
    [[nodiscard]] std::size_t clear_elsewhere(std::uint64_t function, std::uint32_t number, Attention why);
    void on_nexus_idle();       // for a while, or while we stop
    void remove(Nexus& nexus);  // later. REQUIRES: it is idle
    template <class Visit>
    void for_each_nexus(Visit visit) {
        for (const auto& [id, nexus] : nexuses_) visit(*nexus);
    }

  private:
    // A unit that another part wants cleared; `done` tells it.
    struct Clearing {
        std::uint32_t number = 0;
        std::uint64_t sequence = 0;
        std::function<void()> done;
    };

    [[nodiscard]] std::optional<srp::RejectReason> refusal(const srp::LoginRequest& login) const;
    [[nodiscard]] Result<Nexus*> nexus_of(const srp::LoginRequest& login, srp::RejectReason& reason);
    void reject(rdma::ConnectionRequest& request, const srp::Tag& tag, srp::RejectReason reason,
                const std::string& why);
    [[nodiscard]] bool take_place();
    bool make_room();
    void clear_for_another(std::uint32_t number, Attention why, std::function<void()> done);
    void on_cleared_elsewhere(std::uint64_t function);
    void end_clearings();
    void evaluate();
    void check_stopped();
    [[nodiscard]] std::size_t channels() const;

    PortGroup& group_;
    Executor& executor_;
    rdma::Fabric& fabric_;
    RegionDirectory& regions_;
    Exports& exports_;
    const Settings settings_;
    std::map<srp::PortId, std::unique_ptr<Nexus>> nexuses_;
    std::uint64_t sequence_ = 0;
    std::uint64_t logins_ = 0;
    std::uint64_t rejected_ = 0;
    std::size_t functions_ = 0;  // task management functions and clearings that wait
    std::vector<Clearing> clearings_;
    std::size_t answers_due_ = 0;  // from other parts
    Counters past_;                // of nexuses that are gone
    Throttle refusals_{10, 10s};
    Throttle failures_{10, 10s};
    Throttle faults_{10, 10s};
    bool stopping_ = false;
    std::function<void()> stopped_;
    DeferredCall<Port, &Port::evaluate> evaluate_{*this};
    DeferredCall<Port, &Port::check_stopped> check_stopped_{*this};
};

}  // namespace weft::target
