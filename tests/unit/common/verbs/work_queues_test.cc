// SPDX-License-Identifier: Apache-2.0
// The data path on a queue pair that lives in this file: ibv_post_send() and ibv_post_recv() call through the
// context's table of operations, so the test puts its own device there.
#include "common/verbs/work_queues.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace weft::verbs {
namespace {

using rdma::Opcode;
using rdma::WorkStatus;

// Takes work until told to refuse, gives it back in order.
class Device {
  public:
    struct Taken {
        std::uint64_t wr_id = 0;
        bool signaled = true;
        std::string inlined;
        std::vector<ibv_sge> buffers;
    };

    Device() {
        context_.ops.post_send = &Device::post_send;
        context_.ops.post_recv = &Device::post_receive;
        queue_pair_.context = &context_;
        queue_pair_.qp_context = this;
    }
    [[nodiscard]] ibv_qp& queue_pair() { return queue_pair_; }

    std::deque<Taken> sends;
    std::deque<Taken> receives;
    int send_chains = 0;
    int receive_chains = 0;
    int take = 1 << 30;  // this many more, then refuse
    std::string order;

  private:
    template <class Request>
    static Taken copy(const Request& request) {
        Taken taken{.wr_id = request.wr_id};
        taken.buffers.assign(request.sg_list, request.sg_list + request.num_sge);
        return taken;
    }
    static int post_send(ibv_qp* queue_pair, ibv_send_wr* request, ibv_send_wr** bad) {
        auto& device = *static_cast<Device*>(queue_pair->qp_context);
        ++device.send_chains;
        device.order += 's';
        for (; request != nullptr; request = request->next) {
            if (device.take-- <= 0) {
                *bad = request;
                return ENOMEM;
            }
            Taken taken = copy(*request);
            taken.signaled = (request->send_flags & IBV_SEND_SIGNALED) != 0;
            if ((request->send_flags & IBV_SEND_INLINE) != 0) {
                taken.inlined.assign(reinterpret_cast<const char*>(request->sg_list[0].addr),
                                     request->sg_list[0].length);
            }
            device.sends.push_back(taken);
        }
        return 0;
    }
    static int post_receive(ibv_qp* queue_pair, ibv_recv_wr* request, ibv_recv_wr** bad) {
        auto& device = *static_cast<Device*>(queue_pair->qp_context);
        ++device.receive_chains;
        device.order += 'r';
        for (; request != nullptr; request = request->next) {
            if (device.take-- <= 0) {
                *bad = request;
                return ENOMEM;
            }
            device.receives.push_back(copy(*request));
        }
        return 0;
    }

