// SPDX-License-Identifier: Apache-2.0
// How commands travel: one queue pair to a target, its login, its credits, its commands in flight.
//
//     idle -> resolving -> registering -> connecting -> live -> draining -> idle
//       \-> waiting -> idle            any of them -> closing -> idle
//
// A channel never decides to connect; its owner does. It does decide that a connection is lost: by what the
// fabric reports, by heartbeats that do not return, by commands and ABORT TASKs not answered, by a peer that
// breaks the protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/executor.h"
#include "common/core/slab.h"
#include "common/rdma/connection.h"
#include "common/srp/credit.h"
#include "common/srp/login.h"
#include "common/srp/response.h"
#include "initiator/srp/command.h"
#include "initiator/srp/device_memory.h"
#include "initiator/srp/status.h"

namespace weft::initiator {

// Time limits of a session, scaled already.
struct Timing {
    Duration connect_timeout{5s};
    Duration reconnect_min{200ms};
    Duration reconnect_max{10s};
    Duration heartbeat{200ms};  // 0: no heartbeat
    std::uint32_t heartbeat_misses = 5;
    Duration command_timeout{30s};
    Duration task_timeout{15s};  // for the answer to a task management function
};

struct LoginTerms {
    srp::PortId initiator_port{};
    srp::PortId target_port{};
    srp::MultiChannelAction action = srp::MultiChannelAction::terminate;
    bool offer_extension = true;
};

enum class ChannelState : std::uint8_t {
    idle,         // nothing; connect() or wait() is the next thing
    waiting,      // for its retry time
    resolving,    // the address and the route
    registering,  // memory for its information units
    connecting,   // login sent
    live,
    draining,  // lost; work requests are coming back
    closing,   // the attempt failed or everything has drained; the connection is about to be destroyed
};
[[nodiscard]] std::string_view to_string(ChannelState state);
[[nodiscard]] bool may_follow(ChannelState from, ChannelState to);

class Channel;

// The answer to a task management function that the owner asked for.
struct TaskAnswer {
    Command* command = nullptr;  // abort(): the command to settle; null: reset_unit()
    srp::Lun lun{};
    srp::ResponseCode code = srp::ResponseCode::failed;
};

// What a session does for its channels. Nothing here is called inside a call to the channel.
class ChannelOwner {
  public:
    virtual ~ChannelOwner() = default;
    virtual Result<DeviceMemory*> memory_for(const rdma::Connection& connection) = 0;
    virtual std::uint64_t next_sequence() = 0;  // 48 bits, never repeated
    // Commands wait that this channel, if it had room, could take.
    [[nodiscard]] virtual bool has_waiting() const = 0;
    virtual void on_channel_live(Channel& channel) = 0;
    virtual void on_channel_failed(Channel& channel) = 0;    // an attempt; the channel is idle
    virtual void on_channel_lost(Channel& channel) = 0;      // was live; it is draining
    virtual void on_channel_drained(Channel& channel) = 0;   // now collect(); it is idle
    virtual void on_channel_due(Channel& channel) = 0;       // its wait() is over; it is idle
    virtual void on_command_finished(Command& command) = 0;  // outcome set; not in the channel any more
    virtual void on_task_answered(Channel& channel, const TaskAnswer& answer) = 0;
    virtual void on_settling_lost(Command& command) = 0;  // from collect()
    virtual void on_room(Channel& channel) = 0;           // a slot or a credit came free
    // An asynchronous event of a unit. `sense` is the peer's, as it came; false: nobody is concerned.
    virtual bool on_event(const srp::Lun& lun, std::span<const std::byte> sense) = 0;
};

// Owner: a session. Thread: its reactor's. REQUIRES: idle or waiting when destroyed, and release_memory()
// done.
class Channel final : private rdma::ConnectionHandler {
  public:
    // Information units and work requests of a channel, by purpose: the queues' sizes are their sums.
    static constexpr std::uint32_t kCommands = 128;  // in flight at most
    static constexpr std::uint32_t kTasks = 16;      // task management functions in flight at most
    static constexpr std::uint32_t kAnswers = 4;     // to credit and event requests; one at a time is legal
    static constexpr std::uint32_t kProbes = 1;
    static constexpr std::uint32_t kSendDepth = kCommands + kTasks + kAnswers + kProbes;
    static constexpr std::uint32_t kReceiveDepth = kCommands + kTasks + kAnswers;
    static constexpr std::size_t kTransmitBytes = 128;   // SRP_CMD with one descriptor, parameter
    static constexpr std::size_t kReceiveBytes = 512;    // SRP_RSP with sense
    static constexpr std::size_t kCommandIuBytes = 64;   // SRP_CMD with one descriptor
    static constexpr std::size_t kImmediateOffset = 68;  // as Linux has it: after a 32-byte CDB's descriptor
    static constexpr std::uint32_t kImmediateBytes = 8192;

