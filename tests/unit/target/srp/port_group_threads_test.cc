// SPDX-License-Identifier: Apache-2.0
// One target port on two reactors that really run: logins handed over, units reset for the initiators of
// both, a stop under load. For ThreadSanitizer; what is answered and when is port_group_test.cc's.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/reactor/reactor.h"
#include "common/scsi/cdb.h"
#include "common/srp/command.h"
#include "common/srp/login.h"
#include "common/srp/port_id.h"
#include "common/srp/response.h"
#include "common/srp/task_management.h"
#include "common/uring/ring.h"
#include "target/srp/port.h"
#include "tests/support/hand_domain.h"

namespace weft::test {
namespace {

constexpr int kRounds = 100;

class HandConnection;

// An initiator. After its login all of it is on the reactor where its nexus lives.
class Peer {
  public:
    Peer(const std::string& name, srp::MultiChannelAction action) {
        login = srp::encode(srp::LoginRequest{.action = action,
                                              .it_iu_length = 512,
                                              .initiator_port = srp::port_id_of_initiator(name),
                                              .target_port = srp::port_id_of_target("t")});
    }
    // Some commands, and a function that is about those of everybody.
    void next_round();
    void on_answer(const srp::Response& answer) {
        if (answer.code) {
            ++rounds;
            next_round();
        }
    }

    srp::RequestBytes login{};
    HandConnection* connection = nullptr;
    std::atomic<int> rounds{0};
    std::atomic<bool> rejected{false};
};

// A queue pair without a wire: what the target sends is its peer's at once, what the peer does is told later.
class HandConnection final : public rdma::Connection {
  public:
    HandConnection(Peer& peer, Executor& executor, rdma::ConnectionHandler& handler)
        : peer_(peer), executor_(executor), handler_(handler) {}
    ~HandConnection() override {
        if (peer_.connection == this) peer_.connection = nullptr;
    }

    void deliver(std::span<const std::byte> iu) {
        ASSERT_FALSE(receives_.empty());
        const rdma::ReceiveWork work = receives_.front();
        receives_.pop_front();
        std::memcpy(work.buffer.address, iu.data(), iu.size());
        later({.id = work.id, .receive = true, .length = static_cast<std::uint32_t>(iu.size())});
    }
    void establish_later() {
        established_ = false;
        schedule();
    }

    Result<void> create_queue_pair(rdma::Domain&, const rdma::Parameters&) override { return {}; }
    Result<void> establish(std::span<const std::byte>) override { return {}; }
    void post_send(const rdma::SendWork& work) override {
        executor_.check_current();
        if (!lost_ && work.opcode == rdma::Opcode::send) {
            const rdma::LocalBuffer& iu = work.buffers[0];
            if (const auto answer = srp::decode_response(std::span(iu.address, iu.length)))
                answers_.push_back(*answer);
            schedule();
        }
        const auto status = lost_ ? rdma::WorkStatus::flushed : rdma::WorkStatus::ok;
        if (work.signaled) later({.id = work.id, .opcode = work.opcode, .status = status});
    }
    void post_receive(const rdma::ReceiveWork& work) override {
        executor_.check_current();
        if (lost_)
            later({.id = work.id, .receive = true, .status = rdma::WorkStatus::flushed});
        else
            receives_.push_back(work);
    }
    void disconnect() override {
        lost_ = true;
        for (const auto& work : receives_)
            later({.id = work.id, .receive = true, .status = rdma::WorkStatus::flushed});
        receives_.clear();
        schedule();
    }
    [[nodiscard]] rdma::Limits limits() const override { return {}; }
    [[nodiscard]] std::string peer() const override { return "peer"; }
    [[nodiscard]] std::string local() const override { return "local"; }
    [[nodiscard]] std::string device() const override { return "hand0"; }

  private:
    void later(const rdma::Completion& completion) {
        due_.push_back(completion);
        schedule();
    }
    void schedule() {
        if (std::exchange(scheduled_, true)) return;
        executor_.post([this, alive = std::weak_ptr(alive_)] {
            if (!alive.expired()) run();
        });
    }
    void run() {
        scheduled_ = false;
        if (!std::exchange(established_, true) && !lost_) {
            handler_.on_established({});
            peer_.next_round();
        }
        if (lost_ && !std::exchange(told_, true)) handler_.on_disconnected(rdma::DisconnectReason::local);
        for (; !due_.empty(); due_.pop_front()) handler_.on_completion(due_.front());
        for (; !answers_.empty() && !lost_; answers_.pop_front()) peer_.on_answer(answers_.front());
        if (told_ && due_.empty() && !std::exchange(drained_, true)) handler_.on_drained();
    }

