// SPDX-License-Identifier: Apache-2.0
#include "common/config/machine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/config/memory_budget.h"
#include "common/config/occupancy.h"
#include "common/config/scalar.h"
#include "common/core/unique_fd.h"

namespace weft::config {

namespace {

class MachineFindings {
  public:
    void add(const Place& place, const std::string& what) {
        lines_.push_back(fmt::format("{}:{}: {}", place.file, place.line, what));
    }
    [[nodiscard]] std::vector<std::string> take() { return std::move(lines_); }

  private:
    std::vector<std::string> lines_;
};

std::vector<std::string> rdma_devices() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/class/infiniband", error))
        names.push_back(entry.path().filename().string());
    return names;
}

// True if an interface has the address, or if that cannot be found out.
bool is_local(const std::string& text) {
    const std::string bare = text.substr(0, text.find('%'));
    unsigned char wanted[16] = {};
    const int family = bare.find(':') == std::string::npos ? AF_INET : AF_INET6;
    if (::inet_pton(family, bare.c_str(), wanted) != 1) return true;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return true;
    bool found = false;
    for (const ifaddrs* each = all; each != nullptr && !found; each = each->ifa_next) {
        if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != family) continue;
        if (family == AF_INET) {
            const auto& address = *reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
            found = std::memcmp(&address.sin_addr, wanted, 4) == 0;
        } else {
            const auto& address = *reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
            found = std::memcmp(&address.sin6_addr, wanted, 16) == 0;
        }
    }
    ::freeifaddrs(all);
    return found;
}

// CAP_IPC_LOCK lifts the limit on locked memory.
bool may_lock_memory() {
    constexpr unsigned kIpcLock = 14;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("CapEff:"))
            return (std::stoull(line.substr(7), nullptr, 16) >> kIpcLock & 1U) != 0;
    return false;
}

constexpr std::uint32_t kSectorBytes = 512;  // the least a block can have

// What both daemons need. `certain`: bytes that are used in any case; `most`: that can come to be locked.
void find_privileges(MachineFindings& findings, const Place& place, std::uint64_t certain,
                     std::uint64_t most) {
    if (::geteuid() != 0) findings.add(place, "not root; run it as root");
    rlimit limit{};
    if (!may_lock_memory() && ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < most)
        findings.add(
            place, fmt::format("the memlock limit of {} is below the {} this configuration can use; raise it "
                               "(ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit)",
                               format_size(limit.rlim_cur), format_size(most)));
    const std::uint64_t memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                 static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (certain > memory)
        findings.add(place,
                     fmt::format("it needs {} of memory and this machine has {}; make the volumes smaller",
                                 format_size(certain), format_size(memory)));
    if (rdma_devices().empty())
        findings.add(
            place,
            "no RDMA device; load its driver, or add soft-RoCE (rdma link add rxe0 type rxe netdev eth0)");
}

// A daemon holds the lock of its control socket (control::ListeningSocket). True: it was found, and what it
// has open is probably what this file names.
bool find_daemon(MachineFindings& findings, const Place& place, const std::string& control) {
    const bool runs = is_locked(control + ".lock", false);
    if (runs)
        findings.add(place, fmt::format("already running: another daemon serves {}; stop it before this one "
                                        "is started, or give this one another control socket",
                                        control));
    return runs;
}

// What a volume wants of a file.
struct FileNeed {
    const std::string& path;
    bool read_only = false;
    std::uint64_t size = 0;  // exactly that, and made if it is absent; 0: what is there
    std::uint32_t block_size = 0;
    bool may_be_in_use = false;
    const char* or_block_size = "";  // what else to do about a size that is not of whole blocks
};

void find_size(MachineFindings& findings, const Place& place, const FileNeed& need, std::uint64_t actual) {
    if (need.size != 0 && actual != need.size)
        findings.add(place, fmt::format("{} has {} bytes, not {}; correct the size, or leave it out",
                                        need.path, actual, need.size));
    else if (actual % need.block_size != 0)
        findings.add(place, fmt::format("{} has {} bytes, not a multiple of the block size {}; resize it{}",
                                        need.path, actual, need.block_size, need.or_block_size));
    if (need.size == 0 && actual == 0)
        findings.add(place, fmt::format("{} is empty; give its size here, or fill it", need.path));
}

