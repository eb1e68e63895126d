// SPDX-License-Identifier: Apache-2.0
#include "common/config/parse.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/config/document.h"
#include "common/config/findings.h"
#include "common/config/read_initiator.h"
#include "common/config/read_target.h"
#include "common/config/section.h"
#include "common/core/check.h"
#include "common/core/unique_fd.h"

namespace weft::config {

namespace {

// Line 0 stands for the file as a whole, as compilers print it.
Failure fail_file(const std::string& path, int code, const char* advice) {
    return fail(fmt::format("{}:0: cannot be read ({}); {}", path, std::strerror(code), advice), code);
}

template <class T>
Result<T> parse_text(std::string_view text, const std::string& file, T (*read)(Reading&)) {
    const auto document = Document::parse(text, file);
    if (!document) return tl::make_unexpected(document.error());
    Findings findings(file);
    Reading reading{*document, findings};
    T result = read(reading);
    if (!findings.empty()) return tl::make_unexpected(findings.error());
    return result;
}

bool has_top_key(const Document& document, std::string_view key) {
    const Node& root = document.root();
    if (root.kind != NodeKind::map) return false;
    for (std::size_t i = 0; i < root.children.size(); i += 2)
        if (document.at(root.children[i]).text == key) return true;
    return false;
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    // O_NONBLOCK: a FIFO without a writer must not hang us.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_file(path, errno, "check the name and the permissions");
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail_file(path, errno, "check the file system");
    if (S_ISDIR(status.st_mode)) return fail_file(path, EISDIR, "name the file in it");
    std::string text;
    char piece[16384];
    while (text.size() <= kFileBytesMax) {
        const ssize_t got = ::read(fd.get(), piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_file(path, errno, "name a regular file");
        if (got == 0) return text;
        text.append(piece, static_cast<std::size_t>(got));
    }
    return fail_file(path, EFBIG, "a configuration has at most 1 MiB");
}

Result<Target> parse_target_text(std::string_view text, const std::string& file) {
    return parse_text<Target>(text, file, read_target);
}

Result<Initiator> parse_initiator_text(std::string_view text, const std::string& file) {
    return parse_text<Initiator>(text, file, read_initiator);
}

Result<Target> parse_target(const std::string& path) {
    return read_file(path).and_then([&](const std::string& text) { return parse_target_text(text, path); });
}

Result<Initiator> parse_initiator(const std::string& path) {
    return read_file(path).and_then(
        [&](const std::string& text) { return parse_initiator_text(text, path); });
}

Result<FileKind> kind_of_text(std::string_view text, const std::string& file) {
    const auto document = Document::parse(text, file);
    if (!document) return tl::make_unexpected(document.error());
    const bool target = has_top_key(*document, "target");
    const bool initiator = has_top_key(*document, "initiator");
    if (target != initiator) return target ? FileKind::target : FileKind::initiator;
    return fail(fmt::format(
        "{}:{}: {} of the keys target and initiator is there; a file describes exactly one of them", file,
        document->root().line, target ? "more than one" : "none"));
}

std::vector<KeyReference> known_keys(FileKind kind) {
    const auto document = Document::parse("{}", "none");
    WEFT_CHECK(document.has_value());
    Findings findings("none");
    std::vector<KeyReference> keys;
    Reading reading{*document, findings, &keys};
    if (kind == FileKind::target)
        (void)read_target(reading);
    else
        (void)read_initiator(reading);
    return keys;
}

}  // namespace weft::config