    Channel(Executor& executor, rdma::Fabric& fabric, ChannelOwner& owner, const Timing& timing,
            std::size_t index, rdma::Endpoint destination, std::string source);
    ~Channel() override;

    [[nodiscard]] Result<void> allocate();  // once, before anything else

    void connect(const LoginTerms& terms);    // REQUIRES: idle
    void wait(Duration delay);                // REQUIRES: idle
    void disconnect(const std::string& why);  // REQUIRES: live
    // Gives up whatever is on its way to live; on_channel_failed() follows unless it was idle or waiting.
    void cancel();
    void cancel_attempt();  // the same, but one that waits goes on waiting
    void release_memory();  // REQUIRES: idle or waiting

    // --- Data path (channel_traffic.cc) ---
    enum class Fit : std::uint8_t { yes, full, memory_pending, memory_failed };
    [[nodiscard]] Fit fit(const Command& command) const;
    void send(Command& command);  // REQUIRES: fit(command) is yes
    // --- Task management (channel_tasks.cc) ---
    [[nodiscard]] bool can_manage() const;
    void abort(Command& command);          // a command of a lost channel. REQUIRES: can_manage()
    void reset_unit(const srp::Lun& lun);  // REQUIRES: can_manage()
    // Hands over what was outstanding when the connection was lost: commands that were answered in time to
    // on_command_finished(), those being settled to on_settling_lost(), the others (state sent) to the list,
    // in no order.
    void collect(IntrusiveList<Command>& outstanding);

    [[nodiscard]] ChannelState state() const { return state_; }
    [[nodiscard]] bool live() const { return state_ == ChannelState::live; }
    [[nodiscard]] bool quiet() const {
        return state_ == ChannelState::idle || state_ == ChannelState::waiting;
    }
    [[nodiscard]] std::size_t index() const { return index_; }
    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
    [[nodiscard]] bool weft_peer() const { return weft_peer_; }
    [[nodiscard]] srp::MultiChannelResult login_result() const { return login_result_; }
    [[nodiscard]] std::optional<srp::RejectReason> reject_reason() const { return reject_reason_; }
    [[nodiscard]] const DeviceMemory* memory() const { return memory_; }
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] Instant since() const { return since_; }
    [[nodiscard]] std::uint64_t memory_bytes() const { return slab_.size(); }
    [[nodiscard]] ChannelStatus status() const;
    // The commands sent more than `limit` ago and not answered: how many, and the oldest one's age.
    [[nodiscard]] Wait unanswered(Duration limit) const;

    // How many attempts in a row failed; the owner's, for its backoff.
    std::uint32_t failures = 0;

  private:
    struct Slot {
        Command* command = nullptr;  // null: free
        std::uint64_t tag = 0;
        Instant sent{};
        bool sending = false;  // the SEND has not completed
        bool answered = false;
        bool aborting = false;
    };
    struct Task {
        enum class Purpose : std::uint8_t { none, timeout, settle, reset };
        Purpose purpose = Purpose::none;  // none: free
        std::uint64_t tag = 0;
        std::uint64_t subject = 0;  // tag of the command
        Command* command = nullptr;
        srp::Lun lun{};
        Instant sent{};
        bool sending = false;
        bool answered = false;
        srp::ResponseCode code = srp::ResponseCode::failed;
    };
    enum class Work : std::uint8_t { command, task, answer, probe, receive };

    void on_resolved() override;
    void on_established(std::span<const std::byte> private_data) override;
    void on_connect_failed(rdma::ConnectFailure failure, int cm_reason,
                           std::span<const std::byte> private_data, const std::string& detail) override;
    void on_completion(const rdma::Completion& completion) override;
    void on_disconnected(rdma::DisconnectReason reason) override;
    void on_drained() override;

