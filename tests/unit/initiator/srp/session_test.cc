// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "common/srp/notice.h"
#include "tests/unit/initiator/srp/bench.h"

namespace weft::test {
namespace {

using block::IoOp;
using block::IoStatus;
using initiator::SessionState;

TEST(Session, logs_in_with_every_channel) {
    Bench bench(1, 2, 2);
    ASSERT_TRUE(bench.log_in());
    ASSERT_TRUE(bench.all_live());
    EXPECT_TRUE(bench.session->weft_peer());
    EXPECT_EQ(bench.target->single_logins, 1U);
    EXPECT_EQ(bench.target->logins, 4U);
    const auto status = bench.session->status();
    EXPECT_EQ(status.state, "live");
    EXPECT_EQ(status.channels.size(), 4U);
    EXPECT_EQ(status.channels[2].path, "i1 -> t1:5555");
    EXPECT_EQ(status.channels[0].credits, 32);
    EXPECT_TRUE(status.waits.empty());
}

TEST(Session, takes_a_stock_target_for_what_it_is) {
    Bench bench;
    bench.habits.weft = false;
    ASSERT_TRUE(bench.log_in());
    EXPECT_FALSE(bench.session->weft_peer());
    EXPECT_TRUE(bench.all_live());
}

TEST(Session, tries_once_without_the_extension_when_it_is_refused) {
    Bench bench;
    bench.habits.reject_extension = true;
    ASSERT_TRUE(bench.log_in());
    EXPECT_FALSE(bench.session->weft_peer());
    EXPECT_TRUE(bench.all_live());
}

TEST(Session, goes_on_trying_and_says_why) {
    Bench bench;
    bench.habits.reject = srp::RejectReason::channel_limit;
    bench.start_session();
    bench.world.run_for(10s);
    EXPECT_FALSE(bench.session->live());
    EXPECT_NE(bench.session->status().problem.find("rejected"), std::string::npos)
        << bench.session->status().problem;
    EXPECT_FALSE(bench.session->status().waits.empty());
    bool ready = false;
    bench.session->when_ready([&] { ready = true; });
    bench.habits.reject.reset();
    EXPECT_TRUE(bench.world.run_until([&] { return ready; }, 10s));
}

TEST(Session, waits_for_a_target_that_is_not_there) {
    Bench bench;
    bench.kill_target();
    bench.start_session();
    bench.world.run_for(5s);
    EXPECT_FALSE(bench.session->live());
    bench.start_target();
    EXPECT_TRUE(bench.world.run_until([&] { return bench.session->live(); }, 10s));
}

TEST(Session, uses_another_path_when_the_first_is_dead) {
    Bench bench(1, 2, 1);
    bench.network.cut("i0", "t0");
    ASSERT_TRUE(bench.log_in());
    const auto status = bench.session->status();
    EXPECT_NE(status.channels[0].state, "live");
    EXPECT_EQ(status.channels[1].state, "live");
    bench.network.heal_all();
    EXPECT_TRUE(bench.all_live());
}

TEST(Session, refuses_a_malformed_answer_to_the_login) {
    Bench bench;
    bench.habits.malformed_login = true;
    bench.start_session();
    bench.world.run_for(3s);
    EXPECT_FALSE(bench.session->live());
    EXPECT_NE(bench.session->status().problem.find("malformed"), std::string::npos);
    bench.habits.malformed_login = false;
    EXPECT_TRUE(bench.world.run_until([&] { return bench.session->live(); }, 10s));
}

TEST(Session, refuses_a_target_without_usable_credits) {
    Bench bench;
    bench.habits.request_limit = 1;
    bench.start_session();
    bench.world.run_for(3s);
    EXPECT_FALSE(bench.session->live());
}

TEST(Session, can_be_stopped_at_any_moment) {
    for (const Duration when : {0us, 5us, 20us, 40us, 100us, 500us, 1000us, 5000us}) {
        Bench bench(7, 2, 2);
        bench.start_session();
        bench.world.run_for(when);
        bench.stop();
        EXPECT_EQ(bench.session->state(), SessionState::stopped);
    }
}

TEST(Session, answers_the_requests_of_a_target) {
    Bench bench(1, 1, 1);
    ASSERT_TRUE(bench.open());
    bench.target->send_to_all(srp::encode(srp::Notice{
        .opcode = srp::Opcode::credit_request, .tag = srp::Tag::of(5), .request_limit_delta = 3}));
    bench.world.run_for(1ms);
    EXPECT_EQ(bench.target->answers, 1U);
    EXPECT_EQ(bench.session->status().channels[0].credits, 35);
    std::array<std::byte, 64> bytes{};
    const std::size_t length =
        srp::encode(bytes, srp::EventRequest{.tag = srp::Tag::of(6), .request_limit_delta = 1});
    bench.target->send_to_all(std::span(bytes).first(length));
    bench.world.run_for(1ms);
    EXPECT_EQ(bench.target->answers, 2U);
    const std::array<std::byte, 3> unknown{std::byte{0x77}};
    bench.target->send_to_all(unknown);
    bench.world.run_for(1ms);
    EXPECT_TRUE(bench.session->live());
}

TEST(Session, logs_in_again_when_the_target_logs_it_out) {
    Bench bench(1, 1, 1);
    ASSERT_TRUE(bench.open());
    bench.target->send_to_all(srp::encode(srp::Notice{.opcode = srp::Opcode::target_logout}));
    EXPECT_TRUE(bench.world.run_until([&] { return bench.target->single_logins == 2; }, 10s));
    EXPECT_TRUE(bench.world.run_until([&] { return bench.session->live(); }, 10s));
}

TEST(Session, drops_a_channel_whose_response_is_malformed_and_reads_again) {
    Bench bench(1, 1, 2);
    ASSERT_TRUE(bench.open());
    bench.habits.garbage = true;
    EXPECT_EQ(bench.run(IoOp::read, 3, 4), IoStatus::ok);
    EXPECT_EQ(bench.session->status().counters.failovers, 1U);
    EXPECT_TRUE(bench.all_live());
}

TEST(Session, finds_a_silent_peer_by_its_heartbeat) {
    Bench bench(1, 2, 1);
    ASSERT_TRUE(bench.open());
    bench.network.retry_timeout = 3600s;  // RC retries for ever, as soft-RoCE may
    bench.network.cut("i0", "t0");
    const Instant before = bench.world.now();
    ASSERT_TRUE(bench.world.run_until(
        [&] {
            return bench.session->status().channels[0].state != "live" &&
                   bench.session->status().channels[0].state != "suspect";
        },
        60s));
    EXPECT_LT(bench.world.now() - before, 3s);
    EXPECT_NE(bench.session->status().channels[0].problem.find("heartbeat"), std::string::npos);
    EXPECT_EQ(bench.run(IoOp::read, 0, 1), IoStatus::ok);
}

TEST(Session, does_not_disturb_an_idle_live_target) {
    Bench bench(1, 2, 2);
    ASSERT_TRUE(bench.open());
    bench.world.run_for(60s);
    EXPECT_EQ(bench.session->status().counters.recoveries, 0U);
    EXPECT_EQ(bench.session->status().counters.failovers, 0U);
    // Two beats of 200 ms a probe at first, then of 1 s.
    EXPECT_GT(bench.session->status().channels[0].counters.probes, 25U);
    EXPECT_LT(bench.session->status().channels[0].counters.probes, 45U);
    EXPECT_EQ(bench.network.rnr_stalls, 0U);
}

TEST(Session, hurries_when_an_idle_channel_is_used_again) {
    Bench bench(1, 2, 1);
    ASSERT_TRUE(bench.open());
    bench.network.retry_timeout = 3600s;
    bench.world.run_for(10s);
    bench.network.cut("i0", "t0");
    bench.network.cut("i1", "t1");
    std::array<TestIo, 8> ios;
    for (std::size_t i = 0; i < ios.size(); ++i)
        bench.device->submit(bench.prepare(ios[i], IoOp::read, i, 1, i));
    const Instant before = bench.world.now();
    ASSERT_TRUE(bench.world.run_until([&] { return !bench.session->live(); }, 60s));
    EXPECT_LT(bench.world.now() - before, 1500ms);
    bench.network.heal_all();
    for (const TestIo& io : ios) ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 30s));
}

