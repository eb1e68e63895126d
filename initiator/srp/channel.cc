// SPDX-License-Identifier: Apache-2.0
// A channel's life: resolve, register, log in, be lost, drain. Its traffic: channel_traffic.cc.
#include "initiator/srp/channel.h"

#include <algorithm>
#include <utility>

#include "common/core/log.h"

namespace weft::initiator {

namespace {

constexpr std::uint8_t kResponderResources = 16;  // RDMA READs the target may have in flight to us
constexpr std::uint8_t kRetryCount = 6;           // 7 would be "for ever" on soft-RoCE
constexpr std::uint8_t kRnrRetryCount = 7;

std::string path_text(const rdma::Endpoint& destination, const std::string& source) {
    const bool v6 = destination.address.find(':') != std::string::npos;
    const std::string to =
        (v6 ? "[" + destination.address + "]" : destination.address) + ":" + std::to_string(destination.port);
    return source.empty() ? to : source + " -> " + to;
}

}  // namespace

std::string_view to_string(ChannelState state) {
    switch (state) {
        case ChannelState::idle: return "idle";
        case ChannelState::waiting: return "waiting";
        case ChannelState::resolving: return "resolving";
        case ChannelState::registering: return "registering";
        case ChannelState::connecting: return "connecting";
        case ChannelState::live: return "live";
        case ChannelState::draining: return "draining";
        case ChannelState::closing: return "closing";
    }
    WEFT_UNREACHABLE("ChannelState");
}

bool may_follow(ChannelState from, ChannelState to) {
    using enum ChannelState;
    switch (from) {
        case idle: return to == waiting || to == resolving;
        case waiting: return to == idle;
        case resolving: return to == registering || to == connecting || to == closing;
        case registering: return to == connecting || to == closing;
        case connecting: return to == live || to == closing;
        case live: return to == draining;
        case draining: return to == closing;
        case closing: return to == idle;
    }
    WEFT_UNREACHABLE("ChannelState");
}

Channel::Channel(Executor& executor, rdma::Fabric& fabric, ChannelOwner& owner, const Timing& timing,
                 std::size_t index, rdma::Endpoint destination, std::string source)
    : executor_(executor),
      fabric_(fabric),
      owner_(owner),
      timing_(timing),
      index_(index),
      destination_(std::move(destination)),
      source_(std::move(source)),
      path_(path_text(destination_, source_)),
      since_(executor.now()) {
    reset_traffic();
}

Channel::~Channel() {
    WEFT_CHECK(quiet());
    WEFT_CHECK(transmit_registration_ == nullptr && receive_registration_ == nullptr);
    executor_.cancel(retry_timer_);
}

Result<void> Channel::allocate() {
    auto slab =
        Slab::allocate(std::size_t{kSendDepth} * kTransmitBytes + std::size_t{kReceiveDepth} * kReceiveBytes);
    if (!slab) return Failure(slab.error());
    slab_ = std::move(*slab);
    return {};
}

void Channel::enter(ChannelState next) {
    WEFT_CHECK(may_follow(state_, next));
    state_ = next;
    since_ = executor_.now();
}

void Channel::wait(Duration delay) {
    enter(ChannelState::waiting);
    executor_.start(retry_timer_, delay);
}

void Channel::retry_due() {
    enter(ChannelState::idle);
    owner_.on_channel_due(*this);
}

void Channel::connect(const LoginTerms& terms) {
    WEFT_CHECK(connection_ == nullptr && slab_.data() != nullptr);
    enter(ChannelState::resolving);
    terms_ = terms;
    ++attempt_;
    was_live_ = false;
    reject_reason_.reset();
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(timing_.connect_timeout).count();
    // Address, route, registration and login share one limit: RDMA/CM alone would try for over a minute.
    executor_.start(attempt_timer_, timing_.connect_timeout);
    connection_ = fabric_.connect(destination_, source_, static_cast<int>(std::max<long>(limit, 1)), *this);
}

void Channel::cancel() {
    if (state_ == ChannelState::waiting) {
        executor_.cancel(retry_timer_);
        enter(ChannelState::idle);
    } else {
        cancel_attempt();
    }
}

void Channel::cancel_attempt() { fail_attempt("given up"); }

void Channel::release_memory() {
    WEFT_CHECK(quiet());
    transmit_registration_.reset();
    receive_registration_.reset();
    memory_ = nullptr;
}

void Channel::on_resolved() {
    if (state_ != ChannelState::resolving) return;
    auto memory = owner_.memory_for(*connection_);
    if (!memory) {
        fail_attempt(memory.error().what);
        return;
    }
    if (memory_ != *memory) {
        transmit_registration_.reset();
        receive_registration_.reset();
        memory_ = *memory;
    }
    if (transmit_registration_ != nullptr && receive_registration_ != nullptr) {
        establish();
    } else {
        enter(ChannelState::registering);
        register_memory();
    }
}

void Channel::register_memory() {
    const std::size_t transmit_bytes = std::size_t{kSendDepth} * kTransmitBytes;
    const bool transmit = transmit_registration_ == nullptr;
    std::byte* const start = transmit ? slab_.data() : slab_.data() + transmit_bytes;
    const std::size_t length = transmit ? transmit_bytes : std::size_t{kReceiveDepth} * kReceiveBytes;
    // The target reads parameter data from where it stands in the IU's slot if it takes no immediate data.
    memory_->domain().register_memory(start, length,
                                      transmit ? rdma::Access::remote_read : rdma::Access::local,
                                      [this, memory = memory_, attempt = attempt_, transmit](auto result) {
                                          on_registered(memory, attempt, transmit, std::move(result));
                                      });
}

void Channel::on_registered(const DeviceMemory* memory, std::uint64_t attempt, bool transmit,
                            Result<std::unique_ptr<rdma::Registration>> result) {
    const bool ours = attempt == attempt_ && state_ == ChannelState::registering;
    if (!result) {
        if (ours) fail_attempt("cannot register memory: " + result.error().what);
        return;
    }
    // One that comes too late for its attempt serves the next.
    auto& registration = transmit ? transmit_registration_ : receive_registration_;
    if (memory == memory_ && registration == nullptr) {
        registration = std::move(*result);
        (transmit ? transmit_keys_ : receive_keys_) = registration->keys();
    }
    if (!ours) return;
    if (transmit_registration_ != nullptr && receive_registration_ != nullptr)
        establish();
    else
        register_memory();
}

void Channel::establish() {
    enter(ChannelState::connecting);
    const rdma::Parameters parameters{.depths = {.send = kSendDepth, .receive = kReceiveDepth},
                                      .responder_resources = kResponderResources,
                                      .initiator_depth = 0,
                                      .retry_count = kRetryCount,
                                      .rnr_retry_count = kRnrRetryCount};
    if (auto made = connection_->create_queue_pair(memory_->domain(), parameters); !made) {
        fail_attempt(made.error().what);
        return;
    }
    // All of them before the login leaves: the target never finds the queue empty.
    for (std::size_t i = 0; i < kReceiveDepth; ++i) post_receive(i);
    srp::LoginRequest request;
    request.action = terms_.action;
    request.immediate_data = true;
    request.immediate_offset = kImmediateOffset;
    request.it_iu_length = kImmediateOffset + kImmediateBytes;
    request.initiator_port = terms_.initiator_port;
    request.target_port = terms_.target_port;
    if (terms_.offer_extension) request.extension = srp::Extension{};
    if (auto sent = connection_->establish(srp::encode(request)); !sent) fail_attempt(sent.error().what);
}

void Channel::on_established(std::span<const std::byte> private_data) {
    if (state_ != ChannelState::connecting) return;
    const auto response = srp::decode_login_response(private_data);
    const std::string wrong = response ? accept(*response) : "the answer to the login is malformed";
    if (!wrong.empty()) {
        fail_attempt(wrong);
        return;
    }
    executor_.cancel(attempt_timer_);
    enter(ChannelState::live);
    was_live_ = true;
    probing_ = false;
    heard_ = true;
    misses_ = 0;
    starving_ = false;
    next_beat_ = executor_.now() + timing_.heartbeat;
    hurry();
    ++counters_.connects;
    owner_.on_channel_live(*this);
}

std::string Channel::accept(const srp::LoginResponse& response) {
    if (response.request_limit_delta < 2) return "the target grants no usable request limit";
    if (response.it_iu_length < kCommandIuBytes) return "the target takes no command with a descriptor";
    if ((response.buffer_formats & srp::kDirectFormat) == 0) return "the target takes no direct descriptors";
    credits_.assign(response.request_limit_delta);
    login_result_ = response.result;
    weft_peer_ = terms_.offer_extension && response.extension &&
                 srp::is_answer_to(*response.extension, srp::Extension{});
    immediate_max_ = 0;
    if (response.immediate_data && response.it_iu_length > kImmediateOffset)
        immediate_max_ =
            std::min(response.it_iu_length - static_cast<std::uint32_t>(kImmediateOffset), kImmediateBytes);
    inline_max_ = connection_->limits().inline_bytes;
    return "";
}

void Channel::on_connect_failed(rdma::ConnectFailure failure, int cm_reason,
                                std::span<const std::byte> private_data, const std::string& detail) {
    std::string why = std::string(rdma::to_string(failure));
    if (!detail.empty() && detail != why) why += ": " + detail;
    if (failure == rdma::ConnectFailure::rejected) {
        if (const auto reject = srp::decode_login_reject(private_data)) {
            reject_reason_ = reject->reason;
            why = "login rejected: " + std::string(srp::to_string(reject->reason));
        } else {
            why += " (CM reason " + std::to_string(cm_reason) + ")";
        }
    }
    fail_attempt(why);
}

void Channel::attempt_expired() { fail_attempt("no answer in time"); }

void Channel::fail_attempt(const std::string& why) {
    const bool attempting = state_ == ChannelState::resolving || state_ == ChannelState::registering ||
                            state_ == ChannelState::connecting;
    if (!attempting) return;  // decided already; a late callback of a connection about to go
    executor_.cancel(attempt_timer_);
    problem_ = why;
    enter(ChannelState::closing);
    executor_.defer(closed_);
}

void Channel::disconnect(const std::string& why) {
    WEFT_CHECK(live());
    lose(why);
    connection_->disconnect();
}

void Channel::drop(const std::string& why) {
    if (!live()) return;
    disconnect(why);
    owner_.on_channel_lost(*this);
}

void Channel::lose(const std::string& why) {
    problem_ = why;
    ++counters_.losses;
    executor_.cancel(tick_timer_);
    enter(ChannelState::draining);
}

void Channel::on_disconnected(rdma::DisconnectReason reason) {
    if (live()) {
        lose(std::string(rdma::to_string(reason)));
        owner_.on_channel_lost(*this);
    } else {
        // Before the target's answer could be used: as good as a refusal.
        fail_attempt("disconnected: " + std::string(rdma::to_string(reason)));
    }
}

void Channel::on_drained() {
    if (state_ != ChannelState::draining) return;
    enter(ChannelState::closing);
    executor_.defer(closed_);
}

// Runs by itself, in no callback of the connection, which may thus be destroyed.
void Channel::closed() {
    connection_.reset();
    enter(ChannelState::idle);
    if (was_live_)
        owner_.on_channel_drained(*this);
    else
        owner_.on_channel_failed(*this);
}

ChannelStatus Channel::status() const {
    ChannelStatus status;
    status.index = index_;
    status.path = path_;
    status.device = memory_ != nullptr ? memory_->device() : "";
    status.state = to_string(state_);
    if (live() && misses_ > 0) status.state = "suspect";
    status.age = executor_.now() - since_;
    status.in_flight = in_flight_;
    status.credits = live() ? credits_.value() : 0;
    status.problem = problem_;
    status.counters = counters_;
    return status;
}

Wait Channel::unanswered(Duration limit) const {
    const Instant now = executor_.now();
    Wait wait;
    for (const Slot& slot : slots_) {
        if (slot.command == nullptr || slot.answered || now - slot.sent < limit) continue;
        ++wait.requests;
        wait.age = std::max(wait.age, now - slot.sent);
    }
    return wait;
}

}  // namespace weft::initiator
