// SPDX-License-Identifier: Apache-2.0
// What happened lately, for people: a ring of the last events. Followers keep a cursor into it, so a slow
// follower costs nothing and can be told exactly how many events it missed.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace weft::control {

enum class Severity : std::uint8_t { info, warning, error };
[[nodiscard]] const char* to_string(Severity severity);

struct Event {
    std::uint64_t sequence = 0;  // from 1, without gaps
    std::chrono::system_clock::time_point time;
    Severity severity = Severity::info;
    std::string object;  // "volume data", "session node-a", "channel node-a/3"
    std::string text;    // one sentence: what changed, and why
};

// Owner: main. Thread: any; takes a lock and allocates, so never from the data path.
class EventLog {
  public:
    explicit EventLog(std::size_t kept = 1024);
    EventLog(const EventLog&) = delete;
    EventLog& operator=(const EventLog&) = delete;

    // Also writes the event to the process log. Text beyond 1 KiB is cut.
    void add(Severity severity, std::string object, std::string text);

    struct Batch {
        std::vector<Event> events;   // oldest first
        std::uint64_t dropped = 0;   // events between `after` and the first of these that are no longer kept
        std::uint64_t position = 0;  // `after` for the next call
    };
    // At most `limit` events with a sequence above `after`.
    [[nodiscard]] Batch read(std::uint64_t after, std::size_t limit) const;
    // Sequence of the newest event; 0: none yet.
    [[nodiscard]] std::uint64_t newest() const;

    // Called after every add(), on the thread that added. One listener, short, that does not call add();
    // an empty function removes it, and after that returns it is not running.
    void listen(std::function<void()> listener);

  private:
    const std::size_t kept_;
    mutable std::mutex mutex_;
    std::deque<Event> ring_;
    std::uint64_t newest_ = 0;
    std::mutex listener_mutex_;
    std::function<void()> listener_;
};

}  // namespace weft::control
