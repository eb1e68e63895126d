// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace weft::verbs {

namespace {

Result<SocketAddress> resolve(const std::string& text, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* found = nullptr;
    if (const int rc = ::getaddrinfo(text.c_str(), std::to_string(port).c_str(), &hints, &found); rc != 0) {
        const char* why = rc == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(rc);
        return fail(fmt::format("'{}' is no address: {}", text, why), EINVAL);
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    SocketAddress address;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    return address;
}

}  // namespace

Result<SocketAddress> parse_address(const std::string& text, std::uint16_t port) {
    return resolve(text, port, AI_NUMERICHOST | AI_NUMERICSERV);
}

Result<SocketAddress> look_up(const std::string& text, std::uint16_t port) {
    return resolve(text, port, AI_NUMERICSERV);
}

SocketAddress any_address(int family, std::uint16_t port) {
    SocketAddress address;
    if (family == AF_INET) {
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(port);
        std::memcpy(&address.storage, &any, sizeof any);
    } else {
        sockaddr_in6 any{};
        any.sin6_family = AF_INET6;
        any.sin6_port = htons(port);
        any.sin6_addr = IN6ADDR_ANY_INIT;
        std::memcpy(&address.storage, &any, sizeof any);
    }
    return address;
}

std::string to_string(const sockaddr& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.sa_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &address, sizeof four);
        ::inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
        return fmt::format("{}:{}", text.data(), ntohs(four.sin_port));
    }
    if (address.sa_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &address, sizeof six);
        if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
            ::inet_ntop(AF_INET, &six.sin6_addr.s6_addr[12], text.data(), text.size());
            return fmt::format("{}:{}", text.data(), ntohs(six.sin6_port));
        }
        ::inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
        return fmt::format("[{}]:{}", text.data(), ntohs(six.sin6_port));
    }
    return "unknown";
}

}  // namespace weft::verbs
