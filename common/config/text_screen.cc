// SPDX-License-Identifier: Apache-2.0
#include "common/config/text_screen.h"

#include <fmt/format.h>

#include "common/config/parse.h"

namespace weft::config {

namespace {

constexpr std::size_t kLineBytesMax = 4096;

// Length of the UTF-8 sequence at `at`, 0 if it is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(at);
    if (lead < 0x80) return 1;
    std::size_t length = 0;
    if (lead >= 0xC2 && lead <= 0xDF) length = 2;
    if (lead >= 0xE0 && lead <= 0xEF) length = 3;
    if (lead >= 0xF0 && lead <= 0xF4) length = 4;
    if (length == 0 || text.size() - at < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(at + i) & 0xC0U) != 0x80) return 0;
    const unsigned char second = byte(at + 1);
    if (lead == 0xE0 && second < 0xA0) return 0;
    if (lead == 0xED && second > 0x9F) return 0;
    if (lead == 0xF0 && second < 0x90) return 0;
    if (lead == 0xF4 && second > 0x8F) return 0;
    return length;
}

std::optional<std::string> screen_line(std::string_view line) {
    if (line.size() > kLineBytesMax)
        return fmt::format("the line is longer than {} bytes; break it", kLineBytesMax);
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent != std::string_view::npos && line[indent] == '\t' &&
        line.find_first_not_of(" \t\r") != std::string_view::npos)
        return "a tab indents this line; indent with spaces";
    for (std::size_t i = 0; i < line.size();) {
        const std::size_t length = utf8_length(line, i);
        if (length == 0) return "not UTF-8 text; save the file as UTF-8";
        const auto byte = static_cast<unsigned char>(line[i]);
        const bool last_return = byte == '\r' && i + 1 == line.size();
        if (byte == 0x7F || (byte < 0x20 && byte != '\t' && !last_return))
            return fmt::format("control character 0x{:02x}; remove it", byte);
        i += length;
    }
    return std::nullopt;
}

}  // namespace

std::optional<TextFinding> screen_text(std::string_view text) {
    if (text.size() > kFileBytesMax)
        return TextFinding{
            1, fmt::format("the file is larger than {} bytes; a configuration is not", kFileBytesMax)};
    int number = 0;
    while (!text.empty()) {
        ++number;
        const std::size_t end = text.find('\n');
        if (auto what = screen_line(text.substr(0, end))) return TextFinding{number, std::move(*what)};
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return std::nullopt;
}

}  // namespace weft::config
