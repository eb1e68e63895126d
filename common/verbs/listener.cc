// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/listener.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "common/core/log.h"
#include "common/verbs/connection_request.h"

namespace weft::verbs {

Result<std::unique_ptr<rdma::Listener>> Listener::create(CmFabric& fabric, const rdma::Endpoint& endpoint,
                                                         const std::string& device,
                                                         rdma::ListenerHandler& handler) {
    const bool any = endpoint.address.empty() || endpoint.address == "*";
    SocketAddress address = any_address(AF_INET6, endpoint.port);
    if (!any) {
        auto found = look_up(endpoint.address, endpoint.port);
        if (!found) return Failure(found.error());
        address = *found;
    }
    if (!device.empty()) {
        if (auto checked = check_devices(device); !checked) return Failure(checked.error());
    }
    std::unique_ptr<Listener> listener(new Listener(fabric, address, device, handler));
    auto listening = listener->listen();
    if (!listening && any && listening.error().code != EADDRINUSE) {
        listener->address_ = any_address(AF_INET, endpoint.port);
        listening = listener->listen();
    }
    if (!listening) return Failure(listening.error());
    return std::unique_ptr<rdma::Listener>(std::move(listener));
}

Listener::Listener(CmFabric& fabric, const SocketAddress& address, std::string device,
                   rdma::ListenerHandler& handler)
    : fabric_(fabric), address_(address), device_(std::move(device)), handler_(handler) {}

Listener::~Listener() { fabric_.executor().cancel(retry_); }

Result<void> Listener::listen() {
    const std::string where = to_string(*address_.get());
    auto id = fabric_.channel().create_id(*this);
    if (!id) return Failure(id.error());
    if (rdma_bind_addr(id->get(), address_.get()) != 0) {
        const int code = errno;
        if (code == ENODEV || code == EADDRNOTAVAIL) {
            return fail(fmt::format("cannot listen on {}: no RDMA device has this address; name one that an "
                                    "RDMA interface has (rdma link, ip address)",
                                    where),
                        code);
        }
        if (code == EADDRINUSE) {
            return fail(
                fmt::format("cannot listen on {}: something else does; stop it, or name another port", where),
                code);
        }
        return fail_errno(fmt::format("cannot listen on {}", where), code);
    }
    if (rdma_listen(id->get(), kBacklog) != 0) return fail_errno("cannot listen on " + where, errno);
    id_ = std::move(*id);
    return {};
}

void Listener::on_cm_event(CmEvent& event) {
    switch (event.type) {
        case RDMA_CM_EVENT_CONNECT_REQUEST: on_request(event); break;
        case RDMA_CM_EVENT_DEVICE_REMOVAL:
            log::warn("listener on {}: its RDMA device is gone; it listens again when the device is back",
                      to_string(*address_.get()));
            fabric_.on_device_removed(*id_);
            id_.reset();
            fabric_.executor().start(retry_, kRetryPeriod);
            break;
        default: break;
    }
}

void Listener::on_request(CmEvent& event) {
    ++fabric_.counted().requests;
    auto request = std::make_unique<ConnectionRequest>(fabric_, event);
    if (!device_.empty() && request->device() != device_) {
        log::warn("a connection request from {} came over {}, not {}: rejected", request->peer(),
                  request->device(), device_);
        return;
    }
    handler_.on_request(std::move(request));
}

void Listener::retry() {
    const Result<void> listening = listen();
    if (listening) {
        log::info("listening on {} again", to_string(*address_.get()));
        retry_failed_ = false;
        return;
    }
    if (!std::exchange(retry_failed_, true)) log::warn("{}; trying on", listening.error().what);
    fabric_.executor().start(retry_, kRetryPeriod);
}

}  // namespace weft::verbs
