// SPDX-License-Identifier: Apache-2.0
#include "common/config/scalar.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace weft::config {

namespace {

using Failed = tl::unexpected<std::string>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// What is quoted back to the user, in bounds.
std::string shown(std::string_view text) {
    constexpr std::size_t kShownMax = 64;
    if (text.size() <= kShownMax) return fmt::format("\"{}\"", text);
    std::size_t end = kShownMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;
    return fmt::format("\"{}...\"", text.substr(0, end));
}

struct Unit {
    std::string_view suffix;
    std::uint64_t factor;
};
constexpr Unit kSizeUnits[] = {
    {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}, {"TiB", 1ULL << 40U}};
constexpr Unit kTimeUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};

struct Quantity {
    std::uint64_t number = 0;
    std::string_view unit;
};

std::optional<Quantity> split(std::string_view text) {
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) ++digits;
    const auto number = parse_count(text.substr(0, digits));
    if (!number) return std::nullopt;
    std::string_view unit = text.substr(digits);
    if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
    return Quantity{*number, unit};
}

template <std::size_t N>
std::optional<std::uint64_t> scaled(const Quantity& quantity, const Unit (&units)[N]) {
    for (const Unit& unit : units) {
        if (unit.suffix != quantity.unit) continue;
        std::uint64_t product = 0;
        if (__builtin_mul_overflow(quantity.number, unit.factor, &product)) return std::nullopt;
        return product;
    }
    return std::nullopt;
}

int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

Scalar<std::uint64_t> parse_count(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range)
        return Failed(shown(text) + " is far too large; use a smaller number");
    if (error != std::errc{} || end != text.data() + text.size())
        return Failed(shown(text) + " is not a whole number; write decimal digits");
    if (text.size() > 1 && text.front() == '0')
        return Failed(shown(text) + " starts with a zero; write it in decimal without one");
    return value;
}

Scalar<double> parse_fraction(std::string_view text) {
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
        return Failed(shown(text) + " is not a number; write one such as 0.5");
    return value;
}

Scalar<std::uint64_t> parse_size(std::string_view text) {
    const auto quantity = split(text);
    if (quantity && quantity->unit.empty()) return quantity->number;
    if (quantity)
        if (const auto bytes = scaled(*quantity, kSizeUnits)) return *bytes;
    return Failed(shown(text) +
                  " is not a size; write bytes, or a whole number with KiB, MiB, GiB or TiB, such as 512MiB");
}

Scalar<std::chrono::milliseconds> parse_duration(std::string_view text) {
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max() / 1'000'000;  // as nanoseconds
    const auto quantity = split(text);
    if (quantity && quantity->unit.empty() && quantity->number == 0) return std::chrono::milliseconds{0};
    if (quantity) {
        const auto ms = scaled(*quantity, kTimeUnits);
        if (ms && *ms <= kMax) return std::chrono::milliseconds{static_cast<std::int64_t>(*ms)};
        if (quantity->unit.empty())
            return Failed(
                fmt::format("{} has no unit; write ms, s, m or h after it, such as {}ms", shown(text), text));
    }
    return Failed(shown(text) + " is not a duration; write a whole number with ms, s, m or h, such as 200ms");
}

Scalar<bool> parse_flag(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    return Failed(shown(text) + " is neither; write true or false");
}

Scalar<Uuid> parse_uuid(std::string_view text) {
    if (const auto uuid = Uuid::parse(text)) {
        if (*uuid == Uuid{}) return Failed("the nil UUID identifies nothing; generate one with uuidgen");
        return *uuid;
    }
    return Failed(shown(text) +
                  " is not a UUID; write 8-4-4-4-12 hexadecimal digits, as uuidgen prints them");
}

Scalar<PortId> parse_port_id(std::string_view text) {
    PortId id{};
    bool good = text.size() == 2 * id.size();
    for (std::size_t i = 0; good && i < id.size(); ++i) {
        const int high = hex_digit(text[2 * i]);
        const int low = hex_digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good) id[i] = static_cast<std::byte>(high * 16 + low);
    }
    if (!good) return Failed(shown(text) + " is not a port id; write exactly 32 hexadecimal digits");
    if (id == PortId{}) return Failed("a port id of zeros identifies nothing; use another");
    return id;
}

Scalar<std::string> parse_name(std::string_view text, std::size_t limit) {
    bool good = !text.empty() && text.size() <= limit && is_alphanumeric(text.front());
    for (const char c : text) good = good && (is_alphanumeric(c) || c == '.' || c == '_' || c == '-');
    if (!good)
        return Failed(
            fmt::format("{} is not a name; use 1 to {} of A-Z a-z 0-9 . _ -, first a letter or digit",
                        shown(text), limit));
    if (Uuid::parse(text) || parse_port_id(text))
        return Failed(shown(text) + " reads as an identifier, not as a name; choose another");
    return std::string(text);
}

Scalar<std::string> parse_address(std::string_view text) {
    const std::size_t percent = text.find('%');
    const std::string address(text.substr(0, percent));
    const std::string_view scope = percent == std::string_view::npos ? "" : text.substr(percent + 1);
    in_addr v4{};
    in6_addr v6{};
    const bool is_v4 = percent == std::string_view::npos && ::inet_pton(AF_INET, address.c_str(), &v4) == 1;
    const bool is_v6 = ::inet_pton(AF_INET6, address.c_str(), &v6) == 1;
    const bool link_local = is_v6 && v6.s6_addr[0] == 0xFE && (v6.s6_addr[1] & 0xC0U) == 0x80;
    if (address.size() != text.size() && (scope.empty() || scope.size() > 15 || !link_local))
        return Failed(shown(text) +
                      " has a wrong scope; write %INTERFACE after a link-local (fe80::) address only");
    if (link_local && scope.empty())
        return Failed(
            fmt::format("{} is link-local; add the interface, such as {}%eth0", shown(text), address));
    if (!is_v4 && !is_v6)
        return Failed(shown(text) +
                      " is not an address; write a numeric IPv4 or IPv6 address (names are not resolved)");
    return std::string(text);
}

Scalar<std::string> parse_absolute_path(std::string_view text, std::size_t limit) {
    if (!text.starts_with('/')) return Failed(shown(text) + " is not absolute; write the whole path, from /");
    if (text.size() > limit)
        return Failed(fmt::format("{} is longer than {} bytes; use a shorter path", shown(text), limit));
    if (text.ends_with('/')) return Failed(shown(text) + " ends with a slash; name the file itself");
    if (text.find("/../") != std::string_view::npos || text.ends_with("/.."))
        return Failed(shown(text) + " contains \"..\"; write the path without it");
    return std::string(text);
}

std::string format_size(std::uint64_t bytes) {
    for (std::size_t i = std::size(kSizeUnits); i-- > 0;)
        if (bytes != 0 && bytes % kSizeUnits[i].factor == 0)
            return fmt::format("{}{}", bytes / kSizeUnits[i].factor, kSizeUnits[i].suffix);
    return fmt::format("{}", bytes);
}

std::string hex(const PortId& id) {
    std::string text;
    for (const std::byte byte : id) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

std::string format_duration(std::chrono::milliseconds duration) {
    const auto ms = static_cast<std::uint64_t>(duration.count());
    if (ms == 0) return "0";
    for (std::size_t i = std::size(kTimeUnits); i-- > 0;)
        if (ms % kTimeUnits[i].factor == 0)
            return fmt::format("{}{}", ms / kTimeUnits[i].factor, kTimeUnits[i].suffix);
    return fmt::format("{}ms", ms);
}

}  // namespace weft::config
