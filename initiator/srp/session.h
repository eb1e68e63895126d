// SPDX-License-Identifier: Apache-2.0
// Whether we may send: one I_T nexus to one target, over several channels (paths x queue pairs).
//
// The ghost-write rule (architecture.md, invariant 3): a command that changes the medium and whose channel
// was lost is given back for resending only when the old one cannot land any more:
//  - its queue pair has drained (nothing of it touches our memory), and
//  - a weft target answered ABORT TASK of its tag on a surviving channel. It looks for the tag on all
//  channels
//    of the nexus, and one it does not know it remembers: a SEND that is still under way is not executed when
//    it arrives; or
//  - there was a login of the SINGLE kind, which ends the old channels. A weft target executes nothing after
//  it
//    until what the old channels had begun is over. A stock target accepts at once and makes no such promise,
//    so LOGICAL UNIT RESET follows, which Linux answers when every command of the unit has ended; where a
//    target does not know that function the fence is weak: that is counted and logged.
// Commands that change nothing are given back as soon as their queue pair has drained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/schema.h"
#include "common/core/region.h"
#include "common/core/slab.h"
#include "initiator/srp/channel.h"
#include "initiator/srp/command.h"
#include "initiator/srp/device_memory.h"
#include "initiator/srp/remote_unit.h"
#include "initiator/srp/status.h"

namespace weft::initiator {

class Discovery;

struct SessionOptions {
    std::string target;  // the name people know it by
    srp::PortId initiator_port{};
    srp::PortId target_port{};
    std::vector<config::Path> paths;  // at least one
    Timing timing;
    bool offer_extension = true;
};
// From the configuration: port identifiers from names or UUIDs, time limits scaled.
[[nodiscard]] SessionOptions session_options(const config::Initiator& initiator,
                                             const config::RemoteTarget& target);

// Whoever submits commands. Called on the session's reactor.
class SessionUser : public ListNode {
  public:
    virtual ~SessionUser() = default;
    virtual void on_session_live() = 0;  // logged in; what was unsettled has been given back
    virtual void on_session_lost() = 0;  // commands come back later, as they drain and are fenced
    // A unit attention that came by itself, as an asynchronous event of `lun`. True: it concerns this user.
    virtual bool on_unit_event(const srp::Lun& lun) = 0;
};

enum class SessionState : std::uint8_t {
    idle,
    draining,     // connections are being given up; nothing can be decided before they have drained
    backing_off,  // until the next attempt
    logging_in,   // the first channel of the set
    fencing,      // logged in to a stock target; LOGICAL UNIT RESETs not answered yet
    live,
    stopping,
    stopped,
};
[[nodiscard]] std::string_view to_string(SessionState state);
[[nodiscard]] bool may_follow(SessionState from, SessionState to);

// Owner: a reactor's assembly. Thread: that reactor's. REQUIRES: idle or stopped when destroyed, no user
// attached; outlives its users' last command.
class Session final : private ChannelOwner, private DeviceMemoryOwner, private RegionObserver {
  public:
    // REQUIRES: fabric and regions outlive it.
    static Result<std::unique_ptr<Session>> create(Executor& executor, rdma::Fabric& fabric,
                                                   RegionDirectory& regions, SessionOptions options);
    ~Session() override;

    void start();  // logs in, and goes on trying until stop(). REQUIRES: idle
    // Disconnects; commands come back withdrawn. `done` runs when nothing is left. Ask users to finish
    // before.
    void stop(std::function<void()> done);

    // Calls back once, never inside, as soon as the session is live. status().problem says why it takes long.
    void when_ready(std::function<void()> call);
    // Looks for a unit as soon as the session is live. Calls back once, never inside; an error if the target
    // has no such unit, or the session is stopped meanwhile.
    void find_unit(UnitSelector selector, std::function<void(Result<RemoteUnit>)> call);
    void list_units(std::function<void(Result<std::vector<RemoteUnit>>)> call);
    // Asks a known LUN what it is now. `user`: forget_probes(user) drops what it asked for.
    void probe_unit(const SessionUser& user, std::uint32_t number,
                    std::function<void(Result<RemoteUnit>)> call);
    void forget_probes(const SessionUser& user);

    void attach(SessionUser& user);
    void detach(SessionUser& user);  // REQUIRES: it has no command here
    // Takes the command; it waits here if nothing can carry it now. REQUIRES: command.state() is idle
    void submit(Command& command);
    // Gives back, inside this call, every command of `user` that no channel has, as withdrawn.
    void withdraw(const SessionUser& user);

    // Cuts the connection of one channel, as a fault would: for demonstrations and tests.
    [[nodiscard]] Result<void> drop_channel(std::size_t index);

