// SPDX-License-Identifier: Apache-2.0
// Commands through a session, and what it tells about itself.
#include <algorithm>
#include <utility>

#include "common/scsi/sense.h"
#include "initiator/srp/session.h"

namespace weft::initiator {

void Session::submit(Command& command) {
    WEFT_CHECK(command.user != nullptr && command.done != nullptr);
    command.since = executor_.now();
    command.enter(CommandState::waiting);
    if (state_ == SessionState::stopping || state_ == SessionState::stopped) {
        waiting_.push_back(command);
        if (!advance_.pending()) executor_.defer(advance_);
        return;
    }
    if (!live() || !waiting_.empty()) {
        waiting_.push_back(command);
        return;
    }
    switch (try_send(command)) {
        case Sent::yes: return;
        case Sent::full: waiting_.push_back(command); return;
        case Sent::pending: unregistered_.push_back(command); return;
        case Sent::failed:  // pump() says so, later
            waiting_.push_back(command);
            if (!advance_.pending()) executor_.defer(advance_);
            return;
    }
}

// The least loaded of the channels that can take it.
Session::Sent Session::try_send(Command& command) {
    Channel* best = nullptr;
    bool full = false;
    bool pending = false;
    for (auto& channel : channels_) {
        if (!channel->live()) continue;
        switch (channel->fit(command)) {
            case Channel::Fit::yes:
                if (best == nullptr || channel->in_flight() < best->in_flight()) best = channel.get();
                break;
            case Channel::Fit::full: full = true; break;
            case Channel::Fit::memory_pending: pending = true; break;
            case Channel::Fit::memory_failed: break;
        }
    }
    if (best != nullptr) {
        best->send(command);
        return Sent::yes;
    }
    return full ? Sent::full : pending ? Sent::pending : Sent::failed;
}

void Session::pump() {
    while (live() && !waiting_.empty()) {
        Command& command = waiting_.pop_front();
        const Sent sent = try_send(command);
        if (sent == Sent::full) {
            waiting_.push_front(command);
            return;
        }
        if (sent == Sent::pending) unregistered_.push_back(command);
        if (sent == Sent::failed) give_back(command, Outcome::unregistered);
    }
}

void Session::give_back(Command& command, Outcome outcome) {
    WEFT_CHECK(!command.linked());
    command.outcome = outcome;
    command.enter(CommandState::idle);
    if (outcome == Outcome::resend) ++counters_.resent;
    command.done(command);
}

// In the order they were sent. `done` may submit again, to this very list.
void Session::give_back_all(IntrusiveList<Command>& commands, Outcome outcome) {
    IntrusiveList<Command> taken;
    taken.append(commands);
    if (outcome == Outcome::resend && taken.size() > 1) {
        std::vector<Command*> order = std::exchange(order_, {});
        order.clear();
        while (!taken.empty()) order.push_back(&taken.pop_front());
        std::stable_sort(order.begin(), order.end(),
                         [](const Command* a, const Command* b) { return a->tag < b->tag; });
        for (Command* command : order) taken.push_back(*command);
        order_ = std::move(order);
    }
    while (!taken.empty()) give_back(taken.pop_front(), outcome);
}

void Session::withdraw(const SessionUser& user) {
    IntrusiveList<Command> taken;
    for (IntrusiveList<Command>* list : {&waiting_, &unregistered_, &unsettled_}) {
        list->for_each([&](Command& command) {
            if (command.user != &user) return;
            list->remove(command);
            taken.push_back(command);
        });
    }
    give_back_all(taken, Outcome::withdrawn);
}

void Session::on_command_finished(Command& command) {
    command.enter(CommandState::idle);
    command.done(command);
}

void Session::on_room(Channel&) {
    if (!unsettled_.empty()) settle();
    if (!waiting_.empty()) pump();
}

// Other sense than a unit attention tells of errors that their commands report as well.
bool Session::on_event(const srp::Lun& lun, std::span<const std::byte> sense) {
    const auto said = scsi::decode_sense(sense);
    if (!live() || !said || said->key != scsi::SenseKey::unit_attention) return false;
    bool concerned = false;
    users_.for_each([&](SessionUser& user) { concerned = user.on_unit_event(lun) || concerned; });
    return concerned;
}

void Session::on_region_settled(RegionId) {
    waiting_.append(unregistered_);
    pump();
}

void Session::on_region_added(const Region& region) {
    known_regions_.push_back(region);
    for (auto& device : devices_) device->add(region);
}

void Session::on_region_removed(RegionId id) {
    std::erase_if(known_regions_, [id](const Region& region) { return region.id == id; });
    for (auto& device : devices_) device->remove(id);
}

namespace {

// Commands that the target holds for longer count as waiting: it may stand still.
constexpr Duration kSlowAnswer = 1s;

Wait wait_of(std::string reason, IntrusiveList<Command>& commands, Instant now) {
    Wait wait{.reason = std::move(reason), .requests = commands.size()};
    commands.for_each([&](Command& command) { wait.age = std::max(wait.age, now - command.since); });
    return wait;
}

}  // namespace

void Session::add_waits(SessionStatus& status) const {
    const Instant now = executor_.now();
    // for_each is not const because what it visits may be changed; nothing is here.
    auto& self = const_cast<Session&>(*this);
    const auto add = [&](const std::string& reason, IntrusiveList<Command>& commands) {
        if (!commands.empty()) status.waits.push_back(wait_of(reason, commands, now));
    };
    const bool up = live();
    switch (state_) {
        case SessionState::idle:
        case SessionState::live:
        case SessionState::stopped: break;
        case SessionState::draining: status.waits.push_back({"lost connections drain", now - since_}); break;
        case SessionState::backing_off:
            status.waits.push_back({"next attempt to log in, after: " + problem_, now - since_});
            break;
        case SessionState::logging_in:
            status.waits.push_back({.reason = "login over " + channels_[leader_]->path(),
                                    .age = now - since_,
                                    .limit = options_.timing.connect_timeout,
                                    .then = "the next path is tried"});
            break;
        case SessionState::fencing:
            status.waits.push_back(
                {"the target ends writes of lost connections (LOGICAL UNIT RESET)", now - since_});
            break;
        case SessionState::stopping: status.waits.push_back({"connections close", now - since_}); break;
    }
    Wait slow{.reason = "the target's answers",
              .limit = options_.timing.command_timeout,
              .then = "the command is aborted and sent again"};
    for (const auto& channel : channels_) {
        if (!channel->live()) continue;
        const Wait one = channel->unanswered(kSlowAnswer);
        slow.requests += one.requests;
        slow.age = std::max(slow.age, one.age);
    }
    if (slow.requests > 0) status.waits.push_back(slow);
    add(up ? "a credit of the target" : "the session", self.waiting_);
    add("their memory to be registered with the RDMA device", self.unregistered_);
    add(up ? "ABORT TASK to be sent for writes of a lost channel"
           : "a login that ends writes of lost channels",
        self.unsettled_);
    add("the target to end writes of a lost channel (ABORT TASK)", self.settling_);
}

SessionStatus Session::status() const {
    SessionStatus status;
    status.target = options_.target;
    status.state = to_string(state_);
    status.age = executor_.now() - since_;
    status.weft_peer = weft_peer_;
    status.problem = problem_;
    status.memory_bytes = own_memory_.size();
    for (const auto& channel : channels_) {
        status.channels.push_back(channel->status());
        status.in_flight += channel->in_flight();
        status.memory_bytes += channel->memory_bytes();
    }
    status.counters = counters_;
    add_waits(status);
    return status;
}

}  // namespace weft::initiator
