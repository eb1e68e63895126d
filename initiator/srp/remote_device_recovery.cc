// SPDX-License-Identifier: Apache-2.0
// When a remote device's requests wait: without a session, while the unit is asked who it is, while it is
// busy; and how long they do.
#include <algorithm>
#include <utility>
#include <vector>

#include "common/core/log.h"
#include "common/scsi/lun.h"
#include "initiator/srp/remote_device.h"
#include "initiator/srp/remote_device_pending.h"

namespace weft::initiator {

namespace {

constexpr Duration kDelayLeast = 10ms;
constexpr unsigned kDelayDoublings = 7;     // up to 1.28 s
constexpr Duration kVerifyAgainAfter = 5s;  // a unit that was refused or did not answer

}  // namespace

std::string_view to_string(RemoteDeviceState state) {
    switch (state) {
        case RemoteDeviceState::ready: return "ready";
        case RemoteDeviceState::disconnected: return "disconnected";
        case RemoteDeviceState::verifying: return "verifying";
        case RemoteDeviceState::refused: return "refused";
        case RemoteDeviceState::closed: return "closed";
    }
    WEFT_UNREACHABLE("RemoteDeviceState");
}

bool may_follow(RemoteDeviceState from, RemoteDeviceState to) {
    using enum RemoteDeviceState;
    switch (from) {
        case ready: return to == disconnected || to == verifying || to == closed;
        case disconnected: return to == verifying || to == closed;
        case verifying: return to == ready || to == refused || to == disconnected || to == closed;
        case refused: return to == verifying || to == disconnected || to == closed;
        case closed: return false;
    }
    WEFT_UNREACHABLE("RemoteDeviceState");
}

void RemoteDevice::enter(RemoteDeviceState next) {
    WEFT_CHECK(may_follow(state_, next));
    state_ = next;
    since_ = executor().now();
}

void RemoteDevice::out_of_ready(RemoteDeviceState next, const std::string& why) {
    enter(next);
    problem_ = why;
    if (!patience_timer_.armed() && !failing_) executor().start(patience_timer_, options_.queue_timeout);
}

void RemoteDevice::on_session_lost() {
    if (state_ == RemoteDeviceState::closed) return;
    ++powers_;
    executor().cancel(verify_timer_);
    session_.forget_probes(*this);
    if (state_ != RemoteDeviceState::disconnected)
        out_of_ready(RemoteDeviceState::disconnected, "no path to target " + session_.target());
}

void RemoteDevice::on_session_live() {
    if (state_ == RemoteDeviceState::disconnected) start_verification();
}

void RemoteDevice::start_verification() {
    verify_again_ = false;
    executor().cancel(verify_timer_);
    out_of_ready(RemoteDeviceState::verifying, "the unit is asked whether it is what it was");
    session_.probe_unit(*this, unit_.number, [this](const Result<RemoteUnit>& now) { on_verified(now); });
}

void RemoteDevice::on_verified(const Result<RemoteUnit>& now) {
    if (state_ != RemoteDeviceState::verifying) return;
    const std::string wrong = now ? difference(unit_, *now) : now.error().what;
    if (!wrong.empty()) {
        if (refused_why_ != wrong)
            log::error("{}: {} of target {} is not used: {}", options_.name, unit_.label(), session_.target(),
                       wrong);
        refused_why_ = wrong;
        enter(RemoteDeviceState::refused);
        problem_ = wrong;
        executor().start(verify_timer_, kVerifyAgainAfter);
        return;
    }
    if (verify_again_) {
        verify_again();
        return;
    }
    begin_epoch(now->epoch.id);
    become_ready();
}

void RemoteDevice::verify_again() {
    if (state_ == RemoteDeviceState::verifying) enter(RemoteDeviceState::disconnected);
    start_verification();
}

void RemoteDevice::become_ready() {
    enter(RemoteDeviceState::ready);
    executor().cancel(patience_timer_);
    problem_.clear();
    refused_why_.clear();
    failing_ = false;
    std::vector<Pending*> order;
    order.reserve(held_.size());
    while (!held_.empty()) order.push_back(&held_.pop_front());
    std::sort(order.begin(), order.end(),
              [](const Pending* a, const Pending* b) { return a->order < b->order; });
    for (Pending* pending : order) dispatch(*pending);
}

void RemoteDevice::on_attention(scsi::SenseCode code) {
    const bool changed = code == scsi::SenseCode::capacity_changed ||
                         code == scsi::SenseCode::inquiry_changed || code == scsi::SenseCode::luns_changed;
    if (changed) look_again();
}

// Whatever it was: no command waits for the answer, and the unit's identity, size and epoch tell all of it.
bool RemoteDevice::on_unit_event(const srp::Lun& lun) {
    const auto decoded = scsi::decode_lun(lun);
    const bool ours = decoded && !decoded->report_luns && decoded->number == unit_.number;
    if (!ours || state_ == RemoteDeviceState::closed) return false;
    look_again();
    return true;
}

void RemoteDevice::look_again() {
    if (state_ == RemoteDeviceState::ready)
        start_verification();
    else
        verify_again_ = true;
}

bool RemoteDevice::may_wait(const Pending& pending) const {
    if (state_ == RemoteDeviceState::closed || failing_) return false;
    return options_.on_loss == config::LossPolicy::queue ||
           executor().now() - pending.submitted < options_.queue_timeout;
}

void RemoteDevice::retry(Pending& pending) {
    ++counters_.retries;
    dispatch(pending);
}

void RemoteDevice::delay(Pending& pending) {
    const Duration pause = kDelayLeast * (1U << std::min<unsigned>(pending.delays++, kDelayDoublings));
    pending.not_before = executor().now() + pause;
    delayed_.push_back(pending);
    if (!delay_timer_.armed() || delay_timer_.deadline() > pending.not_before)
        executor().start(delay_timer_, pause);
}

void RemoteDevice::release_delayed() {
    const Instant now = executor().now();
    IntrusiveList<Pending> due;
    std::optional<Instant> next;
    delayed_.for_each([&](Pending& pending) {
        if (pending.not_before > now) {
            next = std::min(next.value_or(pending.not_before), pending.not_before);
            return;
        }
        delayed_.remove(pending);
        due.push_back(pending);
    });
    if (next) executor().start(delay_timer_, *next - now);
    while (!due.empty()) retry(due.pop_front());
}

void RemoteDevice::fail_held() {
    IntrusiveList<Pending> failed;
    failed.append(held_);
    failed.append(delayed_);
    executor().cancel(delay_timer_);
    while (!failed.empty()) finish(failed.pop_front(), block::IoStatus::connection_lost);
    session_.withdraw(*this);
}

// Nothing is left undecided for longer than queue_timeout.
void RemoteDevice::out_of_patience() {
    const bool fails = options_.on_loss == config::LossPolicy::fail;
    log::warn("{}: {} of target {} is not usable for {} ms ({}): requests {}", options_.name, unit_.label(),
              session_.target(),
              std::chrono::duration_cast<std::chrono::milliseconds>(options_.queue_timeout).count(), problem_,
              fails ? "fail from now on" : "go on waiting");
    if (!fails) return;
    failing_ = true;
    fail_held();
}

void RemoteDevice::close() {
    if (state_ == RemoteDeviceState::closed) return;
    enter(RemoteDeviceState::closed);
    executor().cancel(patience_timer_);
    executor().cancel(verify_timer_);
    executor().cancel(epoch_timer_);
    session_.forget_probes(*this);
    fail_held();
}

DeviceStatus RemoteDevice::status() const {
    const Instant now = executor().now();
    DeviceStatus status;
    status.name = options_.name;
    status.target = session_.target();
    status.unit = unit_.label();
    status.state = to_string(state_);
    status.age = now - since_;
    status.problem = problem_;
    status.in_flight = in_flight();
    if (state_ != RemoteDeviceState::ready && state_ != RemoteDeviceState::closed)
        status.waits.push_back({.reason = problem_,
                                .age = now - since_,
                                .requests = in_flight(),
                                .limit = options_.queue_timeout,
                                .then = options_.on_loss == config::LossPolicy::fail
                                            ? "requests fail"
                                            : "a warning; requests go on waiting"});
    if (!delayed_.empty()) {
        Duration oldest{};
        // for_each is not const because what it visits may be changed; nothing is here.
        const_cast<IntrusiveList<Pending>&>(delayed_).for_each(
            [&](Pending& pending) { oldest = std::max(oldest, now - pending.submitted); });
        status.waits.push_back({"the unit to be less busy", oldest, delayed_.size()});
    }
    status.counters = counters_;
    return status;
}

}  // namespace weft::initiator
