// SPDX-License-Identifier: Apache-2.0
// One RDMA channel of an I_T nexus: a queue pair, its receive ring, its credits, its commands.
//
//   preparing   memory is being registered; the connection request waits
//   connecting  accepted; the initiator's ready-to-use is outstanding (commands may come already)
//   live
//   leaving     the initiator logged out: finish what is here, then disconnect
//   draining    the queue pair is in error, or about to be: no response is sent any more; tasks are aborted,
//   and back-end
//               I/O and on_drained are waited for
//   closed      nothing refers to it; the nexus destroys it
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/executor.h"
#include "common/rdma/connection.h"
#include "common/srp/credit.h"
#include "common/srp/login.h"
#include "common/srp/response.h"
#include "target/srp/channel_memory.h"
#include "target/srp/command.h"
#include "target/srp/nexus.h"
#include "target/srp/settings.h"
#include "target/srp/status.h"
#include "target/srp/tag_table.h"
#include "target/srp/task_management.h"

namespace weft::target {

enum class ChannelState : std::uint8_t { preparing, connecting, live, leaving, draining, closed };
[[nodiscard]] constexpr bool may_follow(ChannelState from, ChannelState to) {
    using enum ChannelState;
    switch (from) {
        case preparing: return to == connecting || to == draining;
        case connecting: return to == live || to == leaving || to == draining;
        case live: return to == leaving || to == draining;
        case leaving: return to == draining;
        case draining: return to == closed;
        case closed: return false;
    }
    return false;
}
[[nodiscard]] std::string_view to_string(ChannelState state);

// A receive buffer. It is with the device, or holds an IU: in the channel's queue of those not started, or
// with the command that executes it.
struct ReceiveSlot : public ListNode {
    std::uint32_t index = 0;
    std::uint32_t length = 0;
    std::uint64_t sequence = 0;
    Instant arrived{};
};

// Owner: the nexus. Thread: the reactor's. REQUIRES: closed when destroyed.
class Channel final : private rdma::ConnectionHandler, private TransferQueue::Namer {
  public:
    // Task management functions at once; more are answered "failed".
    static constexpr std::uint32_t kTaskManagementMax = 16;
    // A command is shown as waiting in the status when it takes longer than this.
    static constexpr Duration kWaitShown = 1s;
    // Work on the send queue at once: a response for each command and function, CRED_REQ, probe, data.
    static constexpr std::uint32_t send_depth(std::uint32_t credits) {
        return credits + kTaskManagementMax + 2 + TransferQueue::kWork;
    }
    // Receives: one per credit, and one each for the IUs that take none (CRED_RSP; I_LOGOUT).
    static constexpr std::uint32_t receive_depth(std::uint32_t credits) { return credits + 2; }

    Channel(Nexus& nexus, NexusDomain& domain, std::unique_ptr<rdma::ConnectionRequest> request,
            const srp::LoginRequest& login, std::uint64_t id);
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel() override;

    // Allocates and registers, then accepts; on any failure the request is rejected and the channel closes.
    void prepare();
    // Ends it for a reason of ours. Idempotent.
    void terminate(const std::string& why);
    // Ends it because of what the peer sent: counted, a warning.
    void drop(const std::string& fault);

    // --- For its commands and functions ---
    [[nodiscard]] Executor& executor() { return nexus_.port().executor(); }
    [[nodiscard]] Nexus& nexus() { return nexus_; }
    [[nodiscard]] NexusDomain& domain() { return domain_; }
    [[nodiscard]] ChannelMemory& memory() { return *memory_; }
    [[nodiscard]] BufferPool& pool() { return nexus_.pool(); }
    [[nodiscard]] Counters& counters() { return counters_; }
    [[nodiscard]] bool can_send() const { return connection_ != nullptr && state_ < ChannelState::draining; }
    [[nodiscard]] bool can_receive() const {
        return state_ > ChannelState::preparing && state_ < ChannelState::draining;
    }
    void start(Transfer& transfer);
    void forget(Transfer& transfer) { transfers_.forget(transfer); }
    void forget_tag(Command& command) { tags_.remove(command); }
    // Sends the response; `slot` is free again before it.
    void respond(Command& command, ReceiveSlot& slot, srp::Response& response);
    void respond(TaskManagement& function, srp::Response& response);
    // `slot`: what the command still held, or null.
    void on_command_idle(Command& command, ReceiveSlot* slot);

    // --- For task management ---
    [[nodiscard]] Command* find(const srp::Tag& tag) const { return tags_.find(tag); }
    template <class Visit>  // visit(Command&) on each busy one
    void for_each_command(Visit visit) {
        for (const auto& command : commands_)
            if (command->busy()) visit(*command);
    }
    // Drops the received commands for which test(view) holds before they are started; returns how many.
    template <class Test>
    std::size_t withdraw_waiting(Test test);
    void evaluate_functions();
    void on_cleared_elsewhere(std::uint64_t function);
    void go_on() {  // something it may have waited for has changed
        if (!waiting_.empty() && !pump_.pending()) executor().defer(pump_);
    }