// A regular file or block device that can be written.
void find_file(MachineFindings& findings, const Place& place, const FileNeed& need) {
    const std::string& path = need.path;
    const UniqueFd fd(::open(path.c_str(), (need.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK));
    if (!fd && errno == ENOENT && need.size != 0) {
        const std::string directory = path.substr(0, path.rfind('/') + 1);
        if (::access(directory.c_str(), W_OK) != 0)
            findings.add(place, fmt::format("{} cannot be created: {}; make the directory", path,
                                            std::strerror(errno)));
        return;
    }
    if (!fd)
        return findings.add(place, fmt::format("{} cannot be opened: {}; correct the path or its permissions",
                                               path, std::strerror(errno)));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return;
    std::uint64_t actual = 0;
    if (S_ISBLK(status.st_mode))
        (void)::ioctl(fd.get(), BLKGETSIZE64, &actual);
    else if (S_ISREG(status.st_mode))
        actual = static_cast<std::uint64_t>(status.st_size);
    else
        return findings.add(place, fmt::format("{} is neither a file nor a block device; name one", path));
    find_size(findings, place, need, actual);
    if (need.may_be_in_use) return;
    if (S_ISBLK(status.st_mode) && is_mounted(status.st_rdev))
        findings.add(place, fmt::format("{} is in use: it is mounted; unmount it, or name another", path));
    if (S_ISREG(status.st_mode) && is_locked(path, need.read_only))
        findings.add(place, fmt::format("{} is in use by another process; stop that, or name another", path));
}

}  // namespace

std::vector<std::string> machine_findings(const Target& target) {
    MachineFindings findings;
    std::uint64_t volumes = 0;
    for (const ExportedVolume& volume : target.volumes)
        if (volume.backend == BackendKind::memory) volumes += volume.size;
    find_privileges(findings, target.place, volumes, memory_budget(target).total);
    const bool running = find_daemon(findings, target.place, target.control);
    const auto devices = rdma_devices();
    for (const ListenerSpec& listener : target.listeners) {
        if (listener.address != "*" && !is_local(listener.address))
            findings.add(listener.place,
                         fmt::format("no interface has the address {}; configure it, or name another",
                                     listener.address));
        if (!listener.device.empty() &&
            std::find(devices.begin(), devices.end(), listener.device) == devices.end())
            findings.add(listener.place, fmt::format("there is no RDMA device {}; see /sys/class/infiniband",
                                                     listener.device));
    }
    for (const ExportedVolume& volume : target.volumes)
        if (volume.backend == BackendKind::file)
            find_file(findings, volume.place,
                      {.path = volume.path,
                       .read_only = volume.read_only,
                       .size = volume.size,
                       .block_size = volume.block_size,
                       .may_be_in_use = running,
                       .or_block_size = ", or say another block_size"});
    return findings.take();
}

std::vector<std::string> machine_findings(const Initiator& initiator) {
    MachineFindings findings;
    const std::uint64_t budget = memory_budget(initiator).total;
    find_privileges(findings, initiator.place, budget, budget);
    if (::access("/dev/ublk-control", F_OK) != 0)
        findings.add(initiator.place,
                     "no /dev/ublk-control; load it (modprobe ublk_drv; kernel 6.12 or newer)");
    const bool running = find_daemon(findings, initiator.place, initiator.control);
    for (const RemoteTarget& target : initiator.targets)
        for (const Path& path : target.paths)
            if (!path.source.empty() && !is_local(path.source))
                findings.add(
                    path.place,
                    fmt::format("no interface has the source address {}; configure it, or name another",
                                path.source));
    for (const Volume& volume : initiator.volumes)
        for (const Leg& leg : volume.linear)
            if (leg.kind == LegKind::file)
                find_file(findings, leg.place,
                          {.path = leg.path,
                           .read_only = volume.read_only,
                           .block_size = local_block_size(volume).value_or(kSectorBytes),
                           .may_be_in_use = running});
    return findings.take();
}

}  // namespace weft::config
