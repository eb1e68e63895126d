// SPDX-License-Identifier: Apache-2.0
#include "initiator/leg_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/core/unique_fd.h"

namespace weft::initiator {

namespace {
constexpr std::string_view kTitle = "weft-legs 2";
constexpr std::string_view kTitleWithoutEpochs = "weft-legs 1";
constexpr std::size_t kFileBytesMax = 1U << 20U;
}  // namespace

std::string to_text(const std::vector<LegRecord>& legs) {
    std::string text(kTitle);
    text += '\n';
    for (const auto& leg : legs) {
        text += leg.identity + " " + std::to_string(leg.block_size) + " " + std::to_string(leg.blocks) + " " +
                leg.epoch.to_string() + "\n";
    }
    return text;
}

Result<std::vector<LegRecord>> parse_leg_records(std::string_view text) {
    std::istringstream lines{std::string(text)};
    std::string line;
    if (!std::getline(lines, line) || (line != kTitle && line != kTitleWithoutEpochs))
        return fail("not a record of legs");
    const bool epochs = line == kTitle;
    std::vector<LegRecord> legs;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        LegRecord leg;
        std::string epoch;
        std::string rest;
        bool good = static_cast<bool>(words >> leg.identity >> leg.block_size >> leg.blocks);
        if (good && epochs) {
            const auto parsed = words >> epoch ? Uuid::parse(epoch) : std::nullopt;
            good = parsed.has_value();
            leg.epoch = parsed.value_or(Uuid{});
        }
        if (!good || (words >> rest)) return fail("not a record of a leg: " + line);
        legs.push_back(std::move(leg));
    }
    return legs;
}

std::string changed_for_the_worse(const std::vector<LegRecord>& before, const std::vector<LegRecord>& now) {
    if (now.size() < before.size()) {
        return "it has " + std::to_string(now.size()) + " legs, it had " + std::to_string(before.size());
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
        const std::string leg = "leg " + std::to_string(i) + " ";
        if (before[i].identity != now[i].identity)
            return leg + "is another medium (" + now[i].identity + ") than it was (" + before[i].identity +
                   ")";
        if (before[i].block_size != now[i].block_size)
            return leg + "has blocks of " + std::to_string(now[i].block_size) + " bytes, it had " +
                   std::to_string(before[i].block_size);
        if (now[i].blocks < before[i].blocks)
            return leg + "is smaller than it was: " + std::to_string(now[i].blocks) + " blocks, before " +
                   std::to_string(before[i].blocks);
        const bool something_behind = i + 1 < before.size();
        if (now[i].blocks > before[i].blocks && (something_behind || now.size() > before.size()))
            return leg + "has grown, which would move everything behind it";
    }
    return "";
}

void keep_epochs(const std::vector<LegRecord>& before, std::vector<LegRecord>& now) {
    for (std::size_t i = 0; i < std::min(before.size(), now.size()); ++i) {
        if (before[i].epoch != Uuid{}) now[i].epoch = before[i].epoch;
    }
}

Result<std::optional<std::vector<LegRecord>>> load_leg_records(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        if (errno == ENOENT) return std::nullopt;
        return fail_errno(path, errno);
    }
    std::string text(kFileBytesMax, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    auto legs = parse_leg_records(text);
    if (!legs) return fail(path + ": " + legs.error().what);
    return std::optional(std::move(*legs));
}

Result<void> save_leg_records(const std::string& path, const std::vector<LegRecord>& legs) {
    const std::string directory = path.substr(0, path.rfind('/'));
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(directory, errno);
    const std::string fresh = path + ".new";
    const std::string text = to_text(legs);
    UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return fail_errno(fresh, errno);
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) return fail_errno(fresh, written < 0 ? errno : ENOSPC);
    if (::fsync(fd.get()) != 0) return fail_errno(fresh, errno);
    if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno(path, errno);
    UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent || ::fsync(parent.get()) != 0) return fail_errno(directory, errno);
    return {};
}

}  // namespace weft::initiator
