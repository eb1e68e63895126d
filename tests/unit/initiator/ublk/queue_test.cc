// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/queue.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "common/block/null_device.h"
#include "tests/support/manual_executor.h"

namespace weft::ublk {
namespace {

constexpr std::uint16_t kDepth = 8;
constexpr std::uint32_t kIoBytes = 16384;

// Keeps what it is given until the test says how it ends.
class KeepingDevice final : public block::BlockDevice {
  public:
    explicit KeepingDevice(Executor& executor) : BlockDevice(executor) {
        geometry_.blocks = 1000;
        geometry_.discard_granularity = 1;
        geometry_.write_zeroes = true;
    }
    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 32; }
    void end(std::size_t which, block::IoStatus status) {
        block::IoRequest& io = *kept.at(which);
        kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(which));
        complete(io, status);
    }
    std::deque<block::IoRequest*> kept;

  private:
    void do_submit(block::IoRequest& io) override {
        std::memset(io.scratch, 0xAA, scratch_bytes());
        kept.push_back(&io);
    }
    block::Geometry geometry_;
};

// The driver's side: what was issued, by tag.
class Driver final : public QueuePort {
  public:
    void issue(uring::Operation& operation, std::uint32_t opcode, const abi::IoCommand& command) override {
        ASSERT_LT(command.tag, kDepth);
        ASSERT_EQ(fetches.count(command.tag), 0U) << "fetched twice";
        fetches[command.tag] = &operation;
        buffers[command.tag] = command.address;
        if (opcode == abi::kCommitAndFetch) commits.push_back(command);
    }
    void complete(std::uint16_t tag, std::int32_t result) {
        uring::Operation* operation = fetches.at(tag);
        fetches.erase(tag);
        operation->complete(result, 0);
    }
    std::map<std::uint16_t, uring::Operation*> fetches;
    std::map<std::uint16_t, std::uint64_t> buffers;
    std::vector<abi::IoCommand> commits;
};

class QueueTest : public testing::Test {
  protected:
    QueueTest() {
        auto made = Queue::create(device_, regions_, {kDepth, kIoBytes, 32}, "volume");
        EXPECT_TRUE(made) << made.error().what;
        queue_ = std::move(*made);
        queue_->register_memory();
    }
    void fetch_all() { queue_->fetch_all(driver_, descriptors_); }
    void send(std::uint16_t tag, const abi::IoDescriptor& request) {
        descriptors_.at(tag) = request;
        driver_.complete(tag, 0);
    }
    void abort_all() {
        while (!driver_.fetches.empty()) driver_.complete(driver_.fetches.begin()->first, -ENODEV);
    }
    const abi::IoCommand& last() { return driver_.commits.back(); }

    weft::test::ManualExecutor executor_;
    RegionDirectory regions_;
    KeepingDevice device_{executor_};
    Driver driver_;
    std::vector<abi::IoDescriptor> descriptors_ = std::vector<abi::IoDescriptor>(kDepth);
    std::unique_ptr<Queue> queue_;
};

TEST_F(QueueTest, fetches_every_tag_into_a_buffer_of_its_own) {
    fetch_all();
    EXPECT_EQ(driver_.fetches.size(), kDepth);
    EXPECT_EQ(queue_->count(TagState::kernel), kDepth);
    for (const auto& [tag, address] : driver_.buffers)
        EXPECT_EQ(address, driver_.buffers[0] + tag * kIoBytes);
    EXPECT_FALSE(queue_->drained());
    abort_all();
    EXPECT_TRUE(queue_->drained());
    EXPECT_EQ(queue_->failure(), 0);
}

TEST_F(QueueTest, a_request_goes_to_the_tree_and_its_end_to_the_driver) {
    fetch_all();
    send(3, {abi::kWrite | abi::kIoFua, 16, 80, 0});
    ASSERT_EQ(device_.kept.size(), 1U);
    const block::IoRequest& io = *device_.kept[0];
    EXPECT_EQ(io.op, block::IoOp::write);
    EXPECT_TRUE(io.fua);
    EXPECT_EQ(io.lba, 10U);
    EXPECT_EQ(io.blocks, 2U);
    EXPECT_EQ(io.data.length, 8192U);
    EXPECT_EQ(reinterpret_cast<std::uint64_t>(io.data.base), driver_.buffers[3]);
    EXPECT_EQ(regions_.at(io.data.region).base, io.data.base - 3 * kIoBytes);
    executor_.advance(1500ms);
    EXPECT_EQ(queue_->held(), 1U);
    EXPECT_EQ(queue_->oldest_held(), 1500ms);
    EXPECT_TRUE(driver_.commits.empty());
    device_.end(0, block::IoStatus::ok);
    executor_.run();
    ASSERT_EQ(driver_.commits.size(), 1U);
    EXPECT_EQ(last().tag, 3);
    EXPECT_EQ(last().result, 8192);
    EXPECT_EQ(queue_->held(), 0U);
    EXPECT_EQ(queue_->counters().bytes, 8192U);
    abort_all();
}

TEST_F(QueueTest, an_unknown_operation_is_refused_and_never_reaches_the_tree) {
    fetch_all();
    send(0, {abi::kWriteSame, 8, 0, 0});
    EXPECT_EQ(last().result, -EOPNOTSUPP);
    send(0, {abi::kRead, 8, 8000, 0});  // beyond the end
    executor_.run();
    EXPECT_EQ(last().result, -EREMOTEIO);
    EXPECT_TRUE(device_.kept.empty());
    EXPECT_EQ(queue_->counters().unknown, 1U);
    EXPECT_EQ(queue_->counters().errors, 2U);
    abort_all();
}

