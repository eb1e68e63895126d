// SPDX-License-Identifier: Apache-2.0
#include "target/srp/port.h"

#include <utility>

#include "common/core/log.h"
#include "common/srp/port_id.h"
#include "target/srp/channel.h"
#include "target/srp/nexus.h"

namespace weft::target {

namespace {

std::string and_more(std::uint64_t left_out) {
    return left_out == 0 ? "" : "; " + std::to_string(left_out) + " more were, without a line each";
}

}  // namespace

Port::Port(PortGroup& group, Executor& executor, rdma::Fabric& fabric, RegionDirectory& regions,
           Exports& exports, const Settings& settings)
    : group_(group),
      executor_(executor),
      fabric_(fabric),
      regions_(regions),
      exports_(exports),
      settings_(settings) {
    WEFT_CHECK(settings.request_limit >= 4 && srp::usable_for_target(settings.port_id));
    group_.join(*this);
}

Port::~Port() {
    WEFT_CHECK(channels() == 0 && clearings_.empty() && answers_due_ == 0);
    WEFT_CHECK(!evaluate_.pending() && !check_stopped_.pending());
}

std::size_t Port::channels() const {
    std::size_t sum = 0;
    for (const auto& [id, nexus] : nexuses_) sum += nexus->channels();
    return sum;
}

void Port::reject(rdma::ConnectionRequest& request, const srp::Tag& tag, srp::RejectReason reason,
                  const std::string& why) {
    ++rejected_;
    if (const auto left_out = refusals_.pass(executor_.now()))
        log::warn("login from {} rejected: {} ({}){}", request.peer(), why, srp::to_string(reason),
                  and_more(*left_out));
    request.reject(srp::encode(srp::LoginReject{.tag = tag, .reason = reason}));
}

void Port::on_login_failed(const std::string& what) {
    ++rejected_;
    if (const auto left_out = failures_.pass(executor_.now())) log::error("{}{}", what, and_more(*left_out));
}

void Port::on_fault(const std::string& what) {
    if (const auto left_out = faults_.pass(executor_.now())) log::warn("{}{}", what, and_more(*left_out));
}

bool Port::drop_channel(const srp::PortId& initiator, std::size_t index) {
    const auto found = nexuses_.find(initiator);
    if (found == nexuses_.end()) return false;
    bool dropped = false;
    found->second->for_each_channel([&](Channel& channel) {
        if (index-- != 0 || channel.state() >= ChannelState::draining) return;
        channel.terminate("cut on request");
        dropped = true;
    });
    return dropped;
}

// What is wrong with a login, whoever sends it.
std::optional<srp::RejectReason> Port::refusal(const srp::LoginRequest& login) const {
    if (stopping_) return srp::RejectReason::insufficient_resources;
    if (login.target_port != settings_.port_id) return srp::RejectReason::cannot_associate;
    if (login.it_iu_length < srp::kIuBytesMin || login.it_iu_length > kItIuBytesMax)
        return srp::RejectReason::iu_length;
    if ((login.buffer_formats & ~srp::kFormats) != 0) return srp::RejectReason::buffer_format;
    return std::nullopt;
}

void Port::on_request(std::unique_ptr<rdma::ConnectionRequest> request) {
    const auto login = srp::decode_login_request(request->private_data());
    if (!login) {
        reject(*request, {}, srp::RejectReason::cannot_establish, "malformed login request");
        return;
    }
    if (const auto reason = refusal(*login)) {
        reject(*request, login->tag, *reason, "from " + srp::to_string(login->initiator_port));
        return;
    }
    auto reason = srp::RejectReason::cannot_establish;
    const auto nexus = nexus_of(*login, reason);
    if (!nexus) {
        reject(*request, login->tag, reason, nexus.error().what);
        return;
    }
    (*nexus)->log_in(std::move(request), *login);
}

Result<Nexus*> Port::nexus_of(const srp::LoginRequest& login, srp::RejectReason& reason) {
    if (channels() >= settings_.channels_max) {
        reason = srp::RejectReason::insufficient_resources;
        return fail("the port has as many channels as it may");
    }
    const auto found = nexuses_.find(login.initiator_port);
    if (found != nexuses_.end()) {
        if (!found->second->has_room(login.action)) {
            reason = srp::RejectReason::channel_limit;
            return fail("the initiator has as many channels as it may");
        }
        return found->second.get();
    }
    auto exports = exports_.visible_to(login.initiator_port);
    if (exports.empty()) {
        reason = srp::RejectReason::channel_limit;
        return fail("no volume is for initiator " + srp::to_string(login.initiator_port));
    }
    if (!take_place()) {
        reason = srp::RejectReason::insufficient_resources;
        return fail("as many initiators as allowed are logged in");
    }
    auto nexus = Nexus::create(*this, login.initiator_port, std::move(exports));
    if (!nexus) {
        group_.give_place();
        reason = srp::RejectReason::insufficient_resources;
        return tl::unexpected(nexus.error());
    }
    return nexuses_.emplace(login.initiator_port, std::move(*nexus)).first->second.get();
}

bool Port::take_place() {
    const std::uint32_t most = settings_.nexuses_max;
    return group_.take_place(most) || (make_room() && group_.take_place(most));
}

// Forgets the nexus that has been without channels for longest.
bool Port::make_room() {
    Nexus* oldest = nullptr;
    for (const auto& [id, nexus] : nexuses_)
        if (nexus->idle() && (oldest == nullptr || nexus->idle_since() < oldest->idle_since()))
            oldest = nexus.get();
    if (oldest == nullptr) return false;
    remove(*oldest);
    return true;
}

void Port::remove(Nexus& nexus) {
    WEFT_CHECK(nexus.idle());
    past_ += nexus.status().counters;
    nexuses_.erase(nexus.initiator());
    group_.give_place();
}

void Port::on_nexus_idle() {
    if (stopping_ && !check_stopped_.pending()) executor_.defer(check_stopped_);
}

void Port::on_command_ended() {
    if (functions_ > 0 && !evaluate_.pending()) executor_.defer(evaluate_);
}

void Port::evaluate() {
    for_each_nexus(
        [](Nexus& nexus) { nexus.for_each_channel([](Channel& channel) { channel.evaluate_functions(); }); });
    end_clearings();
    on_nexus_idle();
}

void Port::stop(std::function<void()> stopped) {
    WEFT_CHECK(!stopping_);
    stopping_ = true;
    stopped_ = std::move(stopped);
    for_each_nexus([](Nexus& nexus) { nexus.terminate("the target stops"); });
    executor_.defer(check_stopped_);
}

void Port::check_stopped() {
    for (auto next = nexuses_.begin(); next != nexuses_.end();) {
        Nexus& nexus = *(next++)->second;
        if (nexus.idle())
            remove(nexus);
        else if (nexus.channels() == 0 && !check_stopped_.pending())
            executor_.defer(check_stopped_);  // a call of its own is pending in this turn
    }
    if (!nexuses_.empty() || evaluate_.pending() || !clearings_.empty() || answers_due_ > 0) return;
    if (stopped_) std::exchange(stopped_, nullptr)();
}

PortStatus Port::status() const {
    PortStatus status{
        .port_id = settings_.port_id, .logins = logins_, .rejected = rejected_, .counters = past_};
    for (const auto& [id, nexus] : nexuses_) {
        status.nexuses.push_back(nexus->status());
        status.counters += status.nexuses.back().counters;
    }
    return status;
}

}  // namespace weft::target
