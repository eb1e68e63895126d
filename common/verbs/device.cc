// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/cm_contexts.h"
#include "common/verbs/file_flags.h"
#include "common/verbs/queue_pair.h"
#include "common/verbs/work_key.h"

namespace weft::verbs {

namespace {

constexpr const char* kMakeSoftRoce =
    "for soft-RoCE: modprobe rdma_rxe && rdma link add rxe0 type rxe netdev NETDEV";

}  // namespace

Result<void> check_devices(const std::string& name) {
    int count = 0;
    ibv_device** devices = ibv_get_device_list(&count);
    std::string names;
    bool found = false;
    for (int i = 0; devices != nullptr && i < count; ++i) {
        const std::string device = ibv_get_device_name(devices[i]);
        found = found || name.empty() || device == name;
        names += (names.empty() ? "" : ", ") + device;
    }
    if (devices != nullptr) ibv_free_device_list(devices);
    if (count == 0) return fail(fmt::format("this machine has no RDMA device; {}", kMakeSoftRoce), ENODEV);
    if (!found) return fail(fmt::format("no RDMA device is named {}; there are: {}", name, names), ENODEV);
    if (::access("/dev/infiniband/rdma_cm", F_OK) != 0) {
        return fail("the kernel's RDMA/CM is not there (/dev/infiniband/rdma_cm): modprobe rdma_ucm", ENOENT);
    }
    if (::access("/dev/infiniband/rdma_cm", R_OK | W_OK) != 0) {
        return fail_errno("no permission for /dev/infiniband/rdma_cm (join its group or be root)", errno);
    }
    return {};
}

Result<std::shared_ptr<Device>> Device::open(ibv_context& cm_context, reactor::Sleeper& sleeper,
                                             const Options& options, Counters& counters) {
    const std::string name = ibv_get_device_name(cm_context.device);
    DeviceContext context(ibv_open_device(cm_context.device));
    if (!context) return fail_errno("cannot open RDMA device " + name, errno);
    ibv_device_attr attributes{};
    if (const int rc = ibv_query_device(context.get(), &attributes); rc != 0) {
        return fail_errno("cannot query RDMA device " + name, rc);
    }
    if (auto set = set_nonblocking(context->async_fd); !set) return Failure(set.error());
    return std::shared_ptr<Device>(new Device(std::move(context), attributes, sleeper, options, counters));
}

Device::Device(DeviceContext context, const ibv_device_attr& attributes, reactor::Sleeper& sleeper,
               const Options& options, Counters& counters)
    : sleeper_(sleeper),
      options_(options),
      counters_(counters),
      context_(std::move(context)),
      attributes_(attributes) {
    sleeper_.watch(context_->async_fd, *this);
}

Device::~Device() {
    WEFT_CHECK(free_slots_.size() == slots_.size());
    sleeper_.ignore(context_->async_fd);
}

std::uint8_t Device::reads_max() const {
    const int most = std::min(attributes_.max_qp_rd_atom, attributes_.max_qp_init_rd_atom);
    return static_cast<std::uint8_t>(std::clamp(most, 0, 255));
}

Result<CompletionQueue*> Device::reserve_completions(std::uint32_t count) {
    for (const auto& queue : completion_queues_) {
        if (!queue->failed() && queue->reserve(count)) return queue.get();
    }
    const auto most = static_cast<std::uint32_t>(attributes_.max_cqe);
    const std::uint32_t entries = std::min(std::max(options_.completion_entries, count), most);
    if (count > entries) {
        return fail(
            fmt::format("a connection needs {} completion entries, {} offers {}", count, name(), most));
    }
    auto queue = CompletionQueue::create(*context_, entries, sleeper_);
    if (!queue) return Failure(queue.error());
    WEFT_CHECK((*queue)->reserve(count));
    completion_queues_.push_back(std::move(*queue));
    return completion_queues_.back().get();
}

Result<Device::Place> Device::add(QueuePair& queue_pair) {
    if (free_slots_.empty()) {
        if (slots_.size() > std::numeric_limits<std::uint16_t>::max()) {
            return fail("too many connections on RDMA device " + name());
        }
        free_slots_.push_back(static_cast<std::uint16_t>(slots_.size()));
        slots_.emplace_back();
    }
    const std::uint16_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot].queue_pair = &queue_pair;
    return Place{.slot = slot, .generation = slots_[slot].generation};
}