    [[nodiscard]] bool live() const { return state_ == SessionState::live; }
    [[nodiscard]] bool weft_peer() const { return weft_peer_; }
    [[nodiscard]] SessionState state() const { return state_; }
    [[nodiscard]] const std::string& target() const { return options_.target; }
    [[nodiscard]] const Timing& timing() const { return options_.timing; }
    [[nodiscard]] Executor& executor() { return executor_; }
    [[nodiscard]] std::size_t channels() const { return channels_.size(); }
    [[nodiscard]] std::size_t in_flight() const;  // on channels
    [[nodiscard]] SessionStatus status() const;

    // A block of zeros, for WRITE SAME; length <= 4096.
    [[nodiscard]] Segment zeroes(std::uint32_t length) const;
    // For discovery's answers.
    [[nodiscard]] Segment parameter_buffer() const;

  private:
    Session(Executor& executor, rdma::Fabric& fabric, RegionDirectory& regions, SessionOptions options);

    // session.cc
    void enter(SessionState next);
    void begin_login();
    void become_live();
    void connect_others();
    void finish_stop();

    // session_recovery.cc
    Result<DeviceMemory*> memory_for(const rdma::Connection& connection) override;
    std::uint64_t next_sequence() override { return next_sequence_++; }
    void on_channel_live(Channel& channel) override;
    void on_channel_failed(Channel& channel) override;
    void on_channel_lost(Channel& channel) override;
    void on_channel_drained(Channel& channel) override;
    void on_channel_due(Channel& channel) override;
    void begin_recovery(const std::string& why);
    void close_channels(const std::string& why);
    void take_back(Channel& channel);
    void advance();
    void start_fence();
    void on_task_answered(Channel& channel, const TaskAnswer& answer) override;
    void on_settling_lost(Command& command) override;
    void on_reset_answered(Channel& channel, srp::ResponseCode code);
    void continue_fence(Channel& channel);
    void backoff_over();
    [[nodiscard]] Duration backoff(std::uint32_t failures) const;
    [[nodiscard]] bool all_quiet() const;

    // session_traffic.cc
    enum class Sent : std::uint8_t { yes, full, pending, failed };
    Sent try_send(Command& command);
    void pump();
    void settle();
    void give_back(Command& command, Outcome outcome);
    void give_back_all(IntrusiveList<Command>& commands, Outcome outcome);
    [[nodiscard]] bool has_waiting() const override { return !waiting_.empty(); }
    void on_command_finished(Command& command) override;
    void on_room(Channel& channel) override;
    bool on_event(const srp::Lun& lun, std::span<const std::byte> sense) override;
    void on_region_settled(RegionId id) override;
    void on_device_lost(DeviceMemory& memory) override;
    void forget_lost_devices();
    void on_region_added(const Region& region) override;
    void on_region_removed(RegionId id) override;
    void add_waits(SessionStatus& status) const;

    Executor& executor_;
    rdma::Fabric& fabric_;
    RegionDirectory& regions_;
    const SessionOptions options_;
    SessionState state_ = SessionState::idle;
    Instant since_{};
    std::string problem_;

    Slab own_memory_;
    std::vector<Region> known_regions_;
    std::vector<std::unique_ptr<DeviceMemory>> devices_;  // destroyed after what is registered in them
    std::vector<std::unique_ptr<Channel>> channels_;
    std::size_t leader_ = 0;  // the channel that logs in first
    bool weft_peer_ = false;
    bool offer_extension_ = true;
    std::uint32_t login_failures_ = 0;
    bool retry_now_ = false;  // the next login need not wait
    std::uint64_t next_sequence_ = 1;

    IntrusiveList<SessionUser> users_;
    IntrusiveList<Command> waiting_;       // for a credit
    IntrusiveList<Command> unregistered_;  // for their memory to be registered
    IntrusiveList<Command> unsettled_;     // for ABORT TASK or the next login
    IntrusiveList<Command> settling_;      // ABORT TASK sent
    std::vector<srp::Lun> fence_luns_;     // with writes that a stock target may still execute
    std::size_t fence_next_ = 0;           // of those, the first not asked to be reset
    std::size_t resets_in_flight_ = 0;
    std::vector<Command*> order_;  // to sort what comes back

    std::vector<std::function<void()>> ready_calls_;
    std::function<void()> stop_call_;
    std::unique_ptr<Discovery> discovery_;
    SessionCounters counters_;
    TimerCall<Session, &Session::backoff_over> backoff_timer_{*this};
    DeferredCall<Session, &Session::advance> advance_{*this};
};

}  // namespace weft::initiator
