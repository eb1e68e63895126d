// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/node.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>

#include "common/core/clock.h"
#include "common/core/log.h"

namespace weft::ublk {

namespace fs = std::filesystem;

namespace {

constexpr Duration kLinkLimit = 3s;  // for udev to make the link

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

constexpr Duration kSettingsLimit = 2s;

// Whether an attribute has this value: alone, or chosen in brackets among several.
bool is_set(const std::string& path, const std::string& value) {
    const std::string line = first_line(path);
    return line == value || line.find("[" + value + "]") != std::string::npos;
}

// Writes in a process of its own. The kernel freezes the queue for some settings, that is, waits
// uninterruptibly for its I/O: with the volume's target away this process could neither serve nor die.
void set_in_child(const std::string& script) {
    const char* const argv[] = {"sh", "-c", script.c_str(), nullptr};
    pid_t child = 0;
    const int code =
        ::posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char* const*>(argv), environ);
    if (code != 0) {
        log::warn("cannot run /bin/sh: {}; not done: {}", std::strerror(code), script);
        return;
    }
    const auto end = std::chrono::steady_clock::now() + kSettingsLimit;
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() >= end) {
            log::warn("not done within 2 s, and left to itself: {}", script);
            std::thread([child] { ::waitpid(child, nullptr, 0); }).detach();
            return;
        }
        std::this_thread::sleep_for(1ms);
    }
    if (status != 0) log::warn("failed: {}", script);
}

bool all_digits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

Node::Node(Places places, std::uint32_t number, std::string name, const Uuid& uuid)
    : places_(std::move(places)), number_(number), name_(std::move(name)), uuid_(uuid) {}

std::string Node::disk() const { return "ublkb" + std::to_string(number_); }
std::string Node::path() const { return places_.dev + "/" + disk(); }
std::string Node::character_path() const { return places_.dev + "/ublkc" + std::to_string(number_); }
std::string Node::link() const { return places_.links + "/" + name_; }

Result<void> Node::publish() const {
    std::error_code code;
    fs::create_directories(places_.run, code);
    const std::string path = places_.run + "/" + disk();
    const std::string fresh = path + ".new";
    {
        std::ofstream file(fresh);
        file << "WEFT_NAME=" << name_ << "\nWEFT_UUID=" << uuid_.to_string() << "\n" << std::flush;
        if (!file) return fail("cannot write " + fresh + " for udev");
    }
    fs::rename(fresh, path, code);
    if (code) return fail_errno("cannot write " + path + " for udev", code.value());
    return {};
}

void Node::settle() const {
    if (!linked() && fs::exists(places_.udev)) {
        const auto end = std::chrono::steady_clock::now() + kLinkLimit;
        while (!linked() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
        if (!linked()) log::warn("udev made no {}: is 61-weft.rules installed? weft makes it", link());
    }
    if (!linked()) make_link();
    const std::string queue = places_.sys_block + "/" + disk() + "/queue/";
    std::string script;
    if (!is_set(queue + "io_timeout", "1000")) script = "echo 1000 >" + queue + "io_timeout; ";
    if (!is_set(queue + "scheduler", "none")) script += "echo none >" + queue + "scheduler";
    if (!script.empty()) set_in_child(script);
}

void Node::make_link() const {
    std::error_code code;
    fs::create_directories(places_.links, code);
    const std::string fresh = link() + ".new";
    fs::remove(fresh, code);
    fs::create_symlink(path(), fresh, code);
    if (!code) fs::rename(fresh, link(), code);
    if (code) log::warn("cannot make {}: {}", link(), code.message());
}

void Node::withdraw() const {
    std::error_code code;
    if (linked()) fs::remove(link(), code);
    fs::remove(places_.run + "/" + disk(), code);
}

bool Node::linked() const {
    std::error_code code;
    return fs::read_symlink(link(), code).filename() == disk() && !code;
}

Result<UniqueFd> Node::claim() const {
    UniqueFd fd(::open(path().c_str(), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC));
    if (!fd && errno != EBUSY) return fail_errno("cannot open " + path(), errno);
    if (!fd) return fail(path() + " is in use by the kernel (mounted elsewhere, swap, LVM or RAID)", EBUSY);
    return fd;
}

std::string Node::keeper() const {
    if (const std::string point = mount_point(); !point.empty()) return "is mounted on " + point;
    std::error_code code;
    for (const auto& holder : fs::directory_iterator(places_.sys_block + "/" + disk() + "/holders", code))
        return "is held by " + holder.path().filename().string();
    return {};
}

// Of the disk or one of its partitions, as far as this mount namespace sees; else empty.
std::string Node::mount_point() const {
    std::ifstream mounts(places_.proc + "/self/mountinfo");
    std::string line;
    while (std::getline(mounts, line)) {
        std::istringstream words(line);
        std::string id, parent, numbers, root, point, word;
        words >> id >> parent >> numbers >> root >> point;
        while (words >> word && word != "-") continue;
        std::string type, source;
        words >> type >> source;
        std::error_code code;
        const auto device = fs::read_symlink(places_.sys_block + "/../dev/block/" + numbers, code);
        const bool ours =
            std::any_of(device.begin(), device.end(), [this](const auto& p) { return p == disk(); });
        if (ours || names_disk(source)) return point;
    }
    return {};
}

std::string Node::opener() const {
    std::error_code code;
    for (const auto& process : fs::directory_iterator(places_.proc, code)) {
        const std::string pid = process.path().filename().string();
        if (!all_digits(pid) || pid == std::to_string(::getpid())) continue;
        std::error_code gone;  // processes come and go
        for (fs::directory_iterator open(process.path() / "fd", gone), end; !gone && open != end;
             open.increment(gone)) {
            std::error_code closed;
            if (!names_disk(fs::read_symlink(open->path(), closed).string()) || closed) continue;
            return "is open in process " + pid + " (" + first_line(process.path().string() + "/comm") + ")";
        }
    }
    return {};
}

bool Node::names_disk(const std::string& path_of_other) const {
    const std::string own = path();
    if (path_of_other.compare(0, own.size(), own) != 0) return false;
    const std::string_view rest = std::string_view(path_of_other).substr(own.size());
    return rest.empty() || (rest[0] == 'p' && all_digits(rest.substr(1)));
}

std::string boot_id(const Places& places) { return first_line(places.proc + "/sys/kernel/random/boot_id"); }

}  // namespace weft::ublk
