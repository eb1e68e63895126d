// SPDX-License-Identifier: Apache-2.0
// The loop of one thread. Adaptive: polls while there is work and for `poll` after the last of it,
// then sleeps in the one blocking call, the Sleeper's (the io_uring wait). An idle reactor uses no CPU.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/core/executor.h"
#include "common/core/poller.h"
#include "common/core/timer_queue.h"
#include "common/core/unique_fd.h"

namespace weft::reactor {

// What the reactor sleeps in. Implemented by uring::Ring.
class Sleeper : public Poller {
  public:
    // The calling thread owns it from now on, until detach(). Called by Reactor::run(), first and last.
    virtual void attach() {}
    virtual void detach() {}
    // Blocks until an event, wake_up's file descriptor included, or `limit` passes (negative: no limit).
    virtual void sleep(Duration limit) = 0;
    // Watches `fd` for readability until it is ignored; level-triggered in effect: on_readable() is called
    // again while it stays readable.
    class Watch {
      public:
        virtual ~Watch() = default;
        virtual void on_readable() = 0;
    };
    virtual void watch(int fd, Watch& watch) = 0;
    virtual void ignore(int fd) = 0;
};

struct Options {
    std::string name = "reactor";
    int cpu = -1;      // pin to this CPU; -1: do not
    Duration poll{0};  // keep polling this long after the last work; 0: sleep at once
};

struct Counters {  // written by the owner, read anywhere (relaxed)
    std::atomic<std::uint64_t> turns{0};
    std::atomic<std::uint64_t> sleeps{0};
    std::atomic<std::uint64_t> busy_ns{0};  // in turns that found work; the rest was polling or asleep
};

// Owner: main. Thread: constructed anywhere, then run() on its own thread; everything but post(), stop(),
// run_and_wait(), is_current() and counters() belongs to that thread (before run() starts and after it has
// returned: to whoever owns the reactor).
// REQUIRES: when destroyed, not running; no timer armed, nothing deferred, no poller left.
class Reactor final : public Executor, private Sleeper::Watch {
  public:
    Reactor(Options options, Sleeper& sleeper);
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;
    ~Reactor() override;

    // Pollers are polled in the order added, then the sleeper (which is not added): completion queues first,
    // because their work feeds the rest.
    void add(Poller& poller);
    void remove(Poller& poller);
    [[nodiscard]] Sleeper& sleeper() { return sleeper_; }

    void run();   // until stop(); runs what was posted before it returns
    void stop();  // any thread, signal-safe is not required

    [[nodiscard]] Instant now() const override { return now_; }
    void defer(Deferred& call) override;
    void start(Timer& timer, Duration after) override;
    void cancel(Timer& timer) override;
    void post(std::function<void()> call) override;
    // Also true while it is not running: then it belongs to whoever owns it.
    [[nodiscard]] bool is_current() const override;

    // Runs `call` on the reactor and waits for it: for the control thread. REQUIRES: not on the reactor;
    // the reactor is running and is not stopped meanwhile.
    void run_and_wait(const std::function<void()>& call);
    [[nodiscard]] const Counters& counters() const { return counters_; }

  private:
    void set_up_thread() const;
    bool turn();
    void idle();
    bool run_deferred();
    bool run_mail();
    void wake();
    void on_readable() override;

    Options options_;
    Sleeper& sleeper_;
    std::vector<Poller*> pollers_;
    IntrusiveList<Deferred> deferred_;
    TimerQueue timers_;
    Instant now_{};
    Instant last_work_{};
    bool had_work_ = false;
    std::atomic<bool> stopping_{false};
    std::atomic<std::thread::id> owner_{};  // while running
    std::mutex mail_mutex_;
    std::vector<std::function<void()>> mail_;  // under mail_mutex_
    std::atomic<bool> mail_waiting_{false};
    std::atomic<bool> asleep_{false};  // or about to be
    UniqueFd wake_fd_;
    Counters counters_;
};

}  // namespace weft::reactor
