// SPDX-License-Identifier: Apache-2.0
// A connection's queue pair, its work and its end; what the CM says is connection_events.cc.
#include "common/verbs/connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/connection_request.h"
#include "common/verbs/domain.h"

namespace weft::verbs {

// A name being looked up on the worker.
struct Connection::Lookup {
    Connection* connection = nullptr;  // null once nobody waits; the reactor's thread only
};

Connection::Connection(CmFabric& fabric, rdma::ConnectionHandler& handler)
    : fabric_(fabric), handler_(handler) {}

Connection::~Connection() {
    if (gone_ != nullptr) *gone_ = true;
    if (request_ != nullptr) request_->forget_connection();
    if (lookup_) lookup_->connection = nullptr;
    fabric_.executor().cancel(timer_);
    fabric_.forget(report_link_, flush_link_);
}

void Connection::enter(ConnectionState next) {
    WEFT_CHECK(may_follow(state_, next));
    state_ = next;
}

const rdma_cm_id* Connection::id() const {
    if (id_) return id_.get();
    return request_ == nullptr ? nullptr : request_->id();
}

rdma::Limits Connection::limits() const { return queue_pair_ ? queue_pair_->limits() : rdma::Limits{}; }

void Connection::start(const rdma::Endpoint& destination, const std::string& source, int timeout_ms) {
    timeout_ms_ = timeout_ms;
    peer_ = destination.address + ":" + std::to_string(destination.port);
    auto id = fabric_.channel().create_id(*this);
    if (!id) return fail_connect(rdma::ConnectFailure::local, 0, {}, id.error().what);
    id_ = std::move(*id);
    if (!source.empty()) {
        auto address = parse_address(source, 0);
        if (!address) return fail_connect(rdma::ConnectFailure::local, 0, {}, address.error().what);
        source_ = *address;
    }
    if (auto address = parse_address(destination.address, destination.port)) return resolve(*address);
    lookup_ = std::make_shared<Lookup>();
    lookup_->connection = this;
    fabric_.worker().submit([lookup = lookup_, destination, &executor = fabric_.executor()] {
        executor.post([lookup, address = look_up(destination.address, destination.port)] {
            if (lookup->connection == nullptr) return;
            Connection& connection = *std::exchange(lookup->connection, nullptr);
            if (connection.state_ != ConnectionState::resolving) return;
            if (address) return connection.resolve(*address);
            connection.fail_connect(rdma::ConnectFailure::unreachable, 0, {}, address.error().what);
        });
    });
}

Result<void> Connection::adopt(ConnectionRequest& request, rdma_cm_id& id, rdma::Domain& domain,
                               const rdma::Parameters& parameters) {
    state_ = ConnectionState::preparing;
    peer_ = request.peer();
    local_ = request.local();
    device_ = request.device();
    rdma::Parameters agreed = parameters;
    agreed.responder_resources = std::min(parameters.responder_resources, request.peer_initiator_depth());
    agreed.initiator_depth = std::min(parameters.initiator_depth, request.peer_responder_resources());
    if (auto made = make_queue_pair(id, domain, agreed); !made) return made;
    request_ = &request;
    return {};
}

Result<void> Connection::create_queue_pair(rdma::Domain& domain, const rdma::Parameters& parameters) {
    if (state_ != ConnectionState::resolved) return fail("the connection to " + peer_ + " is lost");
    return make_queue_pair(*id_, domain, parameters);
}

Result<void> Connection::make_queue_pair(rdma_cm_id& id, rdma::Domain& domain,
                                         const rdma::Parameters& parameters) {
    WEFT_CHECK(!queue_pair_);
    const auto& own_domain = static_cast<const Domain&>(domain);
    const std::shared_ptr<Device>& device = own_domain.device();
    WEFT_CHECK(id.verbs != nullptr && id.verbs->device == device->context().device);
    if (!device->usable()) return fail("RDMA device " + device->name() + " is being removed");
    parameters_ = parameters;
    parameters_.responder_resources = std::min(parameters.responder_resources, device->reads_max());
    parameters_.initiator_depth = std::min(parameters.initiator_depth, device->reads_max());
    auto made = QueuePair::create(device, own_domain.handle(), id, parameters_, *this);
    if (!made) return Failure(made.error());
    queue_pair_ = std::move(*made);
    return {};
}

rdma_conn_param Connection::connection_parameters(std::span<const std::byte> private_data) const {
    rdma_conn_param parameters{};
    parameters.private_data = private_data.data();
    parameters.private_data_len = static_cast<std::uint8_t>(private_data.size());
    parameters.responder_resources = parameters_.responder_resources;
    parameters.initiator_depth = parameters_.initiator_depth;
    parameters.flow_control = 1;
    parameters.retry_count = parameters_.retry_count;
    parameters.rnr_retry_count = parameters_.rnr_retry_count;
    parameters.qp_num = queue_pair_->number();
    return parameters;
}

Result<void> Connection::establish(std::span<const std::byte> private_data) {
    WEFT_CHECK(private_data.size() <= rdma::kRequestDataBytes);
    if (state_ != ConnectionState::resolved) return fail("the connection to " + peer_ + " is lost");
    WEFT_CHECK(queue_pair_ != nullptr);
    if (!queue_pair_->flush()) return fail("the RDMA device refused the receives");
    rdma_conn_param parameters = connection_parameters(private_data);
    if (rdma_connect(id_.get(), &parameters) != 0) return fail_errno("cannot connect to " + peer_, errno);
    establish_called_ = true;
    enter(ConnectionState::connecting);
    return {};
}

Result<void> Connection::accept(CmId id, std::span<const std::byte> private_data) {
    WEFT_CHECK(private_data.size() <= rdma::kReplyDataBytes);
    request_ = nullptr;
    if (state_ != ConnectionState::preparing) return fail("the connection to " + peer_ + " is lost");
    id_ = std::move(id);
    EventChannel::set_target(*id_, *this);
    if (!queue_pair_->flush()) return fail("the RDMA device refused the receives");
    if (auto ready = queue_pair_->make_ready(*id_); !ready) {
        // Usually because the initiator has withdrawn, of which the CM does not tell before an answer.
        return fail("cannot accept " + peer_ + ": " + ready.error().what, ready.error().code);
    }
    rdma_conn_param parameters = connection_parameters(private_data);
    if (rdma_accept(id_.get(), &parameters) != 0) return fail_errno("cannot accept " + peer_, errno);
    ++fabric_.counted().connections;
    enter(ConnectionState::accepted);
    fabric_.executor().start(timer_, fabric_.options().accept_limit);
    queued();
    return {};
}

void Connection::post_send(const rdma::SendWork& work) {
    WEFT_CHECK(queue_pair_ != nullptr);
    queue_pair_->queues().post_send(work);
    queued();
}

void Connection::post_receive(const rdma::ReceiveWork& work) {
    WEFT_CHECK(queue_pair_ != nullptr);
    queue_pair_->queues().post_receive(work);
    queued();
}

void Connection::queued() {
    if (queue_pair_->queues().closed()) {
        fabric_.request_report(report_link_);
    } else {
        fabric_.request_flush(flush_link_);
    }
}

void Connection::flush() {
    if (!queue_pair_ || queue_pair_->flush()) return;
    ++fabric_.counted().posts_refused;
    begin_loss(rdma::DisconnectReason::post_failed);
}

void Connection::disconnect() { begin_loss(rdma::DisconnectReason::local); }

void Connection::begin_loss(rdma::DisconnectReason reason) {
    using enum ConnectionState;
    if (state_ == lost || state_ == drained || state_ == failed) return;
    const ConnectionState before = state_;
    enter(lost);
    loss_ = reason;
    fabric_.executor().cancel(timer_);
    if (before == established || before == accepted) {
        ++fabric_.counted().disconnects;
        log::info("connection to {} over {} ends: {}", peer_, device_, rdma::to_string(reason));
    }
    if (queue_pair_) {
        if (reason == rdma::DisconnectReason::device_removed) {
            queue_pair_->destroy();
        } else {
            queue_pair_->stop();
        }
        if (!queue_pair_->queues().idle()) {
            fabric_.executor().start(timer_, fabric_.options().drain_limit);
        }
    }
    if (before == established && reason != rdma::DisconnectReason::device_removed) {
        // Tells the peer, or answers it. No answer is waited for.
        static_cast<void>(rdma_disconnect(id_.get()));
    } else {
        id_.reset();
    }
    fabric_.request_report(report_link_);
}

void Connection::fail_connect(rdma::ConnectFailure failure, int cm_reason,
                              std::span<const std::byte> private_data, std::string detail) {
    using enum ConnectionState;
    if (state_ == lost || state_ == drained || state_ == failed) return;
    enter(failed);
    never_connected_ = true;
    ++fabric_.counted().connect_failures;
    if (queue_pair_) queue_pair_->destroy();
    id_.reset();
    failed_ = Failed{.failure = failure,
                     .cm_reason = cm_reason,
                     .private_data = {private_data.begin(), private_data.end()},
                     .detail = std::move(detail)};
    fabric_.request_report(report_link_);
}

void Connection::on_limit() {
    if (state_ == ConnectionState::lost) return on_drain_limit();
    // Its ready-to-use may be lost; if it talks to us it is there.
    if (state_ != ConnectionState::accepted || heard_) return;
    ++fabric_.counted().accept_timeouts;
    begin_loss(rdma::DisconnectReason::peer);
}

void Connection::on_drain_limit() {
    ++fabric_.counted().drain_timeouts;
    log::warn("connection to {} over {}: {} work requests did not come back; destroying the queue pair",
              peer_, device_, queue_pair_->queues().outstanding());
    queue_pair_->destroy();
    fabric_.request_report(report_link_);
}

bool Connection::tell_loss() {
    if (state_ != ConnectionState::lost || std::exchange(loss_told_, true)) return true;
    return tell([this] { handler_.on_disconnected(loss_); });
}

bool Connection::tell_failure() {
    const Failed failed = *std::exchange(failed_, std::nullopt);
    return tell([&] {
        handler_.on_connect_failed(failed.failure, failed.cm_reason, failed.private_data, failed.detail);
    });
}

bool Connection::on_finished(const rdma::Completion& completion) {
    if (!tell_loss()) return false;
    heard_ = heard_ || (completion.receive && completion.status == rdma::WorkStatus::ok);
    return tell([&] { handler_.on_completion(completion); });
}

void Connection::report() {
    if (never_connected_) {
        if (failed_ && !tell_failure()) return;
        if (!establish_called_ || state_ == ConnectionState::drained) return;
        enter(ConnectionState::drained);
        static_cast<void>(tell([this] { handler_.on_drained(); }));
        return;
    }
    if (!tell_loss()) return;
    if (queue_pair_ && queue_pair_->queues().closed()) {
        if (!queue_pair_->queues().flush_held(*this)) return;
        if (queue_pair_->queues().can_flush_held()) return fabric_.request_report(report_link_);
        if (!queue_pair_->queues().idle()) return;
    }
    if (state_ == ConnectionState::lost) end_loss();
}

void Connection::end_loss() {
    fabric_.executor().cancel(timer_);
    // All work has come back; this makes sure that nothing of the peer's is still under way into our memory.
    if (queue_pair_) queue_pair_->destroy();
    enter(ConnectionState::drained);
    static_cast<void>(tell([this] { handler_.on_drained(); }));
}

void Connection::on_progress() {
    const WorkQueues& queues = queue_pair_->queues();
    if (queues.idle() || queues.can_flush_held()) fabric_.request_report(report_link_);
}

void Connection::on_queue_pair_error(const std::string& why) {
    using enum ConnectionState;
    if (state_ == connecting || state_ == resolved) {
        return fail_connect(rdma::ConnectFailure::local, 0, {}, "queue pair: " + why);
    }
    if (state_ == lost || state_ == drained || state_ == failed) return;
    ++fabric_.counted().transport_errors;
    log::warn("connection to {} over {}: {}", peer_, device_, why);
    begin_loss(rdma::DisconnectReason::transport);
}

void Connection::on_device_removed() {
    using enum ConnectionState;
    if (state_ == lost) {  // it will not flush any more
        queue_pair_->destroy();
        id_.reset();
        return fabric_.request_report(report_link_);
    }
    if (state_ == resolved || state_ == connecting) {
        return fail_connect(rdma::ConnectFailure::local, 0, {}, "the RDMA device was removed");
    }
    begin_loss(rdma::DisconnectReason::device_removed);
}

}  // namespace weft::verbs