    Peer& peer_;
    Executor& executor_;
    rdma::ConnectionHandler& handler_;
    std::deque<rdma::ReceiveWork> receives_;
    std::deque<rdma::Completion> due_;
    std::deque<srp::Response> answers_;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
    bool scheduled_ = false;
    bool established_ = true;
    bool lost_ = false;
    bool told_ = false;
    bool drained_ = false;
};

void Peer::next_round() {
    const auto lun = scsi::encode_lun({.number = 0});
    const scsi::Cdb cdb = scsi::encode_synchronize_cache();
    for (std::uint64_t tag = 1; tag <= 3; ++tag) {
        const srp::CommandContent flush{.tag = srp::Tag::of(tag), .lun = lun, .cdb = cdb};
        std::vector<std::byte> iu(srp::encoded_bytes(flush));
        srp::encode(iu, flush);
        connection->deliver(iu);
    }
    connection->deliver(srp::encode(
        srp::TaskManagement{.tag = srp::Tag::of(9), .lun = lun, .function = srp::TaskFunction::lun_reset}));
}

class HandFabric final : public rdma::Fabric {
  public:
    explicit HandFabric(Executor& executor) : executor_(executor) {}

    Result<std::unique_ptr<rdma::Listener>> listen(const rdma::Endpoint&, const std::string&,
                                                   rdma::ListenerHandler&) override {
        return fail("no");
    }
    std::unique_ptr<rdma::Connection> connect(const rdma::Endpoint&, const std::string&, int,
                                              rdma::ConnectionHandler&) override {
        return nullptr;
    }
    Result<std::unique_ptr<rdma::Domain>> open_domain(const rdma::ConnectionRequest&) override {
        return std::make_unique<HandDomain>(executor_);
    }
    Result<std::unique_ptr<rdma::Domain>> open_domain(const rdma::Connection&) override { return fail("no"); }
    void take_over(rdma::ConnectionRequest& request) override;

    [[nodiscard]] Executor& executor() { return executor_; }

  private:
    Executor& executor_;
};

class HandRequest final : public rdma::ConnectionRequest {
  public:
    HandRequest(HandFabric& fabric, Peer& peer) : fabric_(&fabric), peer_(peer) {}

    [[nodiscard]] std::span<const std::byte> private_data() const override { return peer_.login; }
    [[nodiscard]] std::string peer() const override { return "peer"; }
    [[nodiscard]] std::string local() const override { return "local"; }
    [[nodiscard]] std::string device() const override { return "hand0"; }
    [[nodiscard]] std::uint8_t peer_responder_resources() const override { return 1; }
    [[nodiscard]] std::uint8_t peer_initiator_depth() const override { return 1; }
    Result<std::unique_ptr<rdma::Connection>> create_connection(rdma::Domain&, const rdma::Parameters&,
                                                                rdma::ConnectionHandler& handler) override {
        auto connection = std::make_unique<HandConnection>(peer_, fabric_->executor(), handler);
        peer_.connection = connection.get();
        return connection;
    }
    Result<void> accept(std::span<const std::byte>) override {
        fabric_->executor().check_current();
        peer_.connection->establish_later();
        return {};
    }
    void reject(std::span<const std::byte>) override {
        fabric_->executor().check_current();
        peer_.rejected = true;
    }
    void release() override {
        fabric_->executor().check_current();
        fabric_ = nullptr;
    }
    void arrive(HandFabric& fabric) { fabric_ = &fabric; }

  private:
    HandFabric* fabric_;
    Peer& peer_;
};

void HandFabric::take_over(rdma::ConnectionRequest& request) {
    executor_.check_current();
    static_cast<HandRequest&>(request).arrive(*this);
}

// A flush takes it a while.
class SlowDevice final : public block::BlockDevice {
  public:
    explicit SlowDevice(Executor& executor) : BlockDevice(executor) {
        geometry_.block_size = 512;
        geometry_.physical_block_size = 512;
        geometry_.blocks = 1000;
        geometry_.volatile_cache = true;
        held_.reserve(1024);
    }
    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }

  private:
    void do_submit(block::IoRequest& io) override {
        held_.push_back(&io);
        if (!timer_.armed()) executor().start(timer_, 50us);
    }
    void finish() {
        for (block::IoRequest* io : std::exchange(held_, {})) complete(*io, block::IoStatus::ok);
    }

