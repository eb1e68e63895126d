// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "common/core/result.h"

namespace weft::verbs {

struct SocketAddress {
    sockaddr_storage storage{};

    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// A numeric IPv4 or IPv6 address (with %interface where it needs one). Does not block.
[[nodiscard]] Result<SocketAddress> parse_address(const std::string& text, std::uint16_t port);
// The address to listen on for "" or "*": AF_INET6 takes IPv4 too; AF_INET is for machines without IPv6.
[[nodiscard]] SocketAddress any_address(int family, std::uint16_t port);
// As parse_address, or a host name, looked up: may block for long.
[[nodiscard]] Result<SocketAddress> look_up(const std::string& text, std::uint16_t port);

// "a.b.c.d:port" or "[x:y::z]:port".
[[nodiscard]] std::string to_string(const sockaddr& address);

}  // namespace weft::verbs