    ibv_context context_{};
    ibv_qp queue_pair_{};
};

class Sink final : public CompletionSink {
  public:
    [[nodiscard]] bool on_finished(const rdma::Completion& completion) override {
        seen.push_back(completion);
        return !destroy;
    }
    std::vector<rdma::Completion> seen;
    bool destroy = false;
};

bool complete(WorkQueues& queues, const Device::Taken& taken, ibv_wc_status status, CompletionSink& sink) {
    ibv_wc entry{};
    entry.wr_id = taken.wr_id;
    entry.status = status;
    entry.byte_len = 77;
    return queues.complete(WorkKey::decode(taken.wr_id), entry, sink);
}

Device::Taken pop(std::deque<Device::Taken>& queue) {
    const Device::Taken taken = queue.front();
    queue.pop_front();
    return taken;
}

TEST(WorkQueues, PostsOneChainPerQueueReceivesFirst) {
    Device device;
    WorkQueues queues({.send = 8, .receive = 8}, 16, 3, 9);
    for (rdma::WorkId id = 0; id < 4; ++id) {
        queues.post_send({.id = id, .opcode = Opcode::write});
        queues.post_receive({.id = id});
    }
    EXPECT_TRUE(queues.has_queued());
    EXPECT_EQ(queues.flush(device.queue_pair(), true), 0);
    EXPECT_FALSE(queues.has_queued());
    EXPECT_EQ(device.order, "rs");
    EXPECT_EQ(device.sends.size(), 4U);
    EXPECT_EQ(device.receives.size(), 4U);
    const WorkKey key = WorkKey::decode(device.sends.front().wr_id);
    EXPECT_EQ(key.slot, 3);
    EXPECT_EQ(key.generation, 9);
    EXPECT_EQ(queues.flush(device.queue_pair(), true), 0);
    EXPECT_EQ(device.order, "rs");
}

TEST(WorkQueues, HoldsSendsUntilReady) {
    Device device;
    WorkQueues queues({.send = 2, .receive = 2}, 0, 0, 0);
    queues.post_send({.id = 1});
    queues.post_receive({.id = 2});
    EXPECT_EQ(queues.flush(device.queue_pair(), false), 0);
    EXPECT_EQ(device.order, "r");
    EXPECT_TRUE(queues.has_queued());
    EXPECT_EQ(queues.flush(device.queue_pair(), true), 0);
    EXPECT_EQ(device.order, "rs");
}

TEST(WorkQueues, CopiesInlineDataAtOnce) {
    Device device;
    WorkQueues queues({.send = 2, .receive = 1}, 8, 0, 0);
    std::array<char, 4> left{'w', 'e', 'f', 't'};
    std::array<char, 3> right{'i', 'n', 'g'};
    rdma::SendWork work{.id = 1, .inline_data = true, .buffer_count = 2};
    work.buffers[0] = {.address = reinterpret_cast<std::byte*>(left.data()), .length = 4};
    work.buffers[1] = {.address = reinterpret_cast<std::byte*>(right.data()), .length = 3};
    queues.post_send(work);
    left.fill('x');
    right.fill('x');
    EXPECT_EQ(queues.flush(device.queue_pair(), true), 0);
    EXPECT_EQ(device.sends.front().inlined, "wefting");
}

TEST(WorkQueues, AbortsWhenInlineDataDoesNotFit) {
    WorkQueues queues({.send = 2, .receive = 1}, 8, 0, 0);
    std::array<std::byte, 9> bytes{};
    rdma::SendWork work{.inline_data = true, .buffer_count = 1};
    work.buffers[0] = {.address = bytes.data(), .length = 9};
    EXPECT_DEATH(queues.post_send(work), "inline");
}

TEST(WorkQueues, ASignalledCompletionRetiresUnsignalledWork) {
    Device device;
    Sink sink;
    WorkQueues queues({.send = 3, .receive = 1}, 0, 0, 0);
    for (int round = 0; round < 5; ++round) {
        queues.post_send({.id = 1, .opcode = Opcode::write, .signaled = false});
        queues.post_send({.id = 2, .opcode = Opcode::write, .signaled = false});
        queues.post_send({.id = 3});
        EXPECT_EQ(queues.flush(device.queue_pair(), true), 0);
        pop(device.sends);
        pop(device.sends);
        EXPECT_TRUE(complete(queues, pop(device.sends), IBV_WC_SUCCESS, sink));
        EXPECT_TRUE(queues.idle());
    }
    EXPECT_EQ(sink.seen.size(), 5U);
}

TEST(WorkQueues, SaysOtherOfSignalledWorkTheDevicePassedOver) {
    Device device;
    Sink sink;
    WorkQueues queues({.send = 3, .receive = 1}, 0, 0, 0);
    queues.post_send({.id = 1});
    queues.post_send({.id = 2});
    EXPECT_EQ(queues.flush(device.queue_pair(), true), 0);
    EXPECT_TRUE(complete(queues, device.sends.back(), IBV_WC_SUCCESS, sink));
    EXPECT_TRUE(complete(queues, device.sends.front(), IBV_WC_SUCCESS, sink));  // too late: ignored
    ASSERT_EQ(sink.seen.size(), 2U);
    EXPECT_EQ(sink.seen[0].status, WorkStatus::other);
    EXPECT_EQ(sink.seen[1].status, WorkStatus::ok);
}

TEST(WorkQueues, StopsWhenTheSinkDestroysIt) {
    Device device;
    Sink sink;
    sink.destroy = true;
    auto queues = std::make_unique<WorkQueues>(rdma::QueueDepths{.send = 3, .receive = 2}, 0, 0, 0);
    queues->post_receive({.id = 1});
    queues->post_receive({.id = 2});
    EXPECT_EQ(queues->flush(device.queue_pair(), true), 0);
    queues->abandon();
    EXPECT_FALSE(queues->flush_held(sink));
    EXPECT_EQ(sink.seen.size(), 1U);
}

TEST(WorkQueues, TranslatesEveryStatus) {
    EXPECT_EQ(to_work_status(IBV_WC_SUCCESS), WorkStatus::ok);
    EXPECT_EQ(to_work_status(IBV_WC_WR_FLUSH_ERR), WorkStatus::flushed);
    EXPECT_EQ(to_work_status(IBV_WC_REM_ACCESS_ERR), WorkStatus::remote_access);
    EXPECT_EQ(to_work_status(IBV_WC_REM_INV_REQ_ERR), WorkStatus::remote_invalid);
    EXPECT_EQ(to_work_status(IBV_WC_RETRY_EXC_ERR), WorkStatus::retry_exceeded);
    EXPECT_EQ(to_work_status(IBV_WC_RNR_RETRY_EXC_ERR), WorkStatus::rnr_exceeded);
    EXPECT_EQ(to_work_status(IBV_WC_LOC_PROT_ERR), WorkStatus::local_error);
    EXPECT_EQ(to_work_status(IBV_WC_FATAL_ERR), WorkStatus::other);
    for (int status = 1; status <= IBV_WC_TM_RNDV_INCOMPLETE; ++status) {
        EXPECT_NE(to_work_status(static_cast<ibv_wc_status>(status)), WorkStatus::ok);
    }
}

// A connection's whole life at random: work is posted, done, refused, the connection ends at any moment and
// the device flushes all, some or nothing of what it has. Whatever happens: each receive and each signalled
// send is reported once and in order, unsignalled work never.
class Life {
  public:
    explicit Life(unsigned seed) : random_(seed) {}

