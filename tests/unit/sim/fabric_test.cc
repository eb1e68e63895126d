// SPDX-License-Identifier: Apache-2.0
// The simulated fabric itself: if the wire lies, nothing above it is proven.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <optional>

#include "tests/sim/sim_fabric.h"

namespace weft::sim {
namespace {

using rdma::Completion;
using rdma::WorkStatus;

struct Endpoint final : rdma::ConnectionHandler {
    void on_resolved() override { resolved = true; }
    void on_established(std::span<const std::byte> data) override {
        established = true;
        private_data.assign(data.begin(), data.end());
    }
    void on_connect_failed(rdma::ConnectFailure why, int, std::span<const std::byte> data,
                           const std::string&) override {
        failure = why;
        private_data.assign(data.begin(), data.end());
    }
    void on_completion(const Completion& completion) override {
        EXPECT_FALSE(drained);
        completions.push_back(completion);
    }
    void on_disconnected(rdma::DisconnectReason why) override {
        EXPECT_FALSE(disconnected.has_value());
        disconnected = why;
    }
    void on_drained() override {
        EXPECT_FALSE(drained);
        drained = true;
    }

    bool resolved = false;
    bool established = false;
    bool drained = false;
    std::optional<rdma::ConnectFailure> failure;
    std::optional<rdma::DisconnectReason> disconnected;
    std::vector<std::byte> private_data;
    std::vector<Completion> completions;
    std::unique_ptr<rdma::Domain> domain;
    std::unique_ptr<rdma::Registration> registration;
    std::unique_ptr<rdma::Connection> connection;
    std::array<std::byte, 4096> memory{};
};

class FabricTest : public testing::Test, public rdma::ListenerHandler {
  public:
    FabricTest() {
        auto listener = target_fabric_.listen({"store", 5555}, "", *this);
        EXPECT_TRUE(listener);
        listener_ = std::move(*listener);
    }
    ~FabricTest() override {
        for (Endpoint* end : {&a_, &b_}) {
            end->connection.reset();
            end->registration.reset();
            end->domain.reset();
        }
        while (world_.step()) {
        }
    }

    static constexpr rdma::Parameters kParameters{{8, 8}, 4, 4, 6, 7};

    void register_all(Endpoint& end) {
        end.domain->register_memory(end.memory.data(), end.memory.size(), rdma::Access::remote_both,
                                    [&end](auto result) { end.registration = std::move(*result); });
        ASSERT_TRUE(world_.run_until([&] { return end.registration != nullptr; }, 1s));
    }
    void receive(Endpoint& end, std::uint64_t id, std::size_t offset) {
        end.connection->post_receive({id, {end.memory.data() + offset, 64, end.registration->keys().lkey}});
    }

    void on_request(std::unique_ptr<rdma::ConnectionRequest> request) override {
        request_ = std::move(request);
    }

    void begin() {
        a_.connection = initiator_fabric_.connect({"store", 5555}, "", 1000, a_);
        ASSERT_TRUE(world_.run_until([&] { return a_.resolved; }, 1s));
        a_.domain = std::move(*initiator_fabric_.open_domain(*a_.connection));
        ASSERT_TRUE(a_.connection->create_queue_pair(*a_.domain, kParameters));
        register_all(a_);
        receive(a_, 1, 0);
        const std::array<std::byte, 3> hello{std::byte{1}, std::byte{2}, std::byte{3}};
        ASSERT_TRUE(a_.connection->establish(hello));
        ASSERT_TRUE(world_.run_until([&] { return request_ != nullptr; }, 1s));
        EXPECT_EQ(request_->private_data().size(), rdma::kRequestDataBytes);
        EXPECT_EQ(request_->private_data()[2], std::byte{3});
        b_.domain = std::move(*target_fabric_.open_domain(*request_));
        register_all(b_);
    }
    void connect() {
        begin();
        b_.connection = std::move(*request_->create_connection(*b_.domain, kParameters, b_));
        for (std::uint64_t i = 0; i < 4; ++i) receive(b_, 100 + i, 64 * i);
        ASSERT_TRUE(request_->accept({}));
        ASSERT_TRUE(world_.run_until([&] { return a_.established && b_.established; }, 1s));
    }
    rdma::SendWork work(Endpoint& end, rdma::Opcode opcode, std::uint64_t id, std::size_t offset,
                        std::uint32_t length) {
        rdma::SendWork send;
        send.id = id;
        send.opcode = opcode;
        send.buffer_count = 1;
        send.buffers[0] = {end.memory.data() + offset, length, end.registration->keys().lkey};
        return send;
    }

