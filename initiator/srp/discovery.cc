// SPDX-License-Identifier: Apache-2.0
#include "initiator/srp/discovery.h"

#include <utility>

#include "common/core/log.h"
#include "common/scsi/lun.h"

namespace weft::initiator {

Discovery::Discovery(Session& session)
    : session_(session), probe_(session, *this), list_(session, *this, [this] { on_listed(); }) {
    session_.attach(*this);
}

Discovery::~Discovery() {
    WEFT_CHECK(jobs_.empty());
    session_.detach(*this);
}

void Discovery::ask(std::optional<UnitSelector> selector, const SessionUser* user, UnitsDone done) {
    jobs_.push_back(Job{
        .selector = std::move(selector), .user = user, .done = std::move(done), .numbers = {}, .found = {}});
    schedule();
}

void Discovery::forget(const SessionUser& user) {
    for (Job& job : jobs_) {
        if (job.user != &user) continue;
        job.user = nullptr;
        job.done = nullptr;  // its answer interests nobody any more
    }
}

void Discovery::stop() {
    stopped_ = true;
    schedule();
}

void Discovery::schedule() {
    if (!pump_.pending()) session_.executor().defer(pump_);
}

void Discovery::pump() {
    if (stopped_) {
        state_ = State::idle;
        while (!jobs_.empty()) finish(fail("target " + session_.target() + ": the session was stopped"));
        return;
    }
    if (state_ != State::idle || jobs_.empty() || !session_.live()) return;
    Job& job = jobs_.front();
    if (job.done == nullptr) {
        jobs_.pop_front();
        schedule();
        return;
    }
    if (job.selector && std::holds_alternative<std::uint32_t>(*job.selector)) {
        job.numbers = {std::get<std::uint32_t>(*job.selector)};
        next_unit();
        return;
    }
    state_ = State::listing;
    const std::uint32_t length = session_.parameter_buffer().length;
    list_.ask(scsi::encode_lun({}), scsi::encode_report_luns(length), length);
}

void Discovery::on_listed() {
    if (stopped_ || state_ != State::listing) return;
    if (!list_.good()) {
        finish(fail("target " + session_.target() + ": REPORT LUNS: " + list_.problem()));
        return;
    }
    const auto list = scsi::decode_report_luns_list(list_.reply());
    if (!list) {
        finish(fail("target " + session_.target() + ": the list of its units is malformed"));
        return;
    }
    if (!list->complete)
        log::warn("target {}: only its first {} units are looked at", session_.target(), list->luns.size());
    Job& job = jobs_.front();
    // From the last to the first, because they are taken from the end.
    for (auto lun = list->luns.rbegin(); lun != list->luns.rend(); ++lun) {
        const auto decoded = scsi::decode_lun(*lun);
        if (decoded && !decoded->report_luns) job.numbers.push_back(decoded->number);
    }
    next_unit();
}

void Discovery::next_unit() {
    Job& job = jobs_.front();
    if (job.numbers.empty()) {
        finish(std::move(job.found));
        return;
    }
    const std::uint32_t number = job.numbers.back();
    job.numbers.pop_back();
    state_ = State::probing;
    if (number > scsi::kLunMax) {
        finish(fail("no LUN is above " + std::to_string(scsi::kLunMax)));
        return;
    }
    probe_.start(number, [this](Result<RemoteUnit> unit) { on_probed(std::move(unit)); });
}

void Discovery::on_probed(Result<RemoteUnit> unit) {
    if (stopped_ || state_ != State::probing) return;
    Job& job = jobs_.front();
    const bool one = job.selector && std::holds_alternative<std::uint32_t>(*job.selector);
    if (unit) {
        if (!job.selector || matches(*unit, *job.selector)) job.found.push_back(std::move(*unit));
    } else if (one) {
        finish(fail("target " + session_.target() + ": " + unit.error().what));
        return;
    } else {
        log::warn("target {}: {}", session_.target(), unit.error().what);
    }
    next_unit();
}

void Discovery::finish(Result<std::vector<RemoteUnit>> result) {
    state_ = State::idle;
    UnitsDone done = std::move(jobs_.front().done);
    jobs_.pop_front();
    if (!jobs_.empty()) schedule();
    if (done) done(std::move(result));
}

}  // namespace weft::initiator
