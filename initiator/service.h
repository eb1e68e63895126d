// SPDX-License-Identifier: Apache-2.0
// The initiator daemon without its process: reactors, sessions, volumes, and what weftctl may ask of them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/schema.h"
#include "common/control/event_log.h"
#include "common/control/server.h"
#include "common/core/result.h"
#include "initiator/placement.h"
#include "initiator/site.h"
#include "initiator/ublk/control.h"
#include "initiator/volume.h"

namespace weft::initiator {

enum class VolumeState : std::uint8_t { detached, attaching, attached, detaching };
[[nodiscard]] std::string_view to_string(VolumeState state);

// Owner: main. Thread: the control thread (control::Server's), from start() to the destructor; status() on
// any, also while the control thread waits for a target or the kernel.
class Service {
  public:
    Service(config::Initiator config, control::EventLog& events);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service();

    // Opens ublk, starts the reactors, attaches every volume of the configuration. An error is lines that
    // start with file:line; then nothing is attached. But if a disk of a daemon before us was taken over and
    // is in use, it is served, and the volumes that cannot be attached are logged and stay detached.
    [[nodiscard]] Result<void> start();
    // Ends every wait for a target, from now until the next stop() or leave(). Any thread.
    void give_up_waiting();

    [[nodiscard]] Result<void> attach(const std::string& name);
    // By force also the disk that a dead daemon left of a volume that the configuration has no more.
    [[nodiscard]] Result<void> detach(const std::string& name, bool force);
    // Detaches all; an error names the volumes that are in use, which go on being served.
    [[nodiscard]] Result<void> stop(bool force);
    // Leaves every disk to the next daemon. The process must end with _exit() afterwards.
    [[nodiscard]] Result<void> leave();
    [[nodiscard]] Result<void> drop_channel(const std::string& target, std::size_t index);
    [[nodiscard]] control::Json status();

    void add_methods(control::Server& server);
    // Bytes of the volumes' I/O buffers, which it locks when it starts.
    [[nodiscard]] static std::uint64_t locked_at_start(const config::Initiator& config);

  private:
    [[nodiscard]] const config::Volume* find(const std::string& name) const;
    [[nodiscard]] bool left_by_another(const config::Volume& volume) const;
    [[nodiscard]] Result<void> remove_leftover(const std::string& name, bool force);
    void tell_leftovers();
    struct Slot {
        VolumeState state = VolumeState::detached;
        Instant since{};
        std::string problem;             // why the last attach or detach failed
        std::unique_ptr<Volume> volume;  // attached or detaching; used by others than the control thread only
                                         // under the mutex and while attached
    };
    void enter(Slot& slot, VolumeState state, const std::string& problem = "");
    // Attaches; says nothing of a failure: its caller does, so that it is told once.
    [[nodiscard]] Result<void> bring_up(const config::Volume& volume, Slot& slot);

    const config::Initiator config_;
    control::EventLog& events_;
    const Placement placement_;
    const Instant started_;
    std::unique_ptr<ublk::Control> control_;
    std::string promises_;
    std::mutex mutex_;  // of what follows; held only as long as a reactor's answer takes
    std::vector<std::unique_ptr<Site>> sites_;
    std::map<std::string, Slot> slots_;  // every volume of the configuration
};

}  // namespace weft::initiator
