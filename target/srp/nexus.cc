// SPDX-License-Identifier: Apache-2.0
#include "target/srp/nexus.h"

#include <algorithm>
#include <utility>

#include "common/core/log.h"
#include "common/srp/port_id.h"
#include "target/srp/channel.h"

namespace weft::target {

Result<std::unique_ptr<Nexus>> Nexus::create(Port& port, const srp::PortId& initiator,
                                             std::vector<Export> exports) {
    const std::uint64_t bytes =
        std::max<std::uint64_t>(port.settings().nexus_buffer_bytes, BufferPool::kBlockBytesMax);
    auto slab = Slab::allocate(bytes);
    if (!slab) return tl::unexpected(slab.error());
    return std::unique_ptr<Nexus>(new Nexus(port, initiator, std::move(exports), std::move(*slab)));
}

Nexus::Nexus(Port& port, const srp::PortId& initiator, std::vector<Export> exports, Slab slab)
    : port_(port),
      initiator_(initiator),
      slab_(std::move(slab)),
      buffers_{
          .base = slab_.data(), .length = slab_.size(), .id = port.regions().add(slab_.data(), slab_.size())},
      pool_(port.executor(), buffers_),
      luns_(port.executor(), std::move(exports)),
      idle_since_(port.executor().now()) {
    aborts_ahead_.reserve(kAbortsAheadMax);
}

Nexus::~Nexus() {
    WEFT_CHECK(idle());
    port_.executor().cancel(grace_);
    domains_.clear();
    port_.regions().remove(buffers_.id);
}

std::string Nexus::name() const { return srp::to_string(initiator_); }

Result<NexusDomain*> Nexus::domain_for(const rdma::ConnectionRequest& request) {
    const std::string device = request.device();
    for (const auto& domain : domains_)
        if (domain->device() == device && !domain->lost()) return domain.get();
    auto opened = port_.fabric().open_domain(request);
    if (!opened) return tl::unexpected(opened.error());
    // Its loss ends the channels on it; the last of them to be reaped takes the domain along.
    domains_.push_back(
        std::make_unique<NexusDomain>(device, std::move(*opened), [this] { drop_lost_domains(); }));
    NexusDomain& domain = *domains_.back();
    for (const auto& entry : luns_.entries()) {
        const auto memory = entry->unit->device().memory();
        if (memory && memory->id != kNoRegion) domain.register_volume(*memory, entry->unit->identity().name);
    }
    return &domain;
}

void Nexus::drop_lost_domains() {
    std::erase_if(domains_, [this](const auto& domain) {
        return domain->lost() && std::none_of(channels_.begin(), channels_.end(), [&](const auto& channel) {
                   return &channel->domain() == domain.get();
               });
    });
}

bool Nexus::has_room(srp::MultiChannelAction action) const {
    const std::uint32_t limit = port_.settings().channels_per_nexus;
    if (channels_.size() >= std::size_t{limit} * 4) return false;
    if (action == srp::MultiChannelAction::terminate) return true;
    const auto counts = [](const auto& channel) { return channel->state() < ChannelState::draining; };
    return static_cast<std::uint32_t>(std::count_if(channels_.begin(), channels_.end(), counts)) < limit;
}

void Nexus::log_in(std::unique_ptr<rdma::ConnectionRequest> request, const srp::LoginRequest& login) {
    const auto domain = domain_for(*request);
    if (!domain) {
        port_.on_login_failed("login from " + request->peer() + ": " + domain.error().what);
        request->reject(srp::encode(
            srp::LoginReject{.tag = login.tag, .reason = srp::RejectReason::insufficient_resources}));
        return;
    }
    port_.executor().cancel(grace_);
    channels_.push_back(
        std::make_unique<Channel>(*this, **domain, std::move(request), login, port_.next_sequence()));
    channels_.back()->prepare();
}

void Nexus::terminate(const std::string& why) {
    for (const auto& channel : channels_) channel->terminate(why);
}

Nexus::Admission Nexus::admit(Channel& channel, srp::MultiChannelAction action) {
    ++logins_;
    port_.on_accepted();
    bool others = false;
    for (const auto& other : channels_) {
        if (other.get() == &channel || other->state() == ChannelState::closed) continue;
        // A login that is still being prepared is a later one, not one to be terminated.
        if (other->state() == ChannelState::preparing) continue;
        others = true;
    }
    if (action == srp::MultiChannelAction::keep)
        return {.generation = generation_,
                .result = others ? srp::MultiChannelResult::kept : srp::MultiChannelResult::none_existed};
    ++generation_;
    for (const auto& other : channels_) {
        if (other.get() == &channel || other->state() == ChannelState::preparing) continue;
        other->terminate("a new login of the initiator takes its place");
    }
    return {.generation = generation_,
            .result = others ? srp::MultiChannelResult::terminated : srp::MultiChannelResult::none_existed};
}

bool Nexus::open_for(std::uint64_t generation) const {
    return std::none_of(channels_.begin(), channels_.end(), [&](const auto& channel) {
        return channel->generation() < generation && channel->busy_commands() > 0;
    });
}

bool Nexus::abort_ahead(const srp::Tag& tag, const Channel& channel) {
    // Only what is still under way on another channel needs it.
    const bool alone = std::none_of(channels_.begin(), channels_.end(), [&](const auto& other) {
        return other.get() != &channel && other->can_receive();
    });
    if (alone) return true;
    const Instant now = port_.executor().now();
    std::erase_if(aborts_ahead_, [&](const AbortAhead& item) { return now - item.since > kAbortsAheadAge; });
    if (aborts_ahead_.size() == kAbortsAheadMax) return false;
    aborts_ahead_.push_back(
        {.tag = tag, .channel = channel.id(), .before = port_.next_sequence(), .since = now});
    return true;
}

bool Nexus::was_aborted_ahead(const srp::Tag& tag, const Channel& channel) {
    if (aborts_ahead_.empty()) return false;
    const auto found = std::find_if(aborts_ahead_.begin(), aborts_ahead_.end(), [&](const AbortAhead& item) {
        return item.tag == tag && item.channel != channel.id() && channel.id() < item.before &&
               port_.executor().now() - item.since <= kAbortsAheadAge;
    });
    if (found == aborts_ahead_.end()) return false;
    aborts_ahead_.erase(found);
    return true;
}

void Nexus::on_command_ended(Channel& channel) {
    port_.on_command_ended();
    if (channel.state() < ChannelState::draining || channel.busy_commands() > 0) return;
    for (const auto& other : channels_) other->go_on();
}

void Nexus::on_channel_closed(Channel& channel) {
    WEFT_CHECK(channel.closed());
    if (!reap_.pending()) port_.executor().defer(reap_);
}

void Nexus::reap() {
    std::erase_if(channels_, [this](const auto& channel) {
        if (!channel->closed()) return false;
        past_ += channel->counters();
        return true;
    });
    // An entry serves channels that are older than it; with them it goes.
    std::erase_if(aborts_ahead_, [this](const AbortAhead& item) {
        return std::none_of(channels_.begin(), channels_.end(), [&](const auto& channel) {
            return channel->id() != item.channel && channel->id() < item.before;
        });
    });
    drop_lost_domains();
    for (const auto& channel : channels_) channel->go_on();
    if (!channels_.empty()) return;
    idle_since_ = port_.executor().now();
    port_.executor().start(grace_, port_.settings().nexus_grace);
    port_.on_nexus_idle();
}

void Nexus::on_grace_over() {
    if (!channels_.empty()) return;
    if (!idle()) {
        port_.executor().start(grace_, port_.settings().nexus_grace);
        return;
    }
    log::info("initiator {} is gone", name());
    port_.remove(*this);  // destroys this
}

NexusStatus Nexus::status() const {
    NexusStatus status{.initiator = initiator_,
                       .logins = logins_,
                       .buffer_bytes = pool_.bytes(),
                       .buffer_bytes_lent = pool_.bytes_lent(),
                       .counters = past_};
    for (const auto& entry : luns_.entries()) status.luns.push_back(entry->number);
    const Instant now = port_.executor().now();
    if (pool_.waiters() > 0)
        status.waits.push_back({.reason = std::to_string(pool_.waiters()) + " commands wait for a buffer",
                                .age = now - pool_.oldest_wait()});
    if (channels_.empty())
        status.waits.push_back({.reason = "the initiator to log in again", .age = now - idle_since_});
    for (const auto& channel : channels_) {
        status.channels.push_back(channel->status());
        status.counters += status.channels.back().counters;
    }
    return status;
}

}  // namespace weft::target
