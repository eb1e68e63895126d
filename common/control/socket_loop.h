// SPDX-License-Identifier: Apache-2.0
// The socket thread of a Server: accepts, cuts lines, runs prompt methods, hands the others to the control
// thread, pushes events. Blocks in poll(2) only.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/control/event_log.h"
#include "common/control/listening_socket.h"
#include "common/control/peer.h"
#include "common/control/server.h"
#include "common/control/work_thread.h"

namespace weft::control {

class Server::Loop {
  public:
    Loop(Options options, EventLog& events, ListeningSocket socket, UniqueFd wake_fd);
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop() { stop(); }

    void add(std::string name, Method method, Promptness promptness);
    void start();
    void stop();
    [[nodiscard]] WorkThread& control() { return control_; }

  private:
    struct Entry {
        Method method;
        Promptness promptness = Promptness::may_block;
    };
    struct Answer {
        std::uint64_t peer = 0;
        std::string line;
    };
    using Clock = Peer::Clock;

    void run();
    [[nodiscard]] int poll_limit_ms() const;
    bool wait();  // false: time to end
    void accept_peers();
    void serve(Peer& peer, short events);
    void pump(Peer& peer);
    void dispatch(Peer& peer, const std::string& line);
    void run_request(Peer& peer, Request request);
    [[nodiscard]] std::string answer_to(const Entry& entry, const Request& request) const;
    [[nodiscard]] std::string answer_own(Peer& peer, const Request& request);
    [[nodiscard]] Json subscribe(Peer& peer, const Json& params);
    void deliver_answers();
    void push_events();
    void drop_finished();
    void wake() const;

    const Options options_;
    EventLog& events_;
    ListeningSocket socket_;
    UniqueFd wake_fd_;
    std::map<std::string, Entry> methods_;
    WorkThread control_;
    std::thread thread_;
    std::atomic<bool> refusing_{false};  // methods that have not begun are refused
    std::atomic<bool> ending_{false};    // the socket thread hands out what is written and ends

    // socket thread only
    std::vector<std::unique_ptr<Peer>> peers_;
    std::vector<std::uint64_t> broken_;
    std::uint64_t last_peer_ = 0;
    Clock::time_point accept_again_{};  // after the process ran out of file descriptors
    Clock::time_point end_at_{};

    std::mutex answers_mutex_;
    std::vector<Answer> answers_;
};

}  // namespace weft::control