TEST(Session, never_spends_its_last_credit_on_a_command) {
    Bench bench(1, 1, 1);
    bench.habits.request_limit = 4;
    ASSERT_TRUE(bench.open());
    bench.habits.mute = true;
    std::array<TestIo, 6> ios;
    for (std::size_t i = 0; i < ios.size(); ++i)
        bench.device->submit(bench.prepare(ios[i], IoOp::read, i, 1, i));
    bench.world.run_for(100ms);
    const auto status = bench.session->status();
    EXPECT_EQ(status.in_flight, 3U);
    EXPECT_EQ(status.channels[0].credits, 1);
    ASSERT_EQ(status.waits.size(), 1U);
    EXPECT_EQ(status.waits[0].requests, 3U);
    EXPECT_NE(status.waits[0].reason.find("credit"), std::string::npos);
    bench.world.run_for(1s);  // a target that stands still is something to wait for
    const auto later = bench.session->status();
    ASSERT_EQ(later.waits.size(), 2U);
    EXPECT_EQ(later.waits[0].requests, 3U);
    EXPECT_GE(later.waits[0].age, 1s);
    EXPECT_NE(later.waits[0].reason.find("answers"), std::string::npos);
    bench.habits.mute = false;  // those taken stay unanswered: aborted, sent again
    EXPECT_TRUE(bench.world.run_until(
        [&] {
            return std::all_of(ios.begin(), ios.end(), [](const TestIo& io) { return io.completions == 1; });
        },
        60s));
    EXPECT_GE(bench.target->aborts, 3U);
    for (const TestIo& io : ios) EXPECT_EQ(io.status, IoStatus::ok);
}

