// SPDX-License-Identifier: Apache-2.0
// An SRP initiator that sends exactly what it is told, over the RDMA seam: the peer in tests of the target.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/check.h"
#include "common/rdma/connection.h"
#include "common/srp/command.h"
#include "common/srp/login.h"
#include "common/srp/notice.h"
#include "common/srp/response.h"
#include "common/srp/task_management.h"

namespace weft::test {

class ScriptedInitiator final : public rdma::ConnectionHandler {
  public:
    static constexpr std::size_t kDataBytes = std::size_t{4} << 20U;
    static constexpr std::uint32_t kReceives = 160;
    static constexpr std::uint32_t kReceiveBytes = 1024;

    enum class State { idle, connecting, live, rejected, failed, lost, drained };

    struct Answer {
        srp::Tag tag;
        std::int32_t delta = 0;
        std::uint8_t status = 0;
        srp::Residual data_out;
        srp::Residual data_in;
        std::optional<srp::ResponseCode> code;
        std::vector<std::byte> sense;
    };

    explicit ScriptedInitiator(rdma::Fabric& fabric)
        : fabric_(fabric), data(kDataBytes), rings_(kReceives * kReceiveBytes) {}
    ~ScriptedInitiator() override {
        connection.reset();
        registration_.reset();
        rings_registration_.reset();
    }

    // Starts to connect and log in with `private_data` (56 bytes of login request, or anything else).
    void connect(std::vector<std::byte> private_data, std::uint8_t responder_resources = 4) {
        private_data_ = std::move(private_data);
        responder_resources_ = responder_resources;
        state = State::connecting;
        connection = fabric_.connect({.address = "t", .port = 5555}, "", 1000, *this);
    }
    void send(std::span<const std::byte> iu) {
        auto& copy = sent_.emplace_back(std::make_unique<std::vector<std::byte>>(iu.begin(), iu.end()));
        while (next_send_ + copy->size() > kSendArea) next_send_ = 0;
        std::byte* at = data.data() + (kDataBytes - kSendArea) + next_send_;
        std::copy(copy->begin(), copy->end(), at);
        next_send_ += (copy->size() + 63) / 64 * 64;
        rdma::SendWork work{.id = 1, .opcode = rdma::Opcode::send, .buffer_count = 1};
        work.buffers[0] = {at, static_cast<std::uint32_t>(copy->size()), registration_->keys().lkey};
        connection->post_send(work);
    }
    void send(const srp::CommandContent& content) {
        std::vector<std::byte> iu(srp::encoded_bytes(content));
        srp::encode(iu, content);
        send(iu);
    }
    void abort_task(std::uint64_t tag, std::uint64_t task) {
        send(srp::encode(srp::TaskManagement{.tag = srp::Tag::of(tag),
                                             .function = srp::TaskFunction::abort_task,
                                             .task = srp::Tag::of(task)}));
    }
    // The part of the data area at `offset` as the target may use it.
    [[nodiscard]] srp::MemoryDescriptor at(std::size_t offset, std::uint32_t length) const {
        return {.address = reinterpret_cast<std::uint64_t>(data.data() + offset),
                .rkey = registration_->keys().rkey,
                .length = length};
    }
    [[nodiscard]] const Answer* answer_to(std::uint64_t tag) const {
        for (const Answer& answer : answers)
            if (answer.tag == srp::Tag::of(tag)) return &answer;
        return nullptr;
    }

    State state = State::idle;
    std::optional<srp::LoginResponse> login;
    std::vector<std::byte> login_bytes;
    std::optional<srp::LoginReject> reject;
    std::int64_t credits = 0;
    std::vector<Answer> answers;
    std::vector<srp::Notice> notices;
    bool answer_credit_requests = true;

    rdma::Fabric& fabric_;
    std::vector<std::byte> data;
    std::unique_ptr<rdma::Connection> connection;

  private:
    static constexpr std::size_t kSendArea = std::size_t{1} << 20U;

    void on_resolved() override {
        auto domain = fabric_.open_domain(*connection);
        WEFT_CHECK(domain.has_value());
        domain_ = std::move(*domain);
        domain_->register_memory(data.data(), data.size(), rdma::Access::remote_both, [this](auto result) {
            registration_ = std::move(*result);
            establish();
        });
        domain_->register_memory(rings_.data(), rings_.size(), rdma::Access::local, [this](auto result) {
            rings_registration_ = std::move(*result);
            establish();
        });
    }
    void establish() {
        if (!registration_ || !rings_registration_) return;
        WEFT_CHECK(connection
                       ->create_queue_pair(*domain_, {.depths = {.send = 512, .receive = kReceives},
                                                      .responder_resources = responder_resources_})
                       .has_value());
        for (std::uint32_t i = 0; i < kReceives; ++i) post_receive(i);
        WEFT_CHECK(connection->establish(private_data_).has_value());
    }
    void post_receive(std::uint32_t index) {
        connection->post_receive({.id = index,
                                  .buffer = {rings_.data() + std::size_t{index} * kReceiveBytes,
                                             kReceiveBytes, rings_registration_->keys().lkey}});
    }
    void on_established(std::span<const std::byte> bytes) override {
        login_bytes.assign(bytes.begin(), bytes.end());
        login = srp::decode_login_response(bytes);
        if (login) credits = login->request_limit_delta;
        state = State::live;
    }
    void on_connect_failed(rdma::ConnectFailure failure, int, std::span<const std::byte> bytes,
                           const std::string&) override {
        reject = srp::decode_login_reject(bytes);
        state = failure == rdma::ConnectFailure::rejected ? State::rejected : State::failed;
    }
    void on_completion(const rdma::Completion& completion) override {
        if (!completion.receive || completion.status != rdma::WorkStatus::ok) return;
        const std::span<const std::byte> iu(rings_.data() + completion.id * kReceiveBytes, completion.length);
        if (const auto response = srp::decode_response(iu)) {
            credits += response->request_limit_delta;
            answers.push_back({.tag = response->tag,
                               .delta = response->request_limit_delta,
                               .status = response->status,
                               .data_out = response->data_out,
                               .data_in = response->data_in,
                               .code = response->code,
                               .sense = {response->sense.begin(), response->sense.end()}});
        } else if (const auto notice = srp::decode_notice(iu)) {
            notices.push_back(*notice);
            if (notice->opcode == srp::Opcode::credit_request) {
                credits += notice->request_limit_delta;
                if (answer_credit_requests)
                    send(
                        srp::encode(srp::Notice{.opcode = srp::Opcode::credit_response, .tag = notice->tag}));
            }
        }
        post_receive(static_cast<std::uint32_t>(completion.id));
    }
    void on_disconnected(rdma::DisconnectReason) override { state = State::lost; }
    void on_drained() override {
        if (state == State::lost) state = State::drained;
    }

    std::vector<std::byte> rings_;
    std::vector<std::byte> private_data_;
    std::uint8_t responder_resources_ = 4;
    std::unique_ptr<rdma::Domain> domain_;
    std::unique_ptr<rdma::Registration> registration_;
    std::unique_ptr<rdma::Registration> rings_registration_;
    std::vector<std::unique_ptr<std::vector<std::byte>>> sent_;
    std::size_t next_send_ = 0;
};

}  // namespace weft::test