void Device::remove(const Place& place) {
    Slot& slot = slots_[place.slot];
    WEFT_CHECK(slot.queue_pair != nullptr && slot.generation == place.generation);
    slot.queue_pair = nullptr;
    ++slot.generation;
    // The one longest free is used next, so that a generation comes round as late as possible.
    free_slots_.insert(free_slots_.begin(), place.slot);
}

bool Device::poll() {
    bool any = false;
    // By index: a completion may lead to a new connection and so to a new queue.
    for (std::size_t i = 0; i < completion_queues_.size(); ++i) {
        any = completion_queues_[i]->poll(*this) || any;
        if (completion_queues_[i]->failed() && usable_) on_removed();
    }
    return any;
}

bool Device::arm() {
    for (const auto& queue : completion_queues_) {
        if (!queue->arm()) return false;
    }
    return true;
}

void Device::on_entry(const ibv_wc& entry) {
    const WorkKey key = WorkKey::decode(entry.wr_id);
    if (key.slot < slots_.size()) {
        const Slot& slot = slots_[key.slot];
        if (slot.queue_pair != nullptr && slot.generation == key.generation) {
            slot.queue_pair->on_entry(key, entry);
            return;
        }
    }
    ++counters_.stale_completions;
}

void Device::on_readable() {
    ibv_async_event event{};
    while (ibv_get_async_event(context_.get(), &event) == 0) {
        std::uintptr_t subject = 0;
        switch (event.event_type) {
            case IBV_EVENT_QP_FATAL:
            case IBV_EVENT_QP_REQ_ERR:
            case IBV_EVENT_QP_ACCESS_ERR:
            case IBV_EVENT_PATH_MIG_ERR:
                subject = reinterpret_cast<std::uintptr_t>(event.element.qp->qp_context);
                break;
            default: break;
        }
        const int port = event.element.port_num;
        ibv_ack_async_event(&event);  // before it is acted on: destroying its subject waits for this
        on_event(event.event_type, subject, port);
    }
}

void Device::on_event(ibv_event_type type, std::uintptr_t subject, int port) {
    switch (type) {
        case IBV_EVENT_QP_FATAL:
        case IBV_EVENT_QP_REQ_ERR:
        case IBV_EVENT_QP_ACCESS_ERR:
        case IBV_EVENT_PATH_MIG_ERR:
            reinterpret_cast<QueuePair*>(subject)->on_device_error(ibv_event_type_str(type));
            break;
        case IBV_EVENT_PORT_ERR:
            ++counters_.port_errors;
            log::warn("RDMA device {} port {} is down", name(), port);
            break;
        case IBV_EVENT_PORT_ACTIVE:
            ++counters_.port_recoveries;
            log::info("RDMA device {} port {} is up", name(), port);
            break;
        case IBV_EVENT_CQ_ERR:
        case IBV_EVENT_DEVICE_FATAL:
            log::error("RDMA device {}: {}", name(), ibv_event_type_str(type));
            on_removed();
            break;
        case IBV_EVENT_COMM_EST:
        case IBV_EVENT_SQ_DRAINED:
        case IBV_EVENT_QP_LAST_WQE_REACHED: break;
        default: log::debug("RDMA device {}: {}", name(), ibv_event_type_str(type)); break;
    }
}

void Device::on_removed() {
    if (!std::exchange(usable_, false)) return;
    ++counters_.device_failures;
    log::warn("RDMA device {} is gone", name());
    for (const Slot& slot : slots_) {
        if (slot.queue_pair != nullptr) slot.queue_pair->on_device_removed();
    }
    users_.for_each([](DeviceUser& user) { user.on_device_lost(); });
}

bool Device::still_present() const { return is_present(path()); }

}  // namespace weft::verbs
