// SPDX-License-Identifier: Apache-2.0
// The control socket of a daemon. Two threads of its own:
//  - the control thread runs methods and posted calls, one after the other; they may block (attaching a
//  volume
//    does);
//  - the socket thread serves the clients, so that events flow and prompt methods answer while it blocks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/control/event_log.h"
#include "common/control/message.h"
#include "common/core/result.h"

namespace weft::control {

inline constexpr std::size_t kClientsMax = 64;

// Returns the result, or what went wrong (Error.code, an errno, chooses the code: see refusal_of). It may
// throw Json exceptions for params of the wrong shape: the server answers "bad_request".
using Method = std::function<Result<Json>(const Json& params)>;

enum class Promptness : std::uint8_t {
    may_block,  // on the control thread, in order
    prompt,  // on the socket thread, at once, also while the control thread blocks: thread-safe, never blocks
};

// Owner: main. Lifetime: after the EventLog and whatever its methods use.
class Server {
  public:
    struct Options {
        std::string path;  // absolute; its directory is made if only the last part is missing
        std::size_t clients_max = kClientsMax;
        std::size_t outbox_bytes_max = 4U << 20U;       // a response beyond it is answered with an error
        std::chrono::milliseconds stall_limit{30'000};  // a client that takes nothing for so long is dropped
    };

    // Takes PATH.lock and binds PATH (mode 0600). A dead daemon's socket is replaced; a live one's is an
    // error with code EADDRINUSE, "already running".
    [[nodiscard]] static Result<std::unique_ptr<Server>> create(Options options, EventLog& events);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();  // stops

    // REQUIRES: before start(). "events", "ping" and "methods" are the server's own.
    void add(std::string name, Method method, Promptness promptness = Promptness::may_block);
    void start();

    // Runs `call` on the control thread, in order with the methods. Any thread.
    void post(std::function<void()> call);
    [[nodiscard]] bool on_control_thread() const;

    // Waits for the method that is running, refuses the ones that wait, hands out what is written (at most a
    // second) and closes the connections. The socket goes with the Server. Not from the control thread.
    void stop();

  private:
    class Loop;
    explicit Server(std::unique_ptr<Loop> loop);
    std::unique_ptr<Loop> loop_;
};

}  // namespace weft::control
