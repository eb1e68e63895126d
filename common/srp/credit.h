// SPDX-License-Identifier: Apache-2.0
// Request credits (srp.md 2.4). A command or a task management function takes one; responses (or a CRED_REQ)
// bring them back. Neither side can make the other run out of receives as long as both do this sum.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "common/core/check.h"

namespace weft::srp {

// Initiator: how many requests may still be sent.
class RequestLimit {
  public:
    // At login the limit is assigned, not added.
    void assign(std::int32_t limit) { limit_ = limit; }
    // One credit is kept so that a task management function can always be sent.
    [[nodiscard]] bool allows_command() const { return limit_ > 1; }
    [[nodiscard]] bool allows_task_management() const { return limit_ > 0; }
    void take() {  // REQUIRES: it is allowed
        WEFT_CHECK(limit_ > 0);
        --limit_;
    }
    // A delta from the peer, of either sign. False if the sum is nonsense: the peer is broken.
    [[nodiscard]] bool add(std::int32_t delta) {
        const std::int64_t sum = std::int64_t{limit_} + delta;
        if (sum > std::numeric_limits<std::int32_t>::max() || sum < std::numeric_limits<std::int32_t>::min())
            return false;
        limit_ = static_cast<std::int32_t>(sum);
        return true;
    }
    [[nodiscard]] std::int32_t value() const { return limit_; }

  private:
    std::int32_t limit_ = 0;  // below 0 after a negative delta: sends nothing until it is above again
};

// Target: where each of a channel's credits is. granted (with the initiator) + in use (a request we have) +
// owed (free here, to be told with the next delta) is constant.
class CreditLedger {
  public:
    explicit CreditLedger(std::uint32_t limit) : limit_(limit), granted_(limit) {}

    // A request arrived. False: the initiator sent more than it was granted.
    [[nodiscard]] bool spend() {
        if (granted_ == 0) return false;
        --granted_;
        return true;
    }
    // The request's slot is free again.
    void release() {
        WEFT_CHECK(granted_ + owed_ < limit_);
        ++owed_;
    }
    // All that is owed, as the delta of the response or CRED_REQ that is being built.
    [[nodiscard]] std::int32_t collect() {
        granted_ += owed_;
        return static_cast<std::int32_t>(std::exchange(owed_, 0));
    }
    [[nodiscard]] std::uint32_t limit() const { return limit_; }
    [[nodiscard]] std::uint32_t granted() const { return granted_; }
    [[nodiscard]] std::uint32_t owed() const { return owed_; }
    [[nodiscard]] std::uint32_t in_use() const { return limit_ - granted_ - owed_; }

  private:
    std::uint32_t limit_;
    std::uint32_t granted_;
    std::uint32_t owed_ = 0;
};

}  // namespace weft::srp