TEST_F(QueueTest, an_aborted_tag_is_never_fetched_again) {
    fetch_all();
    send(1, {abi::kRead, 8, 0, 0});
    abort_all();
    EXPECT_FALSE(queue_->drained()) << "one is in the tree";
    device_.end(0, block::IoStatus::ok);
    executor_.run();
    EXPECT_FALSE(queue_->drained()) << "one commit is with the driver";
    driver_.complete(1, -ENODEV);
    EXPECT_TRUE(queue_->drained());
    EXPECT_EQ(queue_->count(TagState::gone), kDepth);
    EXPECT_EQ(driver_.commits.size(), 1U);
}

TEST_F(QueueTest, an_unexpected_answer_is_kept_as_the_queues_failure) {
    fetch_all();
    driver_.complete(0, -EINVAL);
    driver_.complete(1, -EBUSY);
    EXPECT_EQ(queue_->failure(), EINVAL);
    abort_all();
    EXPECT_TRUE(queue_->drained());
}

TEST_F(QueueTest, refusing_answers_what_comes_and_what_was_parked) {
    fetch_all();
    queue_->set_intake(Intake::park);
    send(2, {abi::kRead, 8, 0, 0});
    EXPECT_EQ(queue_->count(TagState::parked), 1U);
    EXPECT_EQ(queue_->held(), 0U);
    EXPECT_TRUE(driver_.commits.empty());
    queue_->set_intake(Intake::refuse);
    ASSERT_EQ(driver_.commits.size(), 1U);
    EXPECT_EQ(last().result, -EIO);
    send(4, {abi::kFlush, 0, 0, 0});
    EXPECT_EQ(last().tag, 4);
    EXPECT_EQ(last().result, -EIO);
    EXPECT_EQ(queue_->counters().refused, 2U);
    EXPECT_TRUE(device_.kept.empty());
    abort_all();
    EXPECT_TRUE(queue_->drained());
}

TEST_F(QueueTest, what_was_parked_is_served_when_serving_goes_on) {
    fetch_all();
    queue_->set_intake(Intake::park);
    send(2, {abi::kRead, 8, 16, 0});
    queue_->set_intake(Intake::serve);
    ASSERT_EQ(device_.kept.size(), 1U);
    EXPECT_EQ(device_.kept[0]->lba, 2U);
    device_.end(0, block::IoStatus::ok);
    executor_.run();
    EXPECT_EQ(last().result, 4096);
    abort_all();
}

// Oracle: each request sent is answered once, with what its end says; nothing else is.
TEST_F(QueueTest, random_traffic_is_answered_exactly_once) {
    fetch_all();
    std::mt19937 random(4711);
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    std::map<block::IoRequest*, std::uint16_t> tag_of;
    std::map<std::uint16_t, std::int32_t> due;  // answers owed
    std::size_t sent = 0;
    const auto settle = [&] {
        executor_.run();
        for (const abi::IoCommand& commit : driver_.commits) {
            ASSERT_EQ(due.count(commit.tag), 1U);
            EXPECT_EQ(commit.result, due[commit.tag]);
            due.erase(commit.tag);
        }
        driver_.commits.clear();
    };
    for (int step = 0; step < 20000; ++step) {
        if (!driver_.fetches.empty() && pick(2) == 0) {
            const auto tag =
                std::next(driver_.fetches.begin(), static_cast<long>(pick(driver_.fetches.size())))->first;
            const std::uint32_t operations[] = {abi::kRead, abi::kWrite, abi::kFlush, abi::kDiscard,
                                                abi::kWriteZeroes};
            const std::uint32_t operation = operations[pick(5)];
            const auto blocks = operation == abi::kFlush ? 0 : static_cast<std::uint32_t>(1 + pick(4));
            const std::size_t before = device_.kept.size();
            send(tag, {operation, blocks * 8, pick(996) * 8, 0});
            ++sent;
            ASSERT_EQ(device_.kept.size(), before + 1);
            tag_of[device_.kept.back()] = tag;
        } else if (!device_.kept.empty()) {
            const std::size_t which = pick(device_.kept.size());
            block::IoRequest& io = *device_.kept[which];
            const auto status = pick(4) == 0 ? block::IoStatus::timed_out : block::IoStatus::ok;
            const auto length = static_cast<std::int32_t>(io.data.length);
            due[tag_of.at(&io)] = status == block::IoStatus::ok ? length : -ETIMEDOUT;
            device_.end(which, status);
            EXPECT_TRUE(driver_.commits.empty()) << "answered inside the completion";
            if (pick(3) == 0) settle();
        }
    }
    while (!device_.kept.empty()) {
        due[tag_of.at(device_.kept[0])] = -EIO;
        device_.end(0, block::IoStatus::io_error);
    }
    settle();
    EXPECT_TRUE(due.empty());
    EXPECT_EQ(queue_->counters().requests, sent);
    EXPECT_EQ(driver_.fetches.size(), kDepth);
    abort_all();
}

TEST(TagStates, only_the_drivers_answer_ends_a_fetch) {
    for (int to = 0; to < 5; ++to) EXPECT_FALSE(may_follow(TagState::gone, static_cast<TagState>(to)));
    EXPECT_FALSE(may_follow(TagState::tree, TagState::gone));
    EXPECT_FALSE(may_follow(TagState::tree, TagState::parked));
    EXPECT_FALSE(may_follow(TagState::idle, TagState::tree));
}

}  // namespace
}  // namespace weft::ublk
