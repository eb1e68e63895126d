// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/event_channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/file_flags.h"

namespace weft::verbs {

namespace {

bool has_private_data(rdma_cm_event_type type) {
    switch (type) {
        case RDMA_CM_EVENT_CONNECT_REQUEST:
        case RDMA_CM_EVENT_CONNECT_RESPONSE:
        case RDMA_CM_EVENT_REJECTED: return true;
        default: return false;
    }
}

CmEvent copy(const rdma_cm_event& event) {
    CmEvent result;
    result.type = event.event;
    result.status = event.status;
    if (event.event == RDMA_CM_EVENT_CONNECT_REQUEST) result.request.reset(event.id);
    if (has_private_data(event.event)) {
        const rdma_conn_param& parameters = event.param.conn;
        result.responder_resources = parameters.responder_resources;
        result.initiator_depth = parameters.initiator_depth;
        if (parameters.private_data != nullptr) {
            std::memcpy(result.bytes.data(), parameters.private_data,
                        std::min<std::size_t>(parameters.private_data_len, result.bytes.size()));
        }
    }
    return result;
}

}  // namespace

Result<std::unique_ptr<EventChannel>> EventChannel::create(reactor::Sleeper& sleeper) {
    EventChannelHandle channel(rdma_create_event_channel());
    if (!channel) return fail_errno("cannot open an RDMA/CM event channel", errno);
    if (auto set = set_nonblocking(channel->fd); !set) return Failure(set.error());
    return std::unique_ptr<EventChannel>(new EventChannel(std::move(channel), sleeper));
}

EventChannel::EventChannel(EventChannelHandle channel, reactor::Sleeper& sleeper)
    : sleeper_(sleeper), channel_(std::move(channel)) {
    sleeper_.watch(channel_->fd, *this);
}

EventChannel::~EventChannel() { sleeper_.ignore(channel_->fd); }

Result<CmId> EventChannel::create_id(CmEventTarget& target) {
    rdma_cm_id* id = nullptr;
    if (rdma_create_id(channel_.get(), &id, &target, RDMA_PS_TCP) != 0) {
        return fail_errno("cannot create an RDMA/CM identity", errno);
    }
    return CmId(id);
}

Result<void> EventChannel::adopt(rdma_cm_id& id) {
    if (rdma_migrate_id(&id, channel_.get()) == 0) return {};
    return fail_errno("cannot move an RDMA/CM identity to another reactor", errno);
}

void EventChannel::read() {
    for (int i = 0; i < kEventsPerWake; ++i) {
        rdma_cm_event* event = nullptr;
        if (rdma_get_cm_event(channel_.get(), &event) != 0) {
            if (errno != EAGAIN && errno != EINTR) log::warn("RDMA/CM event lost: {}", std::strerror(errno));
            return;
        }
        // A request's new identity has inherited the target of the listener it came to.
        auto* target = static_cast<CmEventTarget*>(event->id->context);
        CmEvent copied = copy(*event);
        log::debug("RDMA/CM: {} status {}", rdma_event_str(copied.type), copied.status);
        const bool taken = target->on_event_in_transit(copied);
        rdma_ack_cm_event(event);
        if (!taken) target->on_cm_event(copied);
    }
}

}  // namespace weft::verbs
