// SPDX-License-Identifier: Apache-2.0
// One connection of the fake target. Private to fake_*.cc.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "common/srp/notice.h"
#include "tests/unit/initiator/srp/fake_target.h"

namespace weft::test {

inline constexpr std::size_t kSlots = 64;
inline constexpr std::size_t kReceives = 160;
inline constexpr std::size_t kReceiveBytes = 8400;
inline constexpr std::size_t kDataBytes = 64 << 10;
inline constexpr std::size_t kSendBytes = 512;
inline constexpr std::size_t kSends = 512;

class FakeTarget::Channel final : public rdma::ConnectionHandler {
  public:
    Channel(FakeTarget& target, std::unique_ptr<rdma::ConnectionRequest> request,
            srp::LoginRequest request_login, std::uint64_t at_generation)
        : generation(at_generation),
          login(request_login),
          target_(target),
          request_(std::move(request)),
          memory_(kReceives * kReceiveBytes + kSlots * kDataBytes + kSends * kSendBytes) {
        for (std::size_t i = 0; i < kSlots; ++i) free_.push_back(i);
    }

    bool start(std::unique_ptr<rdma::Domain> domain) {
        domain_ = std::move(domain);
        domain_->register_memory(memory_.data(), memory_.size(), rdma::Access::local,
                                 [this](auto registered) {
                                     registration_ = std::move(*registered);
                                     accept();
                                 });
        return true;
    }

    void accept() {
        if (gone) return;
        auto made = request_->create_connection(
            *domain_, {.depths = {.send = 1024, .receive = kReceives}, .initiator_depth = 16}, *this);
        connection_ = std::move(*made);
        for (std::size_t i = 0; i < kReceives; ++i) receive(i);
        srp::LoginResponse response;
        response.tag = login.tag;
        const Habits& habits = target_.habits_;
        response.request_limit_delta = habits.request_limit;
        response.it_iu_length = 8276;
        response.ti_iu_length = 512;
        response.immediate_data = login.immediate_data && habits.immediate;
        if (habits.weft && login.extension) response.extension = srp::agree(*login.extension);
        response.result = result;
        auto bytes = srp::encode(response);
        if (habits.malformed_login) bytes[0] = std::byte{0x55};
        (void)request_->accept(bytes);
        live = true;
    }

    void receive(std::size_t index) {
        connection_->post_receive(
            {.id = index, .buffer = {memory_.data() + index * kReceiveBytes, kReceiveBytes, key()}});
    }
    [[nodiscard]] std::uint32_t key() const { return registration_->keys().lkey; }
    [[nodiscard]] std::byte* data(std::size_t slot) {
        return memory_.data() + kReceives * kReceiveBytes + slot * kDataBytes;
    }

    void send(std::span<const std::byte> iu) {
        if (!live) return;
        std::byte* at = memory_.data() + kReceives * kReceiveBytes + kSlots * kDataBytes +
                        (next_send_++ % kSends) * kSendBytes;
        std::memcpy(at, iu.data(), iu.size());
        rdma::SendWork work;
        work.id = 1000000;
        work.signaled = false;
        work.buffer_count = 1;
        work.buffers[0] = {at, static_cast<std::uint32_t>(iu.size()), key()};
        connection_->post_send(work);
    }

    void move(const TaskPtr& task, rdma::Opcode opcode, std::uint32_t length) {
        rdma::SendWork work;
        work.id = task->slot;
        work.opcode = opcode;
        work.signaled = opcode == rdma::Opcode::read;
        work.buffer_count = 1;
        work.buffers[0] = {data(task->slot), length, key()};
        work.remote = {task->remote.address, task->remote.rkey};
        connection_->post_send(work);
    }

    void on_established(std::span<const std::byte>) override {}
    void on_connect_failed(rdma::ConnectFailure, int, std::span<const std::byte>,
                           const std::string&) override {}
    void on_disconnected(rdma::DisconnectReason) override { live = false; }
    void on_drained() override {
        live = false;
        gone = true;
        target_.on_gone(*this);
    }
    void on_completion(const rdma::Completion& completion) override {
        if (completion.status != rdma::WorkStatus::ok || !live) return;
        if (!completion.receive) {
            const auto found = fetching.find(completion.id);
            if (found == fetching.end()) return;
            const TaskPtr task = found->second;
            fetching.erase(found);
            task->data.assign(data(task->slot), data(task->slot) + task->out_length);
            target_.submit(task);
            return;
        }
        const std::byte* at = memory_.data() + completion.id * kReceiveBytes;
        take(std::vector<std::byte>(at, at + completion.length));
        if (live) receive(completion.id);
    }

    void take(const std::vector<std::byte>& iu) {
        switch (srp::opcode_of(iu)) {
            case srp::Opcode::task_management:
                target_.manage(*this, *srp::decode_task_management(iu));
                return;
            case srp::Opcode::credit_response:
            case srp::Opcode::event_response: ++target_.answers; return;
            case srp::Opcode::command: break;
            default: return;
        }
        const auto view = srp::decode_command(iu, login.immediate_offset);
        WEFT_CHECK(view.has_value());
        ++target_.commands;
        auto task = std::make_shared<Task>();
        task->tag = view->tag;
        task->order = target_.next_order_++;
        task->channel = this;
        task->generation = generation;
        task->lun = view->lun;
        std::copy(view->cdb.begin(), view->cdb.end(), task->cdb.begin());
        WEFT_CHECK(!free_.empty());
        task->slot = free_.back();
        free_.pop_back();
        if (target_.aborted_ahead_.contains(task->tag.value())) {
            free_.push_back(task->slot);
            return;
        }
        target_.tasks_.push_back(task);
        const auto direct = [](const srp::DataBuffer& buffer) {
            return srp::DescriptorTable(buffer.list)[0];
        };
        if (view->data_in.length > 0) {
            task->remote = direct(view->data_in);
            task->in_length = static_cast<std::uint32_t>(view->data_in.length);
        }
        task->out_length = static_cast<std::uint32_t>(view->data_out.length);
        if (view->data_out.format == srp::BufferFormat::immediate) {
            ++target_.immediate_writes;
            task->data.assign(view->data_out.immediate.begin(), view->data_out.immediate.end());
        } else if (view->data_out.length > 0) {
            task->remote = direct(view->data_out);
            fetching[task->slot] = task;
            move(task, rdma::Opcode::read, task->out_length);
            return;
        }
        target_.submit(task);
    }

    void respond(const TaskPtr& task, const srp::Response& response, bool garbage) {
        free_.push_back(task->slot);
        std::array<std::byte, kSendBytes> bytes{};
        const std::size_t length = srp::encode(bytes, response);
        send(std::span(bytes).first(garbage ? 20 : length));
    }
    void release(const TaskPtr& task) { free_.push_back(task->slot); }
    void disconnect() {
        if (connection_ != nullptr) connection_->disconnect();
        live = false;
    }
    [[nodiscard]] bool closed() const { return gone; }

    std::uint64_t generation;
    srp::LoginRequest login;
    srp::MultiChannelResult result = srp::MultiChannelResult::none_existed;
    bool live = false;
    bool gone = false;
    std::map<std::size_t, TaskPtr> fetching;
    std::int32_t owed = 0;

  private:
    FakeTarget& target_;
    std::unique_ptr<rdma::ConnectionRequest> request_;
    std::unique_ptr<rdma::Domain> domain_;
    std::vector<std::byte> memory_;
    std::unique_ptr<rdma::Registration> registration_;
    std::unique_ptr<rdma::Connection> connection_;
    std::vector<std::size_t> free_;
    std::size_t next_send_ = 0;
};

}  // namespace weft::test
