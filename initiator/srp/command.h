// SPDX-License-Identifier: Apache-2.0
// One SCSI command on its way to a target and back. Owner: its user, who hands it to Session::submit() and
// gets it back in `done`; it lives in the user's memory (a remote device: the request's scratch).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/core/clock.h"
#include "common/core/intrusive_list.h"
#include "common/core/region.h"
#include "common/scsi/sense.h"
#include "common/srp/iu.h"

namespace weft::initiator {

class SessionUser;

enum class Direction : std::uint8_t { none, in, out };

// How the session gives a command back.
enum class Outcome : std::uint8_t {
    answered,      // status, sense and residual are the target's
    resend,        // has no effect any more that could land late: may be sent again
    timed_out,     // was aborted after the command timeout and will not touch the medium any more
    withdrawn,     // withdraw() or stop(): it may or may not have been executed, or still be
    unregistered,  // its memory could not be registered with any device
};

enum class CommandState : std::uint8_t {
    idle,       // the user's
    waiting,    // in the session, not sent
    sent,       // a channel's
    unsettled,  // was sent on a channel that is lost and drained; the target may still execute it
    settling,   // as unsettled; ABORT TASK of its tag is on its way over another channel
};
[[nodiscard]] constexpr bool may_follow(CommandState from, CommandState to) {
    using enum CommandState;
    switch (from) {
        case idle: return to == waiting;
        case waiting: return to == sent || to == idle;
        case sent: return to == idle || to == unsettled;
        case unsettled: return to == settling || to == idle;
        case settling: return to == idle || to == unsettled;
    }
    return false;
}

// Bytes of DATA-OUT that a command may carry by value (an UNMAP parameter list with one extent has 24).
inline constexpr std::size_t kParameterBytesMax = 56;

struct Command : public ListNode {
    using Done = void (*)(Command&);

    // --- The user's, constant while the session has it ---
    SessionUser* user = nullptr;
    Done done = nullptr;  // on the reactor, never inside submit(); the command is the user's again
    srp::Lun lun{};
    std::array<std::byte, 16> cdb{};
    Direction direction = Direction::none;
    // Sent twice, a late first one could undo something: settled before it is given back for resending.
    bool modifies = false;
    Segment data;                          // region kNoRegion: the session's own memory
    std::span<const std::byte> parameter;  // instead of `data`, direction out: copied when sent

    // --- Results, valid in `done` ---
    Outcome outcome = Outcome::answered;
    scsi::Status status = scsi::Status::good;
    scsi::SenseData sense;
    std::uint32_t residual = 0;  // bytes of the buffer that did not move
    bool overflow = false;       // the target had more than the buffer holds

    // --- The session's ---
    [[nodiscard]] CommandState state() const { return state_; }
    void enter(CommandState next) {
        WEFT_CHECK(may_follow(state_, next));
        state_ = next;
    }
    std::uint64_t tag = 0;  // of the last time it was sent; never used twice in a session
    Instant since{};        // when the user submitted it

  private:
    CommandState state_ = CommandState::idle;
};

}  // namespace weft::initiator
