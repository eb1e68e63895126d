// SPDX-License-Identifier: Apache-2.0
// One task management function from its IU to its answer. The answer means: no command that the function was
// about can touch the medium or the initiator's memory any more.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/core/clock.h"
#include "common/lun/logical_unit.h"
#include "common/srp/response.h"
#include "common/srp/task_management.h"

namespace weft::target {

class Channel;
class Command;

// Owner: the channel, which makes all of them at login. Thread: the reactor's.
class TaskManagement {
  public:
    enum class State : std::uint8_t { idle, waiting, responding };

    TaskManagement(Channel& channel, std::uint32_t index) : channel_(channel), index_(index) {}
    TaskManagement(const TaskManagement&) = delete;
    TaskManagement& operator=(const TaskManagement&) = delete;

    // Withdraws what it is about. REQUIRES: idle
    void start(const srp::TaskManagement& request, std::uint64_t sequence);
    // Answers if all that it is about is over. Called whenever a command has ended somewhere.
    void evaluate();
    // Another reactor has no command of the unit left that this is about.
    void on_cleared_elsewhere();
    void on_response_sent();
    void on_channel_lost();  // nobody to answer any more

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] std::uint32_t index() const { return index_; }
    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
    [[nodiscard]] Instant started() const { return started_; }
    [[nodiscard]] std::string_view name() const;

  private:
    enum class Scope : std::uint8_t {
        channel,  // abort_task of a command found here
        others,   // abort_task of a command not found here: of the nexus' other channels
        nexus,    // abort_task_set
        unit,     // clear_task_set, lun_reset: every initiator's
    };

    void abort_task();
    void abort_tasks(Scope scope);
    void withdraw_affected();
    [[nodiscard]] bool affects(Channel& channel, const Command& command) const;
    void answer(srp::ResponseCode code);

    Channel& channel_;
    const std::uint32_t index_;
    State state_ = State::idle;
    srp::TaskManagement request_;
    std::uint64_t sequence_ = 0;
    Instant started_{};
    Scope scope_ = Scope::channel;
    std::uint32_t number_ = 0;   // of the unit
    std::size_t elsewhere_ = 0;  // reactors that have yet to say that the unit is clear there
};

}  // namespace weft::target
