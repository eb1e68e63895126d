// SPDX-License-Identifier: Apache-2.0
// The life of a channel: login, liveness, loss, end.
#include "target/srp/channel.h"

#include <algorithm>
#include <new>
#include <utility>

#include "common/core/log.h"
#include "common/srp/port_id.h"

namespace weft::target {
namespace {

// Immediate data must lie behind the descriptor; ib_srpt has the same rule (srp.md 2.1).
bool takes_immediate(const srp::LoginRequest& login) {
    return login.immediate_data && login.immediate_offset >= srp::kCommandBytes + sizeof(std::uint32_t) &&
           login.immediate_offset < login.it_iu_length;
}

constexpr std::uint32_t kQuietTicks = 10;
constexpr int kIdlePace = 5;

std::size_t whole_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

std::string_view to_string(ChannelState state) {
    switch (state) {
        case ChannelState::preparing: return "preparing";
        case ChannelState::connecting: return "connecting";
        case ChannelState::live: return "live";
        case ChannelState::leaving: return "leaving";
        case ChannelState::draining: return "draining";
        case ChannelState::closed: return "closed";
    }
    WEFT_UNREACHABLE("ChannelState");
}

Channel::Channel(Nexus& nexus, NexusDomain& domain, std::unique_ptr<rdma::ConnectionRequest> request,
                 const srp::LoginRequest& login, std::uint64_t id)
    : nexus_(nexus),
      domain_(domain),
      request_(std::move(request)),
      login_(login),
      id_(id),
      generation_(nexus.generation()),
      peer_(request_->peer()),
      immediate_(takes_immediate(login)),
      since_(nexus.port().executor().now()),
      credits_(nexus.port().settings().request_limit),
      tags_(credits_.limit()) {}

Channel::~Channel() {
    WEFT_CHECK(closed() && waiting_.empty() && busy_commands_ == 0);
    WEFT_CHECK(!pump_.pending() && !fail_transfers_.pending());
    connection_.reset();
}

void Channel::enter(ChannelState next) {
    WEFT_CHECK(may_follow(state_, next));
    state_ = next;
    since_ = executor().now();
}

void Channel::prepare() {
    const std::uint32_t credits = credits_.limit();
    auto memory =
        ChannelMemory::allocate({.receives = receive_depth(credits),
                                 .transmits = credits + kTaskManagementMax + 1,
                                 .parameters = credits,
                                 .receive_bytes = login_.it_iu_length,
                                 .immediate_offset = immediate_ ? login_.immediate_offset : std::uint32_t{0}},
                                nexus_.port().regions(), domain_);
    if (!memory) {
        reject(srp::RejectReason::insufficient_resources, memory.error().what);
        return;
    }
    memory_ = std::move(*memory);
    registrations_ = 2;
    const auto registered = [this](const Result<void>& result) { on_registered(result); };
    memory_->register_memory(registered);
    domain_.register_buffers(nexus_.buffers(), registered);
}

void Channel::on_registered(const Result<void>& result) {
    --registrations_;
    if (state_ == ChannelState::draining) {  // terminated, or the other registration failed
        close_if_over();
        return;
    }
    if (!result) {
        reject(srp::RejectReason::insufficient_resources, result.error().what);
        return;
    }
    if (registrations_ > 0) return;
    if (generation_ != nexus_.generation()) {
        reject(srp::RejectReason::cannot_establish, "a later login of the initiator was faster");
        return;
    }
    if (const auto made = make_connection(); !made) {
        reject(srp::RejectReason::insufficient_resources, made.error().what);
        return;
    }
    const Nexus::Admission admission = nexus_.admit(*this, login_.action);
    generation_ = admission.generation;
    enter(ChannelState::connecting);
    const auto accepted = request_->accept(srp::encode(login_response(admission.result)));
    request_.reset();
    if (!accepted) {
        terminate("accept failed: " + accepted.error().what);
        return;
    }
    transfers_.open(*connection_);  // what was negotiated is known now
    inline_bytes_ = connection_->limits().inline_bytes;
    log::info("initiator {} logged in from {} ({} credits)", nexus_.name(), peer_, credits_.limit());
    executor().start(tick_, nexus_.port().settings().establish_timeout);
}

Result<void> Channel::make_connection() {
    const std::uint8_t reads =
        std::min<std::uint8_t>(request_->peer_responder_resources(), TransferQueue::kReadWorkMax);
    auto connection = request_->create_connection(
        domain_.domain(),
        {.depths = {.send = send_depth(credits_.limit()), .receive = receive_depth(credits_.limit())},
         .responder_resources = 0,  // nothing of ours is for the peer to read
         .initiator_depth = reads},
        *this);
    if (!connection) return tl::unexpected(connection.error());
    connection_ = std::move(*connection);
    make_slots();
    for (ReceiveSlot& slot : receives_) post(slot);
    return {};
}

// Everything the channel will ever use: nothing is allocated after this.
void Channel::make_slots() {
    const std::uint32_t credits = credits_.limit();
    const std::size_t scratch = whole_lines(lun::kPieces * nexus_.luns().scratch_bytes());
    static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= 16);
    scratch_ = std::make_unique<std::byte[]>(std::max<std::size_t>(scratch * credits, 1));
    receives_ = std::vector<ReceiveSlot>(receive_depth(credits));
    for (std::uint32_t i = 0; i < receives_.size(); ++i) receives_[i].index = i;
    commands_.reserve(credits);
    idle_commands_.reserve(credits);
    for (std::uint32_t i = 0; i < credits; ++i) {
        commands_.push_back(
            std::make_unique<Command>(*this, i, std::span(scratch_.get() + i * scratch, scratch)));
    }
    for (std::uint32_t i = credits; i-- > 0;) idle_commands_.push_back(commands_[i].get());
    for (std::uint32_t i = 0; i < kTaskManagementMax; ++i)
        functions_.push_back(std::make_unique<TaskManagement>(*this, i));
}

srp::LoginResponse Channel::login_response(srp::MultiChannelResult result) const {
    srp::LoginResponse response{.tag = login_.tag,
                                .request_limit_delta = static_cast<std::int32_t>(credits_.limit()),
                                .it_iu_length = login_.it_iu_length,
                                .ti_iu_length = kTiIuBytes,
                                .result = result,
                                .immediate_data = immediate_};
    if (login_.extension) response.extension = srp::agree(*login_.extension);
    return response;
}

void Channel::reject(srp::RejectReason reason, const std::string& why) {
    nexus_.port().on_login_failed("login from " + peer_ + " rejected: " + why + " (" +
                                  std::string(srp::to_string(reason)) + ")");
    request_->reject(srp::encode(srp::LoginReject{.tag = login_.tag, .reason = reason}));
    request_.reset();
    connection_.reset();  // never connected: nothing of it is under way
    enter(ChannelState::draining);
    drained_ = true;
    close_if_over();
}

void Channel::terminate(const std::string& why) {
    if (state_ >= ChannelState::draining) return;
    if (state_ == ChannelState::preparing) {
        reject(srp::RejectReason::insufficient_resources, why);
        return;
    }
    log::info("channel of initiator {} from {} ends: {}", nexus_.name(), peer_, why);
    end();
}

void Channel::end() {
    begin_draining();
    connection_->disconnect();
}

void Channel::drop(const std::string& fault) {
    if (state_ >= ChannelState::draining) return;
    ++counters_.protocol_errors;
    if (state_ == ChannelState::preparing) {
        reject(srp::RejectReason::cannot_establish, "the initiator sent " + fault);
        return;
    }
    nexus_.port().on_fault("channel of initiator " + nexus_.name() + " from " + peer_ +
                           " dropped: the initiator sent " + fault);
    end();
}

void Channel::on_established(std::span<const std::byte>) {
    if (state_ != ChannelState::connecting) return;
    enter(ChannelState::live);
    const Duration heartbeat = nexus_.port().settings().heartbeat;
    if (heartbeat > Duration{0})
        executor().start(tick_, heartbeat);
    else
        executor().cancel(tick_);
}

void Channel::on_connect_failed(rdma::ConnectFailure, int, std::span<const std::byte>, const std::string&) {
    WEFT_UNREACHABLE("a connection that was accepted, not made, failed to connect");
}

// While connecting: the initiator never said ready-to-use. While live: probes what is silent. A queue pair of
// a peer that vanished may never report it by itself: soft-RoCE takes the peer's retry count of 7 as "for
// ever".
void Channel::on_tick() {
    const Settings& settings = nexus_.port().settings();
    if (state_ == ChannelState::connecting) {
        terminate("the initiator did not finish the login");
        return;
    }
    if (!can_send()) return;
    if (heard_) {
        heard_ = false;
        misses_ = 0;
    } else if (!probe_out_) {
        probe();
    } else {
        ++misses_;
        ++counters_.probes_missed;
        if (misses_ >= settings.heartbeat_misses) {
            ++counters_.transport_errors;
            terminate("the initiator does not answer");
            return;
        }
    }
    // A channel that nobody uses is probed less often: then nothing waits for the news.
    const bool busy = busy_commands() > 0 || misses_ > 0 || counters_.commands != commands_at_tick_;
    commands_at_tick_ = counters_.commands;
    quiet_ticks_ = busy ? 0 : std::min(quiet_ticks_ + 1, kQuietTicks);
    executor().start(tick_,
                     quiet_ticks_ >= kQuietTicks ? settings.heartbeat * kIdlePace : settings.heartbeat);
}

void Channel::on_disconnected(rdma::DisconnectReason reason) {
    if (state_ < ChannelState::draining) {
        if (reason == rdma::DisconnectReason::transport) ++counters_.transport_errors;
        log::info("channel of initiator {} from {} lost: {}", nexus_.name(), peer_, rdma::to_string(reason));
    }
    begin_draining();
}

// From here on no completion is looked at: all that was posted is over when on_drained() says so.
void Channel::begin_draining() {
    if (state_ >= ChannelState::draining) return;
    enter(ChannelState::draining);
    executor().cancel(tick_);
    while (!waiting_.empty()) waiting_.pop_front();
    for (const auto& function : functions_) function->on_channel_lost();
    for_each_command([](Command& command) { command.withdraw(Withdrawal::silent); });
    nexus_.on_command_ended(*this);
}

void Channel::on_drained() {
    begin_draining();
    drained_ = true;
    fail_transfers();
}

void Channel::fail_transfers() {
    for_each_command([](Command& command) { command.on_drained(); });
    close_if_over();
}

void Channel::close_if_over() {
    if (state_ != ChannelState::draining || !drained_ || registrations_ > 0 || busy_commands_ > 0) return;
    if (!close_.pending()) executor().defer(close_);
}

void Channel::close() {
    if (pump_.pending() || fail_transfers_.pending()) {  // asked for in this turn: they come before us then
        executor().defer(close_);
        return;
    }
    enter(ChannelState::closed);
    nexus_.on_channel_closed(*this);
}

void Channel::evaluate_functions() {
    for (const auto& function : functions_) function->evaluate();
}

void Channel::on_cleared_elsewhere(std::uint64_t function) {
    for (const auto& one : functions_)
        if (one->state() == TaskManagement::State::waiting && one->sequence() == function)
            one->on_cleared_elsewhere();
}

ChannelStatus Channel::status() const {
    const Instant now = nexus_.port().executor().now();
    ChannelStatus status{.peer = peer_,
                         .device = domain_.device(),
                         .state = to_string(state_),
                         .age = now - since_,
                         .request_limit = credits_.limit(),
                         .granted = credits_.granted(),
                         .in_flight = busy_commands_,
                         .waiting = static_cast<std::uint32_t>(waiting_.size()),
                         .immediate_data = immediate_,
                         .memory_bytes = memory_ != nullptr ? memory_->bytes() : 0,
                         .counters = counters_};
    if (state_ == ChannelState::preparing)
        status.waits.push_back({.reason = "memory to be registered", .age = status.age});
    if (state_ == ChannelState::draining)
        status.waits.push_back(
            {.reason = !drained_ ? "the queue pair to drain" : "back-end I/O of a lost channel",
             .age = status.age});
    if (!waiting_.empty())
        status.waits.push_back({.reason = nexus_.open_for(generation_)
                                              ? "commands wait for a free slot"
                                              : "commands wait for I/O of an older login",
                                .age = now - oldest_waiting_});
    for (const auto& command : commands_) {
        if (command->busy() && now - command->started() > kWaitShown)
            status.waits.push_back({.reason = "a command waits for " + std::string(command->waits_for()),
                                    .age = now - command->started()});
    }
    for (const auto& function : functions_) {
        if (function->state() == TaskManagement::State::waiting)
            status.waits.push_back(
                {.reason = std::string(function->name()) + " waits for its commands to end",
                 .age = now - function->started()});
    }
    return status;
}

}  // namespace weft::target