    void run() {
        const auto end = random_() % 200;
        for (unsigned i = 0; i < end && !queues_.closed(); ++i) step();
        if (!queues_.closed()) queues_.close();
        if (random_() % 2 == 0) post();  // after the end
        give_back(device_.sends, IBV_WC_WR_FLUSH_ERR, random_() % 4 == 0);
        give_back(device_.receives, IBV_WC_WR_FLUSH_ERR, random_() % 4 == 0);
        ASSERT_TRUE(queues_.flush_held(sink_));
        if (!queues_.idle()) {  // it kept some: what the drain limit is for
            queues_.abandon();
            ASSERT_TRUE(queues_.flush_held(sink_));
        }
        ASSERT_TRUE(queues_.idle());
        check();
    }

  private:
    static constexpr std::uint32_t kDepth = 7;

    void step() {
        switch (random_() % 4) {
            case 0:
            case 1: return post();
            case 2:
                if (random_() % 40 == 0) device_.take = static_cast<int>(random_() % 4);
                if (queues_.flush(device_.queue_pair(), true) != 0) queues_.close();
                return;
            default: return work();
        }
    }
    void post() {
        const rdma::WorkId id = next_++;
        if (random_() % 2 == 0) {
            if (receives_ == kDepth) return;
            ++receives_;
            queues_.post_receive({.id = id});
            expected_receives_.push_back(id);
        } else {
            if (sends_ == kDepth) return;
            // The last place is for a signalled one, or nothing would ever be retired.
            const bool signaled = sends_ == kDepth - 1 || random_() % 3 == 0;
            ++sends_;
            in_flight_.push_back(signaled);
            queues_.post_send({.id = id, .opcode = Opcode::write, .signaled = signaled});
            if (signaled) expected_sends_.push_back(id);
        }
    }
    void work() {
        if (!device_.receives.empty() && random_() % 2 == 0) {
            ASSERT_TRUE(complete(queues_, pop(device_.receives), IBV_WC_SUCCESS, sink_));
            --receives_;
        }
        // Success of unsignalled work is silent.
        while (!device_.sends.empty() && random_() % 3 != 0) {
            const Device::Taken taken = pop(device_.sends);
            if (!taken.signaled) continue;
            ASSERT_TRUE(complete(queues_, taken, IBV_WC_SUCCESS, sink_));
            while (!in_flight_.front()) {
                in_flight_.pop_front();
                --sends_;
            }
            in_flight_.pop_front();
            --sends_;
        }
    }
    void give_back(std::deque<Device::Taken>& queue, ibv_wc_status status, bool lose_some) {
        while (!queue.empty() && !(lose_some && random_() % 3 == 0)) {
            ASSERT_TRUE(complete(queues_, pop(queue), status, sink_));
        }
    }
    void check() {
        std::vector<rdma::WorkId> sends;
        std::vector<rdma::WorkId> receives;
        for (const rdma::Completion& each : sink_.seen) (each.receive ? receives : sends).push_back(each.id);
        EXPECT_EQ(sends, expected_sends_);
        EXPECT_EQ(receives, expected_receives_);
    }

    std::mt19937 random_;
    Device device_;
    Sink sink_;
    WorkQueues queues_{{.send = kDepth, .receive = kDepth}, 0, 0, 0};
    rdma::WorkId next_ = 1;
    std::uint32_t sends_ = 0;
    std::uint32_t receives_ = 0;
    std::deque<bool> in_flight_;
    std::vector<rdma::WorkId> expected_sends_;
    std::vector<rdma::WorkId> expected_receives_;
};

TEST(WorkQueues, ReportsEverythingOnceWhateverHappens) {
    for (unsigned seed = 0; seed < 5000 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Life(seed).run();
    }
}

}  // namespace
}  // namespace weft::verbs
