// SPDX-License-Identifier: Apache-2.0
// The data path step by step, on a connection whose every completion the test decides: who owns a buffer
// when, and that nothing is allocated.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "common/core/slab.h"
#include "common/srp/command.h"
#include "initiator/srp/remote_device.h"
#include "tests/support/hand_domain.h"
#include "tests/support/manual_executor.h"

namespace {
std::size_t allocations = 0;
}

// A sanitizer brings its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_COUNTS_ALLOCATIONS 0
#else
#define WEFT_COUNTS_ALLOCATIONS 1
void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace weft::test {
namespace {

using block::IoOp;
using block::IoStatus;

class HandFabric final : public rdma::Fabric {
  public:
    explicit HandFabric(Executor& executor) : executor_(executor) {
        sends.reserve(1024);
        receives.reserve(1024);
    }

    class HandConnection final : public rdma::Connection {
      public:
        explicit HandConnection(HandFabric& fabric) : fabric_(fabric) {}
        Result<void> create_queue_pair(rdma::Domain&, const rdma::Parameters&) override { return {}; }
        Result<void> establish(std::span<const std::byte>) override { return {}; }
        void post_send(const rdma::SendWork& work) override { fabric_.sends.push_back(work); }
        void post_receive(const rdma::ReceiveWork& work) override { fabric_.receives.push_back(work); }
        void disconnect() override { fabric_.disconnected = true; }
        [[nodiscard]] rdma::Limits limits() const override { return {}; }
        [[nodiscard]] std::string peer() const override { return "peer"; }
        [[nodiscard]] std::string local() const override { return "local"; }
        [[nodiscard]] std::string device() const override { return "hand0"; }

      private:
        HandFabric& fabric_;
    };

    Result<std::unique_ptr<rdma::Listener>> listen(const rdma::Endpoint&, const std::string&,
                                                   rdma::ListenerHandler&) override {
        return fail("no");
    }
    std::unique_ptr<rdma::Connection> connect(const rdma::Endpoint&, const std::string&, int,
                                              rdma::ConnectionHandler& connecting) override {
        handler = &connecting;
        return std::make_unique<HandConnection>(*this);
    }
    Result<std::unique_ptr<rdma::Domain>> open_domain(const rdma::ConnectionRequest&) override {
        return fail("no");
    }
    Result<std::unique_ptr<rdma::Domain>> open_domain(const rdma::Connection&) override {
        return std::make_unique<HandDomain>(executor_);
    }
    void take_over(rdma::ConnectionRequest&) override {}

    rdma::ConnectionHandler* handler = nullptr;
    std::vector<rdma::SendWork> sends;  // posted, in order
    std::vector<rdma::ReceiveWork> receives;
    bool disconnected = false;

  private:
    Executor& executor_;
};

class DataPath : public ::testing::Test {
  protected:
    void SetUp() override {
        initiator::SessionOptions options;
        options.target = "hand";
        options.paths.emplace_back();
        options.timing.heartbeat = Duration{0};
        region = regions.add(slab.data(), slab.size());
        session = std::move(*initiator::Session::create(executor, fabric, regions, options));
        session->start();
        fabric.handler->on_resolved();
        executor.run();
        ASSERT_FALSE(fabric.receives.empty());
        srp::LoginResponse response;
        response.request_limit_delta = 64;
        response.it_iu_length = 8260;
        response.ti_iu_length = 256;
        response.immediate_data = true;
        response.extension = srp::Extension{};
        fabric.handler->on_established(srp::encode(response));
        executor.run();
        ASSERT_TRUE(session->live());
        initiator::RemoteUnit unit;
        unit.geometry.block_size = 512;
        unit.geometry.blocks = 1 << 20;
        unit.geometry.transfer_blocks_max = 2048;
        device = std::make_unique<initiator::RemoteDevice>(*session, unit,
                                                           initiator::RemoteDeviceOptions{.name = "leg"});
        scratch.resize(device->scratch_bytes() + 16);
        io.scratch =
            reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 15) / 16 * 16);
        io.done = [](block::IoRequest& request) { ++static_cast<Counted&>(request).completions; };
    }
    void TearDown() override {
        device->close();
        bool stopped = false;
        session->stop([&] { stopped = true; });
        executor.run();
        if (fabric.disconnected) {
            fabric.handler->on_disconnected(rdma::DisconnectReason::local);
            fabric.handler->on_drained();
        }
        executor.run();
        EXPECT_TRUE(stopped);
        device.reset();
        session.reset();
    }

    void submit(IoOp op, std::uint32_t blocks) {
        io.op = op;
        io.lba = 5;
        io.blocks = blocks;
        io.data = {slab.data(), blocks * 512, region};
        device->submit(io);
    }
    // The completion of the oldest SEND.
    void complete_send(rdma::WorkStatus status = rdma::WorkStatus::ok) {
        ASSERT_FALSE(fabric.sends.empty());
        const rdma::WorkId id = fabric.sends.front().id;
        fabric.sends.erase(fabric.sends.begin());
        fabric.handler->on_completion({.id = id, .opcode = rdma::Opcode::send, .status = status});
        executor.run();
    }
    [[nodiscard]] static srp::CommandView command_in(const rdma::SendWork& work) {
        const auto view = srp::decode_command({work.buffers[0].address, work.buffers[0].length}, 0);
        WEFT_CHECK(view.has_value());
        return *view;
    }
    void respond(const srp::Tag& tag) {
        const rdma::ReceiveWork receive = fabric.receives.front();
        fabric.receives.erase(fabric.receives.begin());
        srp::Response response;
        response.tag = tag;
        response.request_limit_delta = 1;
        const std::size_t length =
            srp::encode(std::span(receive.buffer.address, receive.buffer.length), response);
        fabric.handler->on_completion({.id = receive.id,
                                       .opcode = rdma::Opcode::receive,
                                       .receive = true,
                                       .length = static_cast<std::uint32_t>(length)});
        executor.run();
    }

    struct Counted : block::IoRequest {
        int completions = 0;
    };
    ManualExecutor executor;
    HandFabric fabric{executor};
    RegionDirectory regions;
    Slab slab = std::move(*Slab::allocate(1 << 20));
    RegionId region = kNoRegion;
    std::unique_ptr<initiator::Session> session;
    std::unique_ptr<initiator::RemoteDevice> device;
    std::vector<std::byte> scratch;
    Counted io;
};