TEST(Session, logs_in_anew_when_a_target_keeps_all_credits) {
    Bench bench(1, 1, 1);
    bench.habits.request_limit = 40;
    ASSERT_TRUE(bench.open());
    bench.habits.keep_credits = true;
    for (int i = 0; i < 60; ++i) EXPECT_EQ(bench.run(IoOp::read, 0, 1), IoStatus::ok);
    EXPECT_GE(bench.session->status().counters.recoveries, 1U);
}

TEST(Session, drops_a_channel_whose_abort_is_not_answered) {
    Bench bench(1, 1, 1);
    ASSERT_TRUE(bench.open());
    bench.habits.mute = true;
    bench.habits.mute_tasks = true;
    TestIo io;
    bench.device->submit(bench.prepare(io, IoOp::write, 0, 8));
    ASSERT_TRUE(bench.world.run_until([&] { return bench.session->status().counters.recoveries == 1; }, 20s));
    bench.habits.mute = false;
    bench.habits.mute_tasks = false;
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 20s));
    EXPECT_EQ(io.status, IoStatus::ok);
    EXPECT_EQ(bench.ghosts(), 0U);
}

TEST(Session, forgets_regions_that_are_removed) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    Slab other = std::move(*Slab::allocate(8192));
    const RegionId id = bench.regions.add(other.data(), other.size());
    bench.regions.remove(id);  // still being registered
    const RegionId again = bench.regions.add(other.data(), other.size());
    TestIo io;
    bench.prepare(io, IoOp::read, 0, 8);
    io.data = {other.data(), 4096, again};
    bench.device->submit(io);
    EXPECT_FALSE(bench.session->status().waits.empty());  // registration takes time
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 5s));
    EXPECT_EQ(io.status, IoStatus::ok);
    bench.regions.remove(again);
}

TEST(Session, fails_requests_in_memory_nobody_named) {
    Bench bench;
    ASSERT_TRUE(bench.open());
    TestIo io;
    bench.prepare(io, IoOp::read, 0, 1);
    io.data.region = static_cast<RegionId>(77);
    bench.device->submit(io);
    ASSERT_TRUE(bench.world.run_until([&] { return io.completions == 1; }, 5s));
    EXPECT_EQ(io.status, IoStatus::io_error);
}

class Backoff : public testing::Test {
  protected:
    // Between attempts `first`, `first` + 1, ...: a pause is what is configured, and an attempt is short.
    void expect_pauses(std::size_t first, std::initializer_list<Duration> pauses) {
        ASSERT_TRUE(bench_.world.run_until(
            [&] { return bench_.target->attempts.size() > first + pauses.size(); }, 60s));
        for (const Duration pause : pauses) {
            const auto& attempts = bench_.target->attempts;
            const Duration passed = attempts[first + 1] - attempts[first];
            EXPECT_GE(passed, pause) << "after attempt " << first;
            EXPECT_LT(passed, pause + 20ms) << "after attempt " << first;
            ++first;
        }
    }
    Bench bench_{1, 1, 2};
};

TEST_F(Backoff, of_the_session_grows_to_its_limit_and_begins_anew_after_a_login) {
    bench_.options.timing.reconnect_min = 100ms;
    bench_.options.timing.reconnect_max = 1s;
    bench_.habits.reject = srp::RejectReason::channel_limit;
    bench_.start_session();
    // A round is every channel once; only then the pause grows.
    expect_pauses(0, {100ms, 100ms, 200ms, 200ms, 400ms, 400ms, 800ms, 800ms, 1s, 1s, 1s, 1s});
    bench_.habits.reject.reset();
    ASSERT_TRUE(bench_.world.run_until([&] { return bench_.session->live(); }, 5s));
    ASSERT_TRUE(bench_.all_live());
    bench_.world.run_for(1s);
    bench_.habits.reject = srp::RejectReason::channel_limit;
    bench_.target->attempts.clear();
    const Instant lost = bench_.world.now();
    bench_.target->disconnect_all();
    expect_pauses(0, {100ms, 100ms, 200ms, 200ms});
    EXPECT_LT(bench_.target->attempts[0] - lost, 20ms) << "a connection that lived is asked for at once";
}

TEST_F(Backoff, of_a_channel_grows_to_its_limit_and_begins_anew_after_a_login) {
    bench_.options.timing.reconnect_min = 100ms;
    bench_.options.timing.reconnect_max = 1s;
    ASSERT_TRUE(bench_.log_in() && bench_.all_live());
    for (int round = 0; round < 2; ++round) {
        bench_.target->attempts.clear();
        bench_.habits.reject = srp::RejectReason::channel_limit;
        const Instant lost = bench_.world.now();
        ASSERT_TRUE(bench_.session->drop_channel(1));
        expect_pauses(0, {200ms, 400ms, 800ms, 1s, 1s});
        EXPECT_GE(bench_.target->attempts[0] - lost, 100ms);
        EXPECT_LT(bench_.target->attempts[0] - lost, 120ms);
        bench_.habits.reject.reset();
        ASSERT_TRUE(bench_.all_live());
        EXPECT_EQ(bench_.session->status().counters.recoveries, 0U);
    }
}

}  // namespace
}  // namespace weft::test