    block::Geometry geometry_;
    std::vector<block::IoRequest*> held_;
    TimerCall<SlowDevice, &SlowDevice::finish> timer_{*this};
};

// One reactor of the target.
class Part final : private target::Exports {
  public:
    explicit Part(const std::string& name)
        : ring_(std::move(*uring::Ring::create(64, nullptr))),
          reactor_({.name = name}, *ring_),
          thread_([this] { reactor_.run(); }) {
        reactor_.run_and_wait([] {});
    }
    ~Part() override {
        reactor_.stop();
        thread_.join();
    }
    void open(target::PortGroup& group) {
        reactor_.run_and_wait([&] {
            fabric_ = std::make_unique<HandFabric>(reactor_);
            device_ = std::make_unique<SlowDevice>(reactor_);
            unit_ = std::make_unique<lun::LogicalUnit>(*device_, lun::Identity{.name = "disk"});
            port_ = std::make_unique<target::Port>(group, reactor_, *fabric_, regions_,
                                                   static_cast<target::Exports&>(*this),
                                                   target::Settings{.port_id = srp::port_id_of_target("t"),
                                                                    .request_limit = 16,
                                                                    .nexus_buffer_bytes = 1U << 20U,
                                                                    .heartbeat = Duration{0}});
        });
    }
    [[nodiscard]] std::future<void> stop() {
        auto stopped = std::make_shared<std::promise<void>>();
        reactor_.run_and_wait([&] { port_->stop([stopped] { stopped->set_value(); }); });
        return stopped->get_future();
    }
    void close() {
        reactor_.run_and_wait([&] {
            port_.reset();
            unit_.reset();
            device_.reset();
            fabric_.reset();
        });
    }
    [[nodiscard]] reactor::Reactor& reactor() { return reactor_; }
    [[nodiscard]] HandFabric& fabric() { return *fabric_; }

  private:
    std::vector<target::Export> visible_to(const srp::PortId&) override {
        return {{.number = 0, .unit = unit_.get()}};
    }

    std::unique_ptr<uring::Ring> ring_;
    reactor::Reactor reactor_;
    std::thread thread_;
    RegionDirectory regions_;
    std::unique_ptr<HandFabric> fabric_;
    std::unique_ptr<SlowDevice> device_;
    std::unique_ptr<lun::LogicalUnit> unit_;
    std::unique_ptr<target::Port> port_;
};

TEST(PortGroupThreads, serve_hand_over_reset_and_stop_at_once) {
    std::vector<std::unique_ptr<Peer>> peers;
    target::PortGroup group;
    Part first("first");
    Part second("second");
    first.open(group);
    second.open(group);
    const auto log_in = [&](const std::string& name, srp::MultiChannelAction action) {
        Peer& peer = *peers.emplace_back(std::make_unique<Peer>(name, action));
        first.reactor().post([&first, &group, &peer] {
            group.on_request(std::make_unique<HandRequest>(first.fabric(), peer));
        });
    };
    const auto all_served = [&](int rounds) {
        const auto limit = std::chrono::steady_clock::now() + 60s;
        const auto served = [&](const auto& peer) { return peer->rounds >= rounds; };
        while (!std::all_of(peers.begin(), peers.end(), served)) {
            if (std::chrono::steady_clock::now() > limit) return false;
            std::this_thread::sleep_for(1ms);
        }
        return true;
    };
    for (int i = 0; i < 4; ++i) log_in("i" + std::to_string(i), srp::MultiChannelAction::terminate);
    EXPECT_TRUE(all_served(1));
    for (int i = 0; i < 4; ++i) log_in("i" + std::to_string(i), srp::MultiChannelAction::keep);
    EXPECT_TRUE(all_served(kRounds));
    for (const auto& peer : peers) EXPECT_FALSE(peer->rejected);
    // More come while it stops.
    for (int i = 10; i < 30; ++i) log_in("i" + std::to_string(i), srp::MultiChannelAction::terminate);
    first.reactor().run_and_wait([] {});  // the listener's last word
    auto one = first.stop();
    auto other = second.stop();
    EXPECT_EQ(one.wait_for(60s), std::future_status::ready);
    EXPECT_EQ(other.wait_for(60s), std::future_status::ready);
    first.close();
    second.close();
}

}  // namespace
}  // namespace weft::test