TEST_F(DataPath, a_request_ends_when_both_response_and_send_are_back) {
    submit(IoOp::read, 8);
    const srp::Tag first = command_in(fabric.sends.front()).tag;
    complete_send();
    EXPECT_EQ(io.completions, 0);
    respond(first);
    EXPECT_EQ(io.completions, 1);

    submit(IoOp::read, 8);
    const srp::Tag second = command_in(fabric.sends.front()).tag;
    EXPECT_NE(first, second);
    respond(second);  // overtakes the acknowledgement
    EXPECT_EQ(io.completions, 1);
    complete_send();
    EXPECT_EQ(io.completions, 2);
    EXPECT_EQ(io.status, IoStatus::ok);
}

TEST_F(DataPath, a_lost_request_ends_when_the_queue_pair_has_drained) {
    submit(IoOp::read, 8);
    fabric.handler->on_disconnected(rdma::DisconnectReason::peer);
    device->close();  // whose requests wait for nothing
    executor.run();
    EXPECT_EQ(io.completions, 0);
    complete_send(rdma::WorkStatus::flushed);
    EXPECT_EQ(io.completions, 0);
    fabric.handler->on_drained();
    executor.run();
    EXPECT_EQ(io.completions, 1);
    EXPECT_EQ(io.status, IoStatus::connection_lost);
}

TEST_F(DataPath, a_response_that_arrived_before_the_loss_counts) {
    submit(IoOp::write, 8);
    const std::uint64_t tag = [&] {
        srp::Tag copy;
        std::memcpy(&copy, fabric.sends.front().buffers[0].address + 8, sizeof copy);
        return copy.value();
    }();
    respond(srp::Tag::of(tag));
    fabric.handler->on_disconnected(rdma::DisconnectReason::peer);
    complete_send(rdma::WorkStatus::flushed);
    EXPECT_EQ(io.completions, 0);
    fabric.handler->on_drained();
    executor.run();
    EXPECT_EQ(io.completions, 1);
    EXPECT_EQ(io.status, IoStatus::ok);
}

TEST_F(DataPath, small_writes_are_gathered_from_the_buffer_and_large_ones_described) {
    submit(IoOp::write, 16);
    const rdma::SendWork small = fabric.sends.front();
    ASSERT_EQ(small.buffer_count, 2);
    EXPECT_EQ(small.buffers[0].length, initiator::Channel::kImmediateOffset);
    EXPECT_EQ(small.buffers[1].address, slab.data());
    EXPECT_EQ(small.buffers[1].length, 8192U);
    srp::Tag tag;
    std::memcpy(&tag, small.buffers[0].address + 8, sizeof tag);
    complete_send();
    respond(tag);
    submit(IoOp::write, 17);
    const rdma::SendWork large = fabric.sends.front();
    ASSERT_EQ(large.buffer_count, 1);
    EXPECT_EQ(large.buffers[0].length, initiator::Channel::kCommandIuBytes);
    const srp::CommandView view = command_in(large);
    EXPECT_EQ(srp::DescriptorTable(view.data_out.list)[0].rkey, 9U);
    complete_send();
    respond(view.tag);
    EXPECT_EQ(io.completions, 2);
}

TEST_F(DataPath, allocates_nothing) {
    if (WEFT_COUNTS_ALLOCATIONS == 0) GTEST_SKIP() << "a sanitizer owns operator new";
    const auto once = [&](IoOp op, std::uint32_t blocks) {
        submit(op, blocks);
        srp::Tag tag;
        std::memcpy(&tag, fabric.sends.front().buffers[0].address + 8, sizeof tag);
        complete_send();
        respond(tag);
    };
    once(IoOp::read, 8);
    const std::size_t before = allocations;
    for (int i = 0; i < 1000; ++i) {
        once(IoOp::read, 8);
        once(IoOp::write, 8);
        once(IoOp::write, 64);
    }
    EXPECT_EQ(allocations, before);
    EXPECT_EQ(io.completions, 3001);
}

}  // namespace
}  // namespace weft::test
