// SPDX-License-Identifier: Apache-2.0
// The target daemon without its process: volumes, reactors, port and listeners, and what weftctl may ask of
// it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/config/schema.h"
#include "common/control/event_log.h"
#include "common/control/server.h"
#include "common/core/result.h"
#include "target/hall.h"
#include "target/volume.h"

namespace weft::target {

// Owner: main. Thread: the control thread (control::Server's), from start() to stop(); status() on any.
class Service {
  public:
    Service(config::Target config, control::EventLog& events);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service();

    // Opens every volume, starts the reactors, listens. An error is lines that start with file:line; nothing
    // is left running then.
    [[nodiscard]] Result<void> start();
    // Refuses logins, disconnects the channels, waits for what they have in flight. Idempotent.
    void stop();
    [[nodiscard]] control::Json status();
    [[nodiscard]] Result<void> drop_channel(const std::string& initiator, std::size_t index);

    void add_methods(control::Server& server);
    // Bytes that it locks before anybody but the first initiator logs in: less is of no use.
    [[nodiscard]] static std::uint64_t locked_at_start(const config::Target& config);

  private:
    [[nodiscard]] Result<void> open();

    const config::Target config_;
    const srp::PortId port_id_;
    control::EventLog& events_;
    const Instant started_;
    std::mutex mutex_;  // of what follows, against status()
    std::vector<std::unique_ptr<Volume>> volumes_;
    std::unique_ptr<PortGroup> group_;
    std::vector<std::unique_ptr<Hall>> halls_;  // the first has the listeners
    bool listening_ = false;
};

}  // namespace weft::target