    [[nodiscard]] std::uint64_t id() const { return id_; }
    [[nodiscard]] std::uint64_t generation() const { return generation_; }
    [[nodiscard]] ChannelState state() const { return state_; }
    [[nodiscard]] bool closed() const { return state_ == ChannelState::closed; }
    // Whether a task of it may still touch a medium. (Tasks that only wait for their response's completion do
    // not.)
    [[nodiscard]] std::uint32_t busy_commands() const { return busy_commands_; }
    [[nodiscard]] ChannelStatus status() const;

  private:
    // rdma::ConnectionHandler
    void on_established(std::span<const std::byte> private_data) override;
    void on_connect_failed(rdma::ConnectFailure failure, int reason, std::span<const std::byte> private_data,
                           const std::string& detail) override;
    void on_completion(const rdma::Completion& completion) override;
    void on_disconnected(rdma::DisconnectReason reason) override;
    void on_drained() override;
    // TransferQueue::Namer
    rdma::WorkId name(const Transfer& transfer, std::uint32_t retired) override;
    void on_posted(Transfer& transfer) override;

    // channel.cc: the life
    void enter(ChannelState next);
    void on_registered(const Result<void>& result);
    Result<void> make_connection();
    void make_slots();
    [[nodiscard]] srp::LoginResponse login_response(srp::MultiChannelResult result) const;
    void reject(srp::RejectReason reason, const std::string& why);
    void end();
    void begin_draining();
    void close_if_over();
    void close();
    void on_tick();
    void probe();
    void fail_transfers();

    // channel_receive.cc: what the initiator sends
    void on_received(ReceiveSlot& slot, std::uint32_t length);
    void on_command_received(ReceiveSlot& slot);
    void on_task_management_received(ReceiveSlot& slot);
    void on_notice_received(ReceiveSlot& slot);
    bool start_command(ReceiveSlot& slot);
    void pump();
    void post(ReceiveSlot& slot);
    void release(ReceiveSlot& slot);  // to the device, and its credit to the initiator
    [[nodiscard]] std::span<const std::byte> iu(const ReceiveSlot& slot) const;

    // channel_send.cc: what it sends, and how that ends
    void send(rdma::WorkId id, std::span<const std::byte> iu);
    void send_credits_if_stuck();
    void on_work_done(const rdma::Completion& completion);
    void leave_if_over();

    Nexus& nexus_;
    NexusDomain& domain_;
    std::unique_ptr<rdma::ConnectionRequest> request_;
    const srp::LoginRequest login_;
    const std::uint64_t id_;
    std::uint64_t generation_;  // of its nexus: when it was made, then when it was admitted
    const std::string peer_;
    const bool immediate_;
    ChannelState state_ = ChannelState::preparing;
    Instant since_{};        // when it entered the state
    int registrations_ = 0;  // to come

    std::unique_ptr<ChannelMemory> memory_;
    std::unique_ptr<std::byte[]> scratch_;
    srp::CreditLedger credits_;
    TransferQueue transfers_{*this};
    TagTable tags_;
    std::vector<ReceiveSlot> receives_;
    IntrusiveList<ReceiveSlot> waiting_;
    Instant oldest_waiting_{};
    std::vector<std::unique_ptr<Command>> commands_;
    std::vector<Command*> idle_commands_;
    std::uint32_t busy_commands_ = 0;
    std::vector<std::unique_ptr<TaskManagement>> functions_;
    std::unique_ptr<rdma::Connection> connection_;  // after all memory it uses: destroyed first

    bool drained_ = false;
    bool credit_request_out_ = false;
    bool credit_request_sending_ = false;
    std::uint32_t quiet_ticks_ = 0;  // without a command, as far as they matter
    std::uint64_t commands_at_tick_ = 0;
    bool probe_out_ = false;
    bool heard_ = false;  // a completion since the last tick
    std::uint32_t misses_ = 0;
    std::uint64_t next_notice_tag_ = 1;
    std::uint32_t inline_bytes_ = 0;
    Counters counters_;
    TimerCall<Channel, &Channel::on_tick> tick_{*this};
    DeferredCall<Channel, &Channel::pump> pump_{*this};
    DeferredCall<Channel, &Channel::fail_transfers> fail_transfers_{*this};
    DeferredCall<Channel, &Channel::close> close_{*this};
};

template <class Test>
std::size_t Channel::withdraw_waiting(Test test) {
    std::size_t count = 0;
    waiting_.for_each([&](ReceiveSlot& slot) {
        const auto view = srp::decode_command(iu(slot), immediate_ ? login_.immediate_offset : 0);
        if (!view || !test(*view)) return;
        waiting_.remove(slot);
        release(slot);
        ++counters_.aborted;
        ++count;
    });
    if (count > 0) send_credits_if_stuck();
    return count;
}

}  // namespace weft::target
