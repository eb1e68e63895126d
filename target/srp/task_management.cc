// SPDX-License-Identifier: Apache-2.0
#include "target/srp/task_management.h"

#include "target/srp/channel.h"
#include "target/srp/command.h"
#include "target/srp/nexus.h"

namespace weft::target {

std::string_view TaskManagement::name() const {
    switch (request_.function) {
        case srp::TaskFunction::abort_task: return "ABORT TASK";
        case srp::TaskFunction::abort_task_set: return "ABORT TASK SET";
        case srp::TaskFunction::clear_task_set: return "CLEAR TASK SET";
        case srp::TaskFunction::lun_reset: return "LUN RESET";
        case srp::TaskFunction::clear_aca: return "CLEAR ACA";
    }
    return "an unknown function";
}

void TaskManagement::start(const srp::TaskManagement& request, std::uint64_t sequence) {
    WEFT_CHECK(state_ == State::idle);
    request_ = request;
    sequence_ = sequence;
    started_ = channel_.executor().now();
    elsewhere_ = 0;
    state_ = State::waiting;
    channel_.nexus().port().on_function_started();
    switch (request.function) {
        case srp::TaskFunction::abort_task: abort_task(); return;
        case srp::TaskFunction::abort_task_set: abort_tasks(Scope::nexus); return;
        case srp::TaskFunction::clear_task_set:
        case srp::TaskFunction::lun_reset: abort_tasks(Scope::unit); return;
        case srp::TaskFunction::clear_aca: break;  // NACA is refused, so there is never one to clear
    }
    answer(srp::ResponseCode::not_supported);
}

void TaskManagement::abort_task() {
    const auto is_it = [this](const srp::CommandView& view) { return view.tag == request_.task; };
    scope_ = Scope::channel;
    if (channel_.withdraw_waiting(is_it) == 0 && channel_.find(request_.task) == nullptr) {
        // Not here: it was answered, or an initiator that lost another channel asks here about a command of
        // that one.
        scope_ = Scope::others;
        std::size_t withdrawn = 0;
        channel_.nexus().for_each_channel([&](Channel& other) {
            if (&other != &channel_) withdrawn += other.withdraw_waiting(is_it);
        });
        bool running = false;
        channel_.nexus().for_each_channel([&](Channel& other) {
            other.for_each_command([&](Command& command) { running = running || affects(other, command); });
        });
        if (withdrawn == 0 && !running && !channel_.nexus().abort_ahead(request_.task, channel_)) {
            answer(srp::ResponseCode::failed);
            return;
        }
    }
    withdraw_affected();
    evaluate();
}

void TaskManagement::abort_tasks(Scope scope) {
    const auto number = LunMap::number_of(request_.lun);
    const auto* entry = number ? channel_.nexus().luns().find(*number) : nullptr;
    if (entry == nullptr) {
        answer(srp::ResponseCode::fields_invalid);
        return;
    }
    scope_ = scope;
    number_ = *number;
    const auto is_one = [this](const srp::CommandView& view) {
        return LunMap::number_of(view.lun) == number_;
    };
    channel_.nexus().for_each_channel([&](Channel& other) { other.withdraw_waiting(is_one); });
    withdraw_affected();
    evaluate();
}

bool TaskManagement::affects(Channel& channel, const Command& command) const {
    if (command.sequence() > sequence_) return false;
    switch (scope_) {
        case Scope::channel: return &channel == &channel_ && command.tag() == request_.task;
        case Scope::others: return &channel != &channel_ && command.tag() == request_.task;
        case Scope::nexus:
        case Scope::unit: return LunMap::number_of(command.lun()) == number_;
    }
    WEFT_UNREACHABLE("Scope");
}

void TaskManagement::withdraw_affected() {
    Nexus& own = channel_.nexus();
    own.for_each_channel([&](Channel& channel) {
        channel.for_each_command([&](Command& command) {
            if (affects(channel, command)) command.withdraw(Withdrawal::silent);
        });
    });
    if (scope_ != Scope::unit) return;
    const auto why = request_.function == srp::TaskFunction::lun_reset
                         ? lun::NexusUnit::Attention::bus_reset
                         : lun::NexusUnit::Attention::cleared_by_other;
    own.port().withdraw_unit(number_, sequence_, why, &own);
    elsewhere_ = own.port().clear_elsewhere(sequence_, number_, why);
}

void TaskManagement::evaluate() {
    if (state_ != State::waiting || elsewhere_ > 0) return;
    bool over = scope_ != Scope::unit || channel_.nexus().port().is_clear(number_, sequence_);
    channel_.nexus().for_each_channel([&](Channel& channel) {
        channel.for_each_command([&](Command& command) { over = over && !affects(channel, command); });
    });
    if (over) answer(srp::ResponseCode::complete);
}

void TaskManagement::on_cleared_elsewhere() {
    WEFT_CHECK(state_ == State::waiting && elsewhere_ > 0);
    --elsewhere_;
    evaluate();
}

void TaskManagement::answer(srp::ResponseCode code) {
    WEFT_CHECK(state_ == State::waiting);
    state_ = State::responding;
    channel_.nexus().port().on_function_ended();
    srp::Response response{.tag = request_.tag, .code = code};
    channel_.respond(*this, response);
}

void TaskManagement::on_response_sent() {
    WEFT_CHECK(state_ == State::responding);
    state_ = State::idle;
}

void TaskManagement::on_channel_lost() {
    if (state_ == State::waiting) channel_.nexus().port().on_function_ended();
    state_ = State::idle;
}

}  // namespace weft::target
