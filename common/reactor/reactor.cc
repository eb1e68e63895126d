// SPDX-License-Identifier: Apache-2.0
// One turn, in this order and for these reasons:
//   1. pollers, then the sleeper: completion queues and ring completions bring all work there is; nothing
//   else
//      can make progress without them.
//   2. deferred calls until there are none: completions travel up the tree and new requests travel down while
//      their memory is still in the cache.
//   3. mail: control work from other threads, after the data path.
//   4. timers: after what has arrived, so that an answer which came in time is not taken for lost.
//   5. deferred calls again: what mail and timers have caused.
//   6. flush of pollers and sleeper: everything that the turn has queued goes out in one post per queue pair
//      and one system call per ring.
// A turn without work polls on for Options::poll, then idle() arms everything and sleeps in the sleeper.
#include "common/reactor/reactor.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <utility>

#include "common/core/log.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace weft::reactor {

namespace {

// Calls that defer themselves for ever must not starve pollers and timers.
constexpr std::size_t kDeferredPerTurn = 8192;

Instant sample() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

void count(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

Reactor::Reactor(Options options, Sleeper& sleeper)
    : options_(std::move(options)),
      sleeper_(sleeper),
      now_(sample()),
      wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    WEFT_CHECK(wake_fd_);
    sleeper_.watch(wake_fd_.get(), *this);
}

Reactor::~Reactor() {
    WEFT_CHECK(owner_.load() == std::thread::id());
    WEFT_CHECK(pollers_.empty());
    sleeper_.ignore(wake_fd_.get());
}

void Reactor::add(Poller& poller) {
    check_current();
    WEFT_CHECK(&poller != &sleeper_);
    WEFT_CHECK(std::find(pollers_.begin(), pollers_.end(), &poller) == pollers_.end());
    pollers_.push_back(&poller);
}

void Reactor::remove(Poller& poller) {
    check_current();
    const auto found = std::find(pollers_.begin(), pollers_.end(), &poller);
    WEFT_CHECK(found != pollers_.end());
    pollers_.erase(found);
}

void Reactor::set_up_thread() const {
    ::pthread_setname_np(::pthread_self(), options_.name.substr(0, 15).c_str());
    if (options_.cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(static_cast<unsigned>(options_.cpu), &cpus);
        const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof cpus, &cpus);
        if (error != 0) {
            log::warn("{}: cannot run on CPU {} only: {}", options_.name, options_.cpu, std::strerror(error));
        }
    }
    // The kernel must not wait for our own disks when it needs memory for this thread (prctl(2)). Needs
    // CAP_SYS_RESOURCE; without it there is only the risk.
    if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0)
        log::debug("{}: not an I/O flusher: {}", options_.name, std::strerror(errno));
}

void Reactor::run() {
    WEFT_CHECK(owner_.load() == std::thread::id());
    set_up_thread();
    owner_.store(std::this_thread::get_id());
    sleeper_.attach();
    now_ = sample();
    last_work_ = now_;
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (!turn() && now_ - last_work_ >= options_.poll) idle();
    }
    run_deferred();
    while (run_mail()) run_deferred();
    for (Poller* poller : pollers_) poller->flush();
    sleeper_.flush();
    sleeper_.detach();
    stopping_.store(false);
    owner_.store(std::thread::id());
}

bool Reactor::turn() {
    const Instant before = std::exchange(now_, sample());
    if (had_work_) count(counters_.busy_ns, static_cast<std::uint64_t>((now_ - before).count()));
    count(counters_.turns, 1);
    bool any = false;
    for (std::size_t i = 0; i < pollers_.size(); ++i) any = pollers_[i]->poll() || any;
    any = sleeper_.poll() || any;
    any = run_deferred() || any;
    any = run_mail() || any;
    any = timers_.expire_until(now_) || any;
    any = run_deferred() || any;
    for (std::size_t i = 0; i < pollers_.size(); ++i) pollers_[i]->flush();
    sleeper_.flush();
    if (any) last_work_ = now_;
    had_work_ = any;
    return any;
}

void Reactor::idle() {
    // Announced before the last look at the mail: whoever posts after that look sees it and wakes us.
    asleep_.store(true, std::memory_order_seq_cst);
    bool quiet = deferred_.empty() && !mail_waiting_.load(std::memory_order_seq_cst) &&
                 !stopping_.load(std::memory_order_seq_cst);
    std::size_t armed = 0;
    while (quiet && armed < pollers_.size()) {
        quiet = pollers_[armed]->arm();
        if (quiet) ++armed;
    }
    if (quiet && sleeper_.arm()) {
        Duration limit{-1};
        if (const auto deadline = timers_.next_deadline())
            limit = std::max(*deadline - sample(), Duration::zero());
        count(counters_.sleeps, 1);
        sleeper_.sleep(limit);
        sleeper_.disarm();
    }
    while (armed > 0) pollers_[--armed]->disarm();
    asleep_.store(false, std::memory_order_relaxed);
    had_work_ = false;
}

bool Reactor::run_deferred() {
    std::size_t budget = kDeferredPerTurn;
    const bool any = !deferred_.empty();
    while (!deferred_.empty() && budget-- > 0) deferred_.pop_front().run();
    return any;
}

bool Reactor::run_mail() {
    if (!mail_waiting_.load(std::memory_order_acquire)) return false;
    std::vector<std::function<void()>> mail;
    {
        const std::lock_guard lock(mail_mutex_);
        mail.swap(mail_);
        mail_waiting_.store(false, std::memory_order_relaxed);
    }
    for (const auto& call : mail) call();
    return true;
}

void Reactor::post(std::function<void()> call) {
    WEFT_CHECK(call != nullptr);
    {
        const std::lock_guard lock(mail_mutex_);
        mail_.push_back(std::move(call));
        mail_waiting_.store(true, std::memory_order_seq_cst);
    }
    wake();
}

void Reactor::stop() {
    stopping_.store(true, std::memory_order_seq_cst);
    wake();
}

void Reactor::wake() {
    if (!asleep_.load(std::memory_order_seq_cst)) return;
    const std::uint64_t one = 1;
    // EAGAIN: the counter is full, so it is readable.
    WEFT_CHECK(::write(wake_fd_.get(), &one, sizeof one) == sizeof one || errno == EAGAIN);
}

void Reactor::on_readable() {
    std::uint64_t calls = 0;
    WEFT_CHECK(::read(wake_fd_.get(), &calls, sizeof calls) == sizeof calls || errno == EAGAIN);
}

void Reactor::defer(Deferred& call) {
    check_current();
    deferred_.push_back(call);
}

void Reactor::start(Timer& timer, Duration after) {
    check_current();
    WEFT_CHECK(after >= Duration::zero());
    timers_.start(timer, now_ + after);
}

void Reactor::cancel(Timer& timer) {
    check_current();
    timers_.cancel(timer);
}

bool Reactor::is_current() const {
    const std::thread::id owner = owner_.load(std::memory_order_relaxed);
    return owner == std::this_thread::get_id() || owner == std::thread::id();
}

void Reactor::run_and_wait(const std::function<void()>& call) {
    WEFT_CHECK(owner_.load() != std::this_thread::get_id());
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    post([&] {
        call();
        const std::lock_guard lock(mutex);
        done = true;
        changed.notify_one();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
}

}  // namespace weft::reactor
