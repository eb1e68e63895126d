// SPDX-License-Identifier: Apache-2.0
#include "common/control/server.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "common/control/socket_loop.h"

namespace weft::control {

Result<std::unique_ptr<Server>> Server::create(Options options, EventLog& events) {
    auto socket = ListeningSocket::create(options.path);
    if (!socket) return tl::make_unexpected(socket.error());
    UniqueFd wake_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_fd) return fail_errno("eventfd", errno);
    auto loop = std::make_unique<Loop>(std::move(options), events, std::move(*socket), std::move(wake_fd));
    return std::unique_ptr<Server>(new Server(std::move(loop)));
}

Server::Server(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Server::~Server() = default;

void Server::add(std::string name, Method method, Promptness promptness) {
    loop_->add(std::move(name), std::move(method), promptness);
}
void Server::start() { loop_->start(); }
void Server::stop() { loop_->stop(); }
void Server::post(std::function<void()> call) { loop_->control().post(std::move(call)); }
bool Server::on_control_thread() const { return loop_->control().is_current(); }

}  // namespace weft::control