    void enter(ChannelState next);
    void fail_attempt(const std::string& why);
    void drop(const std::string& why);  // live: count it, log it, disconnect
    void lose(const std::string& why);
    void closed();
    void attempt_expired();
    void retry_due();
    void register_memory();
    void on_registered(const DeviceMemory* memory, std::uint64_t attempt, bool transmit,
                       Result<std::unique_ptr<rdma::Registration>> result);
    void establish();
    [[nodiscard]] std::string accept(const srp::LoginResponse& response);  // "" or what is wrong with it
    void reset_traffic();

    void on_sent(Work work, std::size_t index);
    void on_received(std::size_t index, std::uint32_t length);
    void on_response(std::span<const std::byte> iu);
    void on_request(srp::Opcode opcode, std::span<const std::byte> iu);
    void answer(const srp::Tag& tag, srp::Opcode opcode);
    void on_event_request(std::span<const std::byte> iu);
    void on_command_response(Slot& slot, const srp::Response& response);
    void finish(Slot& slot, Outcome outcome);
    void release(Slot& slot);
    void finish_task(Task& task);
    void send_task(Task::Purpose purpose, const srp::Lun& lun, std::uint64_t subject, Command* command);
    void release(Task& task);
    void post_receive(std::size_t index);
    void post(Work work, std::size_t index, std::size_t length, rdma::LocalBuffer second = {});
    void post_probe();
    [[nodiscard]] static std::size_t position(Work work, std::size_t index);
    [[nodiscard]] std::size_t fill(const Command& command, std::uint64_t tag, std::size_t index,
                                   rdma::LocalBuffer& immediate);

    // channel_watch.cc
    void tick();
    [[nodiscard]] Duration tick_interval() const;
    void next_tick();
    [[nodiscard]] bool relaxed() const;
    void hurry();
    void watch_heartbeat();
    void watch_commands();

    [[nodiscard]] std::span<std::byte> transmit_iu(std::size_t index) const;
    [[nodiscard]] std::span<std::byte> receive_iu(std::size_t index) const;

    Executor& executor_;
    rdma::Fabric& fabric_;
    ChannelOwner& owner_;
    const Timing& timing_;
    const std::size_t index_;
    const rdma::Endpoint destination_;
    const std::string source_;
    const std::string path_;

    ChannelState state_ = ChannelState::idle;
    Instant since_{};
    LoginTerms terms_;
    std::uint64_t attempt_ = 0;
    bool was_live_ = false;  // of the connection being closed
    std::string problem_;
    std::optional<srp::RejectReason> reject_reason_;
    bool weft_peer_ = false;
    srp::MultiChannelResult login_result_ = srp::MultiChannelResult::none_existed;

    Slab slab_;
    DeviceMemory* memory_ = nullptr;
    std::unique_ptr<rdma::Registration> transmit_registration_;
    std::unique_ptr<rdma::Registration> receive_registration_;
    rdma::Keys transmit_keys_;
    rdma::Keys receive_keys_;
    std::unique_ptr<rdma::Connection> connection_;

    srp::RequestLimit credits_;
    std::uint32_t immediate_max_ = 0;  // bytes of data in a SEND; 0: none
    std::uint32_t inline_max_ = 0;
    std::array<Slot, kCommands> slots_;
    std::array<std::uint16_t, kCommands> free_{};
    std::size_t free_count_ = 0;
    std::size_t in_flight_ = 0;
    std::array<Task, kTasks> tasks_;
    std::size_t tasks_in_flight_ = 0;
    std::array<bool, kAnswers> answering_{};

    bool probing_ = false;
    bool heard_ = false;  // something came back since the last beat
    std::uint32_t misses_ = 0;
    std::uint32_t quiet_ticks_ = 0;  // without a command, as far as they matter
    Instant next_beat_{};
    Instant starving_since_{};
    bool starving_ = false;

    ChannelCounters counters_;
    TimerCall<Channel, &Channel::tick> tick_timer_{*this};
    TimerCall<Channel, &Channel::attempt_expired> attempt_timer_{*this};
    TimerCall<Channel, &Channel::retry_due> retry_timer_{*this};
    DeferredCall<Channel, &Channel::closed> closed_{*this};
};

}  // namespace weft::initiator
