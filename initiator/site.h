// SPDX-License-Identifier: Apache-2.0
// One reactor of the initiator with the sessions on it.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/config/schema.h"
#include "common/core/result.h"
#include "common/daemon/reactor_thread.h"
#include "initiator/srp/session.h"

namespace weft::initiator {

// Owner: the service. Thread: the control thread, but status() on any; every call blocks.
class Site {
  public:
    explicit Site(std::unique_ptr<daemon::ReactorThread> thread) : thread_(std::move(thread)) {}
    Site(const Site&) = delete;
    Site& operator=(const Site&) = delete;
    ~Site();  // REQUIRES: nobody uses a session

    // The session to a target; made and started if there is none yet. Counts its users.
    [[nodiscard]] Result<Session*> acquire(const config::Initiator& initiator,
                                           const config::RemoteTarget& target);
    // The last user's release logs out and destroys it.
    void release(const std::string& target);

    // Asks the target for a unit; waits at most `limit` (negative: for ever), or until `given_up`
    // (ECANCELED).
    [[nodiscard]] Result<RemoteUnit> find_unit(Session& session, const UnitSelector& selector,
                                               std::chrono::milliseconds limit);
    void give_up(bool given_up) { given_up_ = given_up; }  // any thread

    [[nodiscard]] Session* session(const std::string& target);
    [[nodiscard]] std::vector<SessionStatus> status();
    [[nodiscard]] daemon::ReactorThread& thread() { return *thread_; }

  private:
    struct Entry {
        std::unique_ptr<Session> session;
        std::size_t users = 0;
    };
    void stop(std::unique_ptr<Session> session);

    std::unique_ptr<daemon::ReactorThread> thread_;
    std::atomic<bool> given_up_{false};
    std::mutex mutex_;  // of the map, against status()
    std::map<std::string, Entry> sessions_;
};

}  // namespace weft::initiator
