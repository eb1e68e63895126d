// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/cm_fabric.h"

#include <algorithm>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/connection.h"
#include "common/verbs/connection_request.h"
#include "common/verbs/domain.h"
#include "common/verbs/listener.h"

namespace weft::verbs {

Result<void> probe(const std::string& device) { return check_devices(device); }

Result<std::unique_ptr<Fabric>> Fabric::create(Executor& executor, reactor::Sleeper& sleeper,
                                               const Options& options) {
    if (auto checked = check_devices(""); !checked) return Failure(checked.error());
    auto channel = EventChannel::create(sleeper);
    if (!channel) return Failure(channel.error());
    return std::unique_ptr<Fabric>(
        std::make_unique<CmFabric>(executor, sleeper, options, std::move(*channel)));
}

CmFabric::CmFabric(Executor& executor, reactor::Sleeper& sleeper, const Options& options,
                   std::unique_ptr<EventChannel> channel)
    : executor_(executor), sleeper_(sleeper), options_(options), channel_(std::move(channel)) {}

CmFabric::~CmFabric() { executor_.cancel(presence_); }

Result<std::unique_ptr<rdma::Listener>> CmFabric::listen(const rdma::Endpoint& endpoint,
                                                         const std::string& device,
                                                         rdma::ListenerHandler& handler) {
    executor_.check_current();
    return Listener::create(*this, endpoint, device, handler);
}

std::unique_ptr<rdma::Connection> CmFabric::connect(const rdma::Endpoint& destination,
                                                    const std::string& source, int timeout_ms,
                                                    rdma::ConnectionHandler& handler) {
    executor_.check_current();
    auto connection = std::make_unique<Connection>(*this, handler);
    connection->start(destination, source, timeout_ms);
    return connection;
}

Result<std::unique_ptr<rdma::Domain>> CmFabric::open_domain(const rdma::ConnectionRequest& request) {
    return open_domain(static_cast<const ConnectionRequest&>(request).id());
}

Result<std::unique_ptr<rdma::Domain>> CmFabric::open_domain(const rdma::Connection& connection) {
    return open_domain(static_cast<const Connection&>(connection).id());
}

Result<std::unique_ptr<rdma::Domain>> CmFabric::open_domain(const rdma_cm_id* id) {
    executor_.check_current();
    if (id == nullptr || id->verbs == nullptr) return fail("the connection has no RDMA device (any more)");
    auto device = device_of(id->verbs);
    if (!device) return Failure(device.error());
    return Domain::create(std::move(*device), executor_, worker_);
}

void CmFabric::take_over(rdma::ConnectionRequest& request) {
    executor_.check_current();
    static_cast<ConnectionRequest&>(request).arrive(*this);
    if (!read_events_.pending()) executor_.defer(read_events_);  // those that came along woke nobody
}

Result<std::shared_ptr<Device>> CmFabric::device_of(ibv_context* verbs) {
    for (const auto& device : devices_) {
        if (device->context().device != verbs->device) continue;
        if (!device->usable()) return fail("RDMA device " + device->name() + " is being removed");
        return device;
    }
    auto device = Device::open(*verbs, sleeper_, options_, counters_);
    if (!device) return Failure(device.error());
    log::info("RDMA device {} opened", (*device)->name());
    devices_.push_back(*device);
    cm_contexts_.note(*verbs);
    watch_presence();
    return device;
}

void CmFabric::request_report(ConnectionLink& link) {
    if (!link.linked()) reports_.push_back(link);
}

void CmFabric::request_flush(ConnectionLink& link) {
    if (!link.linked()) flushes_.push_back(link);
}

void CmFabric::forget(ConnectionLink& report, ConnectionLink& flush) {
    if (report.linked()) reports_.remove(report);
    if (flush.linked()) flushes_.remove(flush);
}

bool CmFabric::run_reports() {
    const std::size_t count = reports_.size();
    // Each may destroy any connection, and so shorten the list.
    for (std::size_t i = 0; i < count && !reports_.empty(); ++i) reports_.pop_front().connection.report();
    return count > 0;
}

bool CmFabric::poll() {
    bool any = run_reports();
    // By index: a completion may lead to a connection on a device not used so far.
    for (std::size_t i = 0; i < devices_.size(); ++i) any = devices_[i]->poll() || any;
    if (device_lost_) drop_unusable_devices();
    return any;
}

void CmFabric::flush() {
    while (!flushes_.empty()) flushes_.pop_front().connection.flush();
}

bool CmFabric::arm() {
    if (!reports_.empty() || !flushes_.empty()) return false;
    return std::all_of(devices_.begin(), devices_.end(), [](const auto& device) { return device->arm(); });
}

void CmFabric::on_device_removed(const rdma_cm_id& id) {
    if (id.verbs == nullptr) return;
    cm_contexts_.note(*id.verbs);
    const ibv_device* const removed = id.verbs->device;  // `id` itself may not outlive the loop
    for (const auto& device : devices_) {
        if (device->context().device == removed) device->on_removed();
    }
    device_lost_ = true;
    watch_presence();
}

// Also tells librdmacm, once nothing of ours stands on the device.
void CmFabric::drop_unusable_devices() {
    std::erase_if(devices_, [](const auto& device) { return !device->usable() && device.use_count() == 1; });
    cm_contexts_.let_go([this](const std::string& path) {
        return std::any_of(devices_.begin(), devices_.end(),
                           [&](const auto& device) { return device->path() == path; });
    });
    device_lost_ =
        std::any_of(devices_.begin(), devices_.end(), [](const auto& device) { return !device->usable(); });
}

void CmFabric::watch_presence() {
    if (!presence_.armed() && (!devices_.empty() || cm_contexts_.any()))
        executor_.start(presence_, kPresencePeriod);
}

void CmFabric::check_presence() {
    for (const auto& device : devices_) {
        if (device->usable() && !device->still_present()) device->on_removed();
    }
    drop_unusable_devices();
    watch_presence();
}

}  // namespace weft::verbs
