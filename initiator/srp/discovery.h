// SPDX-License-Identifier: Apache-2.0
// Asks a target which logical units it has and what they are. One question at a time, each with its retries;
// jobs wait until the session is live and start over when it was lost meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "initiator/srp/session.h"
#include "initiator/srp/unit_probe.h"

namespace weft::initiator {

// Owner: a session. Thread: its reactor's. REQUIRES: stop() before destruction once anything was asked.
class Discovery final : private SessionUser {
  public:
    using UnitsDone = std::function<void(Result<std::vector<RemoteUnit>>)>;

    explicit Discovery(Session& session);
    ~Discovery() override;

    // Every unit that `selector` matches (none: all units). `user`: who may forget() it; may be null.
    void ask(std::optional<UnitSelector> selector, const SessionUser* user, UnitsDone done);
    void forget(const SessionUser& user);
    void stop();  // jobs end with an error
    [[nodiscard]] std::size_t jobs() const { return jobs_.size(); }

  private:
    struct Job {
        std::optional<UnitSelector> selector;
        const SessionUser* user = nullptr;
        UnitsDone done;
        std::vector<std::uint32_t> numbers;  // still to be probed
        std::vector<RemoteUnit> found;
        std::uint32_t attempts = 0;
    };
    enum class State : std::uint8_t { idle, listing, probing };

    void on_session_live() override { pump_.pending() ? void() : session_.executor().defer(pump_); }
    void on_session_lost() override {}
    bool on_unit_event(const srp::Lun&) override { return false; }

    void pump();
    void list();
    void on_listed();
    void next_unit();
    void on_probed(Result<RemoteUnit> unit);
    void finish(Result<std::vector<RemoteUnit>> result);
    void schedule();

    Session& session_;
    State state_ = State::idle;
    bool stopped_ = false;
    std::deque<Job> jobs_;  // the front one is being worked on
    UnitProbe probe_;
    Question list_;
    DeferredCall<Discovery, &Discovery::pump> pump_{*this};
};

}  // namespace weft::initiator
