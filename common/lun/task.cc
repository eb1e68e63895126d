// SPDX-License-Identifier: Apache-2.0
#include "common/lun/task.h"

#include <algorithm>

#include "common/lun/device_server.h"

namespace weft::lun {

constexpr bool Task::may_follow(State from, State to) {
    switch (from) {
        case State::idle: return to == State::deciding;
        case State::deciding:
            return to == State::fetching || to == State::transferring || to == State::ending;
        case State::fetching: return to == State::deciding || to == State::ending;
        case State::transferring: return to == State::ending;
        case State::ending: return to == State::idle;
    }
    return false;
}

Task::Task(DataMover& mover) : mover_(mover) {}

Task::~Task() { WEFT_CHECK(!executing() && quiet()); }

void Task::enter(State state) {
    WEFT_CHECK(may_follow(state_, state));
    state_ = state;
}

bool Task::quiet() const { return !parameter_in_flight_ && transfer_.quiet(); }

void Task::begin(DeviceServer& server) {
    WEFT_CHECK(quiet() && !cdb.empty() && parameter.size() >= kParameterBytes);
    WEFT_CHECK(immediate.length == 0 || immediate.length == data_out_length);
    enter(State::deciding);
    server_ = &server;
    aborted_ = false;
    concluding_ = false;
    used_medium_ = false;
    parameter_bytes_ = 0;
    answer_bytes_ = 0;
    status = scsi::Status::good;
    sense = {};
    data_in_done = 0;
    data_in_excess = 0;
    data_out_done = 0;
}

void Task::abort() {
    WEFT_CHECK(executing());
    if (aborted_) return;
    aborted_ = true;
    if (state_ == State::transferring) {
        transfer_.stop();
        settle(false);
    }
}

void Task::fetch_parameters(std::uint32_t length) {
    WEFT_CHECK(length > 0 && length <= kParameterBytes && length <= data_out_length);
    enter(State::fetching);
    parameter_bytes_ = length;
    if (immediate.length != 0) {
        schedule();
        return;
    }
    parameter_in_flight_ = true;
    mover_.fetch(*this, kParameterToken, 0, {parameter.data(), length, parameter_region});
}

void Task::start(block::BlockDevice& device, const MediaPlan& plan) {
    enter(State::transferring);
    used_medium_ = true;
    transfer_.start(device, plan);
}

void Task::on_fetched(std::uint32_t token, bool ok) {
    if (token != kParameterToken) {
        transfer_.on_fetched(token, ok);
        settle(false);
        return;
    }
    WEFT_CHECK(state_ == State::fetching && parameter_in_flight_);
    parameter_in_flight_ = false;
    if (ok)
        schedule();
    else
        end_with({.key = scsi::SenseKey::aborted_command, .code = scsi::SenseCode::data_phase_error});
}

void Task::on_delivered(std::uint32_t token, bool ok) {
    if (token == kParameterToken) {
        WEFT_CHECK(parameter_in_flight_);
        parameter_in_flight_ = false;
        return;
    }
    transfer_.on_delivered(token, ok);
    settle(false);
}

void Task::on_buffer_free() {
    if (state_ != State::transferring) return;
    transfer_.on_buffer_free();
    settle(false);
}

void Task::set_result(scsi::Status result) { status = result; }

void Task::set_result(const scsi::Sense& result) {
    status = scsi::Status::check_condition;
    sense = scsi::encode_sense(result, server_->sense_format());
}

void Task::end_with(scsi::Status result) {
    set_result(result);
    enter(State::ending);
    schedule();
}

void Task::end_with(const scsi::Sense& result) {
    set_result(result);
    enter(State::ending);
    schedule();
}

void Task::end_with_answer(std::size_t bytes) {
    WEFT_CHECK(bytes <= parameter.size());
    answer_bytes_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, data_in_length));
    data_in_excess = bytes - answer_bytes_;
    end_with(scsi::Status::good);
}

void Task::settle(bool now) {
    if (state_ == State::ending && aborted_) schedule();
    if (state_ != State::transferring || !transfer_.over()) return;
    if (aborted_ && !transfer_.quiet()) return;
    transfer_.finish();
    enter(State::ending);
    if (now && !turn_.pending())
        conclude();
    else
        schedule();
}

void Task::schedule() {
    if (!turn_.pending()) server_->executor().defer(turn_);
}

void Task::on_turn() {
    switch (state_) {
        case State::fetching:
            if (aborted_) {
                end_with(scsi::Status::good);
                return;
            }
            data_out_done = parameter_bytes_;
            enter(State::deciding);
            server_->on_parameters(*this, immediate.length != 0
                                              ? std::span<const std::byte>(immediate.base, parameter_bytes_)
                                              : parameter.first(parameter_bytes_));
            return;
        case State::transferring:
            transfer_.pump();
            settle(true);
            return;
        case State::ending: conclude(); return;
        case State::idle:
        case State::deciding: break;
    }
    WEFT_UNREACHABLE("a turn for a task that asked for none");
}

void Task::conclude() {
    WEFT_CHECK(state_ == State::ending);
    if (aborted_ && !quiet()) return;  // on_delivered() comes back here
    if (!aborted_ && answer_bytes_ != 0) {
        concluding_ = true;
        parameter_in_flight_ = true;
        data_in_done = answer_bytes_;
        mover_.deliver(*this, kParameterToken, 0, {parameter.data(), answer_bytes_, parameter_region});
    }
    enter(State::idle);
    concluding_ = false;
    DeviceServer& server = *server_;
    server_ = nullptr;
    server.leave(*this);
    mover_.finished(*this);
}

std::string_view Task::waits_for() const {
    switch (state_) {
        case State::idle: return "nothing";
        case State::fetching: return parameter_in_flight_ ? "data-out" : "its turn";
        case State::transferring: return transfer_.waits_for();
        case State::ending: return quiet() ? "its turn" : "data-in";
        case State::deciding: break;
    }
    return "its turn";
}

}  // namespace weft::lun