    World world_{7};
    Network network_{world_};
    Node& initiator_ = world_.add_node("initiator");
    Node& target_ = world_.add_node("target");
    SimFabric initiator_fabric_{network_, initiator_, {"compute"}};
    SimFabric target_fabric_{network_, target_, {"store"}};
    std::unique_ptr<rdma::Listener> listener_;
    std::unique_ptr<rdma::ConnectionRequest> request_;
    Endpoint a_;
    Endpoint b_;
};

TEST_F(FabricTest, SendsReadsAndWritesInOrder) {
    connect();
    std::memset(a_.memory.data() + 1024, 0x5A, 64);
    std::memset(b_.memory.data() + 2048, 0xA5, 64);
    auto write = work(a_, rdma::Opcode::write, 1, 1024, 64);
    write.remote = {reinterpret_cast<std::uint64_t>(b_.memory.data() + 3072), b_.registration->keys().rkey};
    write.signaled = false;
    a_.connection->post_send(write);
    auto read = work(a_, rdma::Opcode::read, 2, 512, 64);
    read.remote = {reinterpret_cast<std::uint64_t>(b_.memory.data() + 2048), b_.registration->keys().rkey};
    a_.connection->post_send(read);
    a_.connection->post_send(work(a_, rdma::Opcode::send, 3, 1024, 10));
    ASSERT_TRUE(
        world_.run_until([&] { return a_.completions.size() == 2 && b_.completions.size() == 1; }, 1s));
    EXPECT_EQ(a_.completions[0].id, 2U);
    EXPECT_EQ(a_.completions[1].id, 3U);
    EXPECT_EQ(b_.completions[0].length, 10U);
    EXPECT_EQ(b_.completions[0].id, 100U);
    EXPECT_EQ(b_.memory[3072], std::byte{0x5A});
    EXPECT_EQ(a_.memory[512], std::byte{0xA5});
}

TEST_F(FabricTest, WrongKeyFailsBothEndsAndDrains) {
    connect();
    auto write = work(a_, rdma::Opcode::write, 1, 0, 64);
    write.remote = {reinterpret_cast<std::uint64_t>(b_.memory.data()), 0xDEAD};
    a_.connection->post_send(write);
    a_.connection->post_send(work(a_, rdma::Opcode::send, 2, 0, 10));
    ASSERT_TRUE(world_.run_until([&] { return a_.drained && b_.drained; }, 1s));
    ASSERT_EQ(a_.completions.size(), 3U);
    EXPECT_EQ(a_.completions[0].status, WorkStatus::remote_access);
    EXPECT_EQ(a_.completions[1].status, WorkStatus::flushed);
    EXPECT_EQ(a_.disconnected, rdma::DisconnectReason::transport);
}

TEST_F(FabricTest, CutWireFailsTheSenderOnly) {
    connect();
    network_.cut("compute", "store");
    a_.connection->post_send(work(a_, rdma::Opcode::send, 2, 0, 10));
    ASSERT_TRUE(world_.run_until([&] { return a_.drained; }, 10s));
    EXPECT_EQ(a_.completions[0].status, WorkStatus::retry_exceeded);
    EXPECT_FALSE(b_.disconnected);
    EXPECT_TRUE(b_.completions.empty());
}

TEST_F(FabricTest, ShortCutOnlyDelays) {
    connect();
    network_.cut("compute", "store");
    a_.connection->post_send(work(a_, rdma::Opcode::send, 2, 0, 10));
    world_.run_for(500ms);
    network_.heal("compute", "store");
    ASSERT_TRUE(world_.run_until([&] { return a_.completions.size() == 1; }, 3s));
    EXPECT_EQ(a_.completions[0].status, WorkStatus::ok);
    EXPECT_EQ(b_.completions.size(), 1U);
}

TEST_F(FabricTest, LostAcknowledgementsFailWorkThatWasDone) {
    connect();
    network_.cut("store", "compute");
    a_.connection->post_send(work(a_, rdma::Opcode::send, 2, 0, 10));
    ASSERT_TRUE(world_.run_until([&] { return a_.drained; }, 10s));
    EXPECT_EQ(a_.completions[0].status, WorkStatus::retry_exceeded);
    EXPECT_EQ(b_.completions.size(), 1U);
}

TEST_F(FabricTest, KilledProcessDisconnectsItsPeer) {
    connect();
    target_.kill();
    ASSERT_TRUE(world_.run_until([&] { return a_.drained; }, 1s));
    EXPECT_EQ(a_.disconnected, rdma::DisconnectReason::peer);
}

TEST_F(FabricTest, RejectCarriesPrivateData) {
    begin();
    const std::array<std::byte, 1> reason{std::byte{9}};
    request_->reject(reason);
    ASSERT_TRUE(world_.run_until([&] { return a_.drained; }, 1s));
    EXPECT_EQ(a_.failure, rdma::ConnectFailure::rejected);
    EXPECT_EQ(a_.private_data.at(0), std::byte{9});
    EXPECT_FALSE(a_.disconnected);
}

}  // namespace
}  // namespace weft::sim
