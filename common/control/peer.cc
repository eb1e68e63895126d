// SPDX-License-Identifier: Apache-2.0
#include "common/control/peer.h"

#include <sys/socket.h>

#include <cerrno>

namespace weft::control {

bool Peer::receive() {
    char piece[16384];
    const ssize_t got = ::recv(fd_.get(), piece, sizeof piece, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
        input_ended_ = true;
        if (!inbox_.empty() && inbox_.back() != '\n')
            inbox_ += '\n';  // a last line without its newline counts
    }
    inbox_.append(piece, static_cast<std::size_t>(got));
    return true;
}

std::optional<std::string> Peer::next_line() {
    const std::size_t end = inbox_.find('\n');
    if (end == std::string::npos || end > kLineBytesMax) return std::nullopt;
    std::string line = inbox_.substr(0, end);
    inbox_.erase(0, end + 1);
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

void Peer::send(const std::string& line) {
    if (unsent() == 0) {
        outbox_.clear();
        sent_ = 0;
        progress_ = Clock::now();
    }
    outbox_ += line;
}

bool Peer::flush() {
    while (unsent() > 0) {
        const ssize_t put = ::send(fd_.get(), outbox_.data() + sent_, unsent(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno == EAGAIN;
        sent_ += static_cast<std::size_t>(put);
        progress_ = Clock::now();
    }
    if (sent_ > 0) {
        outbox_.clear();
        sent_ = 0;
    }
    return true;
}

}  // namespace weft::control
