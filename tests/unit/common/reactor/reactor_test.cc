// SPDX-License-Identifier: Apache-2.0
#include "common/reactor/reactor.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <string>
#include <thread>
#include <utility>

namespace weft::reactor {
namespace {

// A sleeper on poll(2).
class PollSleeper final : public Sleeper {
  public:
    bool poll() override {
        log += 's';
        bool any = false;
        for (std::size_t i = 0; i < fds_.size(); ++i) {
            pollfd entry{fds_[i], POLLIN, 0};
            if (::poll(&entry, 1, 0) == 1) {
                watches_[i]->on_readable();
                any = true;
            }
        }
        return any;
    }
    void flush() override { log += 'F'; }
    bool arm() override { return true; }
    void disarm() override { ++disarmed; }
    void attach() override { owner = std::this_thread::get_id(); }
    void detach() override { owner = std::thread::id(); }
    void sleep(Duration limit) override {
        ++slept;
        last_limit = limit;
        std::vector<pollfd> entries;
        for (const int fd : fds_) entries.push_back({fd, POLLIN, 0});
        const int milliseconds = limit < Duration::zero() ? -1 : static_cast<int>(limit / 1ms + 1);
        ::poll(entries.data(), entries.size(), milliseconds);
    }
    void watch(int fd, Watch& watch) override {
        fds_.push_back(fd);
        watches_.push_back(&watch);
    }
    void ignore(int fd) override {
        const auto found = std::find(fds_.begin(), fds_.end(), fd);
        ASSERT_NE(found, fds_.end());
        watches_.erase(watches_.begin() + (found - fds_.begin()));
        fds_.erase(found);
    }
    [[nodiscard]] bool empty() const { return fds_.empty(); }

    std::string log;
    std::thread::id owner;
    int slept = 0;
    int disarmed = 0;
    Duration last_limit{0};

