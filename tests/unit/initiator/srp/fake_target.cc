// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/initiator/srp/fake_target.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/unit/initiator/srp/fake_channel.h"

namespace weft::test {

FakeTarget::FakeTarget(sim::World& world, sim::Node& node, sim::SimFabric& fabric, Habits& habits,
                       Medium& medium)
    : world_(world), node_(node), fabric_(fabric), habits_(habits), medium_(medium) {}
FakeTarget::~FakeTarget() = default;

Result<void> FakeTarget::listen(std::uint16_t port) {
    auto listener = fabric_.listen({.address = "*", .port = port}, "", *this);
    if (!listener) return Failure(listener.error());
    listener_ = std::move(*listener);
    return {};
}

std::size_t FakeTarget::live_channels() const {
    return static_cast<std::size_t>(
        std::count_if(channels_.begin(), channels_.end(), [](const auto& c) { return c->live; }));
}

void FakeTarget::disconnect_all() {
    for (auto& channel : channels_) channel->disconnect();
}

void FakeTarget::disconnect(std::size_t index) {
    std::size_t i = 0;
    for (auto& channel : channels_) {
        if (channel->live && i++ == index) {
            channel->disconnect();
            return;
        }
    }
}

void FakeTarget::send_to_all(std::span<const std::byte> iu) {
    for (auto& channel : channels_) channel->send(iu);
}

void FakeTarget::on_request(std::unique_ptr<rdma::ConnectionRequest> request) {
    const auto login = srp::decode_login_request(request->private_data());
    WEFT_CHECK(login.has_value());
    attempts.push_back(world_.now());
    const auto refuse = [&](srp::RejectReason reason) {
        srp::LoginReject reject;
        reject.reason = reason;
        request->reject(srp::encode(reject));
    };
    if (habits_.reject) {
        refuse(*habits_.reject);
        return;
    }
    if (habits_.reject_extension && login->extension) {
        refuse(srp::RejectReason::cannot_establish);
        return;
    }
    ++logins;
    const bool single = login->action == srp::MultiChannelAction::terminate;
    bool any = false;
    for (auto& channel : channels_) any = any || channel->live;
    if (single) {
        ++single_logins;
        ++generation_;
        for (auto& channel : channels_) channel->disconnect();
    }
    auto domain = fabric_.open_domain(*request);
    auto channel = std::make_unique<Channel>(*this, std::move(request), *login, generation_);
    using Result = srp::MultiChannelResult;
    channel->result = single ? (any ? Result::terminated : Result::none_existed)
                             : (any || !habits_.weft ? Result::kept : Result::none_existed);
    channel->start(std::move(*domain));
    channels_.push_back(std::move(channel));
}

void FakeTarget::on_gone(Channel& channel) {
    for (const auto& [slot, task] : channel.fetching) over(task);  // its data never comes
    channel.fetching.clear();
    for (const TaskPtr& task : tasks_) {
        if (task->channel == &channel) task->channel = nullptr;
    }
    std::erase_if(waiting_, [&](const TaskPtr& task) { return task->channel == nullptr; });
    std::erase_if(tasks_, [&](const TaskPtr& task) { return task->channel == nullptr && !task->started; });
    start_waiting();
}

void FakeTarget::submit(const TaskPtr& task) {
    if (task->aborted) {
        if (task->channel != nullptr) task->channel->release(task);
        over(task);
        return;
    }
    // A weft target executes nothing while something of an older login is with the back end.
    const bool older = std::any_of(tasks_.begin(), tasks_.end(), [&](const TaskPtr& other) {
        return other->started && other->generation < task->generation;
    });
    if (habits_.weft && older)
        waiting_.push_back(task);
    else
        execute(task);
}

void FakeTarget::start_waiting() {
    auto waiting = std::exchange(waiting_, {});
    for (const TaskPtr& task : waiting) submit(task);
    std::erase_if(watchers_, [](const auto& watcher) { return watcher(); });
}

void FakeTarget::over(const TaskPtr& task) {
    std::erase(tasks_, task);
    start_waiting();
}

void FakeTarget::answer(const TaskPtr& task, std::vector<std::byte> in, scsi::Status status,
                        const std::optional<scsi::Sense>& sense) {
    Channel* const channel = task->channel;
    if (channel == nullptr || !channel->live || habits_.mute || task->aborted) {
        // A muted command stays outstanding, to be aborted.
        if (channel != nullptr && channel->live && habits_.mute && !task->aborted) {
            task->started = false;
            return;
        }
        if (task->aborted && channel != nullptr && channel->live) {
            channel->release(task);
            ++channel->owed;
        }
        over(task);
        return;
    }
    srp::Response response;
    response.tag = task->tag;
    response.request_limit_delta = habits_.keep_credits ? 0 : 1;
    response.status = static_cast<std::uint8_t>(status);
    scsi::SenseData bytes;
    if (sense) {
        bytes = scsi::encode_sense(*sense);
        response.sense = bytes.span();
    }
    const auto length = std::min<std::uint32_t>(static_cast<std::uint32_t>(in.size()), task->in_length);
    if (length > 0) {
        std::memcpy(channel->data(task->slot), in.data(), length);
        channel->move(task, rdma::Opcode::write, length);
    }
    if (length < task->in_length && status == scsi::Status::good)
        response.data_in = {srp::Residual::Kind::under, task->in_length - length};
    channel->respond(task, response, std::exchange(habits_.garbage, false));
    over(task);
}

void FakeTarget::manage(Channel& channel, const srp::TaskManagement& request) {
    if (habits_.mute_tasks) return;
    const auto reply = [&channel, tag = request.tag](srp::ResponseCode code) {
        srp::Response response;
        response.tag = tag;
        response.request_limit_delta = 1 + std::exchange(channel.owed, 0);
        response.code = code;
        std::array<std::byte, 64> bytes{};
        channel.send(std::span(bytes).first(srp::encode(bytes, response)));
    };
    std::vector<TaskPtr> meant;
    if (request.function == srp::TaskFunction::lun_reset) {
        ++resets;
        if (habits_.refuse_reset) {
            reply(srp::ResponseCode::not_supported);
            return;
        }
        meant = tasks_;
    } else {
        ++aborts;
        for (const TaskPtr& task : tasks_) {
            if (task->tag == request.task && (habits_.weft || task->channel == &channel))
                meant.push_back(task);
        }
        if (meant.empty() || meant.front()->channel != &channel) ++aborts_of_others;
        if (habits_.refuse_abort || (meant.empty() && !habits_.weft)) {
            reply(srp::ResponseCode::failed);
            return;
        }
        if (meant.empty()) aborted_ahead_.insert(request.task.value());
    }
    for (const TaskPtr& task : meant) {
        task->aborted = true;
        const bool behind = std::erase(waiting_, task) > 0;
        const bool fetching = task->channel != nullptr && task->channel->fetching.contains(task->slot);
        if (!task->started && !fetching) {
            if (task->channel != nullptr && task->channel->live && !behind) {
                task->channel->release(task);
                ++task->channel->owed;
            }
            std::erase(tasks_, task);
        }
    }
    auto watcher = [this, meant, reply] {
        for (const TaskPtr& task : meant) {
            if (std::find(tasks_.begin(), tasks_.end(), task) != tasks_.end()) return false;
        }
        reply(srp::ResponseCode::complete);
        return true;
    };
    if (!watcher()) watchers_.push_back(watcher);
}

}  // namespace weft::test