  private:
    std::vector<int> fds_;
    std::vector<Watch*> watches_;
};

struct Call final : Deferred {
    explicit Call(std::function<void()> call) : what(std::move(call)) {}
    void run() override { what(); }
    std::function<void()> what;
};

struct Alarm final : Timer {
    explicit Alarm(std::function<void()> call) : what(std::move(call)) {}
    void expire() override { what(); }
    std::function<void()> what;
};

struct CountedPoller final : Poller {
    bool poll() override {
        ++polls;
        if (on_poll) return on_poll();
        return false;
    }
    void flush() override { ++flushes; }
    bool arm() override {
        ++arms;
        return refusals-- <= 0;
    }
    void disarm() override { ++disarms; }
    std::function<bool()> on_poll;
    int polls = 0, flushes = 0, arms = 0, disarms = 0, refusals = 0;
};

class ReactorTest : public ::testing::Test {
  protected:
    PollSleeper sleeper_;
    Reactor reactor_{Options{.name = "test"}, sleeper_};
};

TEST_F(ReactorTest, runs_a_turn_in_its_order) {
    std::string order;
    CountedPoller poller;
    Call first([&] { order += 'd'; });
    Call second([&] { order += 'e'; });
    Alarm alarm([&] {
        order += 't';
        reactor_.defer(second);
        reactor_.stop();
    });
    poller.on_poll = [&] {
        if (poller.polls > 1) return false;
        order += 'p';
        reactor_.defer(first);
        return true;
    };
    reactor_.add(poller);
    reactor_.start(alarm, 0ns);
    reactor_.post([&] { order += 'm'; });
    reactor_.run();
    EXPECT_EQ(order, "pdmte");
    EXPECT_EQ(poller.polls, 1);
    EXPECT_GE(poller.flushes, 1);
    EXPECT_EQ(sleeper_.slept, 0);
    reactor_.remove(poller);
}

TEST_F(ReactorTest, time_stands_still_within_a_turn) {
    Instant seen_first;
    Instant seen_last;
    Call last([&] {
        seen_last = reactor_.now();
        reactor_.stop();
    });
    Call first([&] {
        seen_first = reactor_.now();
        timespec pause{0, 2'000'000};
        ::nanosleep(&pause, nullptr);
        reactor_.defer(last);
    });
    reactor_.defer(first);
    reactor_.run();
    EXPECT_EQ(seen_first, seen_last);
}

TEST_F(ReactorTest, an_idle_reactor_sleeps_until_its_next_timer) {
    int expired = 0;
    Alarm alarm([&] {
        if (++expired == 3)
            reactor_.stop();
        else
            reactor_.start(alarm, 5ms);
    });
    reactor_.start(alarm, 5ms);
    reactor_.run();
    EXPECT_EQ(expired, 3);
    EXPECT_GE(sleeper_.slept, 3);
    // A turn per wake-up and one that finds nothing to do: not a busy loop.
    EXPECT_LE(reactor_.counters().turns.load(), 20U);
    EXPECT_GT(sleeper_.last_limit, 0ns);
    EXPECT_LE(sleeper_.last_limit, 5ms);
}

TEST_F(ReactorTest, sleeps_without_limit_when_no_timer_is_armed) {
    std::thread poster([&] { reactor_.post([&] { reactor_.stop(); }); });
    reactor_.run();
    poster.join();
    EXPECT_TRUE(sleeper_.slept == 0 || sleeper_.last_limit < 0ns);
}

TEST_F(ReactorTest, a_poller_that_refuses_to_arm_keeps_it_awake_and_the_others_are_disarmed) {
    CountedPoller willing;
    CountedPoller refusing;
    refusing.refusals = 2;
    Alarm alarm([&] { reactor_.stop(); });
    reactor_.add(willing);
    reactor_.add(refusing);
    reactor_.start(alarm, 20ms);
    reactor_.run();
    EXPECT_GE(willing.arms, 3);
    EXPECT_EQ(willing.arms, willing.disarms);
    EXPECT_EQ(refusing.arms, refusing.disarms + 2);
    EXPECT_EQ(static_cast<std::uint64_t>(sleeper_.slept), reactor_.counters().sleeps.load());
    reactor_.remove(refusing);
    reactor_.remove(willing);
}

TEST_F(ReactorTest, deferred_calls_that_go_on_for_ever_starve_nobody) {
    CountedPoller poller;
    bool done = false;
    Call endless([&] {
        if (!done) reactor_.defer(endless);
    });
    Alarm alarm([&] {
        done = true;
        reactor_.stop();
    });
    reactor_.add(poller);
    reactor_.defer(endless);
    reactor_.start(alarm, 1ms);
    reactor_.run();
    EXPECT_GT(poller.polls, 0);
    EXPECT_EQ(sleeper_.slept, 0);
    reactor_.remove(poller);
}

// With Options::poll. None of this depends on how often the thread gets to run: a turn late is a turn late
// for work and for sleep alike.
class PollingReactorTest : public ::testing::Test {
  protected:
    static constexpr Duration kPoll = 20ms;
    PollSleeper sleeper_;
    Reactor reactor_{Options{.name = "test", .poll = kPoll}, sleeper_};
    [[nodiscard]] std::uint64_t sleeps() const { return reactor_.counters().sleeps.load(); }
};

TEST_F(PollingReactorTest, polls_for_that_long_after_the_last_work_and_then_sleeps) {
    struct Watcher final : Poller {
        explicit Watcher(Reactor& its) : reactor(its) {}
        bool poll() override {
            before = std::exchange(turn, reactor.now());
            ++polls;
            return false;
        }
        void flush() override {}
        bool arm() override {
            armed(*this);
            return true;
        }
        void disarm() override { ++disarms; }
        Reactor& reactor;
        std::function<void(Watcher&)> armed;
        Instant turn{};    // this turn's time
        Instant before{};  // that of the one before it
        int polls = 0;
        int disarms = 0;
    };
    constexpr std::uint64_t kRounds = 4;
    std::uint64_t rounds = 0;
    Instant last_work{};
    Watcher watcher(reactor_);
    Alarm work([&] {
        last_work = reactor_.now();
        watcher.polls = 0;
        if (++rounds == kRounds) reactor_.stop();
    });
    watcher.armed = [&](Watcher& self) {
        EXPECT_EQ(sleeps(), rounds - 1) << "one sleep for each time that it was armed";
        EXPECT_GE(self.turn - last_work, kPoll);
        EXPECT_LT(self.before - last_work, kPoll) << "the first turn after it";
        EXPECT_GT(self.polls, 0);
        reactor_.start(work, 5ms);  // what ends the sleep
    };
    reactor_.add(watcher);
    reactor_.start(work, 0ns);
    reactor_.run();
    EXPECT_EQ(rounds, kRounds);
    EXPECT_EQ(sleeps(), kRounds - 1);
    EXPECT_EQ(static_cast<std::uint64_t>(sleeper_.slept), kRounds - 1);
    EXPECT_EQ(static_cast<std::uint64_t>(watcher.disarms), kRounds - 1);
    EXPECT_EQ(static_cast<std::uint64_t>(sleeper_.disarmed), kRounds - 1);
    reactor_.remove(watcher);
}

TEST_F(PollingReactorTest, does_not_sleep_while_work_keeps_coming) {
    int rounds = 0;
    Alarm work([&] {
        if (++rounds == 30)
            reactor_.stop();
        else
            reactor_.start(work, 2ms);  // less than it polls
    });
    CountedPoller poller;
    reactor_.add(poller);
    reactor_.start(work, 2ms);
    reactor_.run();
    EXPECT_EQ(rounds, 30);
    EXPECT_EQ(sleeps(), 0U);
    EXPECT_EQ(sleeper_.slept, 0);
    EXPECT_EQ(poller.arms, 0) << "arming costs system calls: only before a sleep";
    reactor_.remove(poller);
}

TEST_F(ReactorTest, runs_posted_calls_before_it_returns) {
    int ran = 0;
    reactor_.stop();
    reactor_.post([&] {
        ++ran;
        reactor_.post([&] { ++ran; });
    });
    reactor_.run();
    EXPECT_EQ(ran, 2);
}

TEST_F(ReactorTest, knows_its_thread) {
    EXPECT_TRUE(reactor_.is_current());
    std::thread owner([&] { reactor_.run(); });
    reactor_.run_and_wait([&] { EXPECT_TRUE(reactor_.is_current()); });
    EXPECT_FALSE(reactor_.is_current());
    reactor_.stop();
    owner.join();
    EXPECT_TRUE(reactor_.is_current());
}

TEST_F(ReactorTest, mail_from_many_threads_arrives_once_and_in_order) {
    constexpr int kThreads = 4;
    constexpr int kCalls = 5000;
    std::array<int, kThreads> next{};
    int disorder = 0;
    std::thread owner([&] { reactor_.run(); });
    std::vector<std::thread> posters;
    for (std::size_t id = 0; id < kThreads; ++id) {
        posters.emplace_back([&, id] {
            for (int i = 0; i < kCalls; ++i) {
                reactor_.post([&, id, i] {
                    if (next[id]++ != i) ++disorder;
                });
                if (i % 500 == 0) reactor_.run_and_wait([] {});  // lets it fall asleep in between
            }
        });
    }
    for (auto& poster : posters) poster.join();
    reactor_.stop();
    owner.join();
    for (const int count : next) EXPECT_EQ(count, kCalls);
    EXPECT_EQ(disorder, 0);
}

TEST(ReactorDeathTest, refuses_calls_from_another_thread) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            PollSleeper sleeper;
            Reactor reactor(Options{}, sleeper);
            std::thread owner([&] { reactor.run(); });
            reactor.run_and_wait([] {});
            Call call([] {});
            reactor.defer(call);
        },
        "is_current");
}

}  // namespace
}  // namespace weft::reactor
