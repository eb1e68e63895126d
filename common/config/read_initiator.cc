// SPDX-License-Identifier: Apache-2.0
#include "common/config/read_initiator.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/config/read_shared.h"
#include "common/config/suggestion.h"

namespace weft::config {

namespace {

constexpr std::size_t kTargetsMax = 256;
constexpr std::size_t kPathsMax = 16;
constexpr std::size_t kLegsMax = 256;
constexpr std::uint32_t kLunMax = 16383;
constexpr std::uint64_t kDeviceIdMax = (1U << 20U) - 1;

// A volume of a target: its name there, or its UUID.
Scalar<std::string> volume_form(std::string_view text) {
    if (const auto uuid = parse_uuid(text)) return std::string(text);
    return name_form(text);
}

Path read_path(Section& section) {
    Path path{.place = section.place()};
    section.text("address", path.address, parse_address, Need::required, "address");
    section.count("port", path.port, {1});
    section.text("source", path.source, parse_address, Need::optional, "address", "the route decides");
    section.count("qps", path.qps, {1, 16});
    return path;
}

RemoteTarget read_remote_target(Reading& reading, Section& section) {
    RemoteTarget target{.place = section.place()};
    section.text("name", target.name, name_form, Need::required, "name");
    section.port_id("port_id", target.port_id, "from the name");
    Unique taken("path");
    section.list("paths", kPathsMax, Need::required, [&](Section& item) {
        Path path = read_path(item);
        if (!item.present()) return;
        taken.add(reading.findings, item.path("address"), path.place,
                  fmt::format("{} {}{}", path.address, path.port,
                              path.source.empty() ? "" : " from " + path.source));
        target.paths.push_back(std::move(path));
    });
    return target;
}

Leg read_leg(Section& section) {
    Leg leg{.place = section.place()};
    section.exactly_one({"remote", "file"});
    {
        Section remote = section.section("remote", Need::filled);
        remote.text("target", leg.target, name_form, Need::required, "name of one of targets");
        remote.text("volume", leg.volume, volume_form, Need::optional, "name or UUID");
        remote.count("lun", leg.lun, {0, kLunMax}, "none");
        remote.exactly_one({"volume", "lun"});
    }
    Section file = section.section("file", Need::filled);
    if (file.present()) leg.kind = LegKind::file;
    file.text("path", leg.path, path_form, Need::required, "path");
    return leg;
}

void read_legs(Section& section, Volume& volume) {
    const bool mirrored = section.has("mirror");
    section.refuse("mirror", "a mirror is not in this version; use linear with one leg");
    section.list("linear", kLegsMax, mirrored ? Need::optional : Need::required, [&](Section& item) {
        Leg leg = read_leg(item);
        if (item.present()) volume.linear.push_back(std::move(leg));
    });
}

Volume read_volume(Section& section) {
    Volume volume{.place = section.place()};
    section.text("name", volume.name, name_form, Need::required, "name");
    section.uuid("uuid", volume.uuid, "from the initiator's and the volume's names");
    section.duration("queue_timeout", volume.queue_timeout,
                     {std::chrono::milliseconds{0}, std::chrono::hours{24}});
    static constexpr std::array<Choice<LossPolicy>, 2> kPolicies = {
        {{"queue", LossPolicy::queue}, {"fail", LossPolicy::fail}}};
    section.choice("on_loss", volume.on_loss, kPolicies);
    section.count("queue_depth", volume.queue_depth, {1, 1024});
    std::uint64_t max_io = volume.max_io_bytes;
    section.size("max_io", max_io, {4096, 1U << 20U, 4096}, Need::optional);
    volume.max_io_bytes = static_cast<std::uint32_t>(max_io);
    section.count("device_id", volume.device_id, {0, kDeviceIdMax}, "the kernel chooses");
    section.flag("read_only", volume.read_only);
    read_legs(section, volume);
    return volume;
}

// What a leg stands on, in words; two legs on the same thing would overwrite each other.
std::string ground_of(const Leg& leg) {
    if (leg.kind == LegKind::file) return std::filesystem::path(leg.path).lexically_normal().string();
    if (leg.lun) return fmt::format("{} lun {}", leg.target, *leg.lun);
    return fmt::format("{} volume {}", leg.target, leg.volume);
}

void check_legs(Findings& findings, const Initiator& initiator) {
    std::vector<std::string> names;
    for (const RemoteTarget& target : initiator.targets) names.push_back(target.name);
    Unique grounds("leg");
    for (std::size_t i = 0; i < initiator.volumes.size(); ++i) {
        const Volume& volume = initiator.volumes[i];
        for (std::size_t j = 0; j < volume.linear.size(); ++j) {
            const Leg& leg = volume.linear[j];
            const std::string path = fmt::format("volumes[{}].linear[{}]", i, j);
            const bool remote = leg.kind == LegKind::remote;
            if (remote ? leg.target.empty() || (leg.volume.empty() && !leg.lun) : leg.path.empty()) continue;
            grounds.add(findings, path, leg.place, ground_of(leg));
            if (!remote || std::find(names.begin(), names.end(), leg.target) != names.end()) continue;
            const auto near = nearest(leg.target, names);
            findings.add(leg.place,
                         fmt::format("{}.remote.target: there is no target \"{:.64}\"; {}", path, leg.target,
                                     near ? fmt::format("did you mean \"{}\"?", *near)
                                          : "add it to targets, or name one that is there"));
        }
    }
}

void check_names(Findings& findings, const Initiator& initiator) {
    Unique target_names("target name");
    Unique port_ids("port id");
    for (std::size_t i = 0; i < initiator.targets.size(); ++i) {
        const RemoteTarget& target = initiator.targets[i];
        const std::string path = fmt::format("targets[{}]", i);
        if (!target.name.empty()) target_names.add(findings, path + ".name", target.place, target.name);
        if (target.port_id) port_ids.add(findings, path + ".port_id", target.place, hex(*target.port_id));
    }
    Unique volume_names("volume name");
    Unique uuids("UUID");
    Unique devices("device id");
    for (std::size_t i = 0; i < initiator.volumes.size(); ++i) {
        const Volume& volume = initiator.volumes[i];
        const std::string path = fmt::format("volumes[{}]", i);
        if (!volume.name.empty()) volume_names.add(findings, path + ".name", volume.place, volume.name);
        if (volume.uuid) uuids.add(findings, path + ".uuid", volume.place, volume.uuid->to_string());
        if (volume.device_id)
            devices.add(findings, path + ".device_id", volume.place, fmt::format("{}", *volume.device_id));
    }
}

}  // namespace

Initiator read_initiator(Reading& reading) {
    Initiator initiator;
    Section top(reading);
    {
        Section section = top.section("initiator", Need::required);
        initiator.place = section.place();
        section.text("name", initiator.name, name_form, Need::required, "name");
        if (initiator.name == "any")
            section.find("name", "\"any\" means everybody where targets grant access; choose another");
        section.uuid("uuid", initiator.uuid, "from the name");
        read_daemon(section, initiator.reactors, initiator.poll_us, initiator.control, initiator.log_level);
        section.text("state_dir", initiator.state_dir, path_form, Need::optional, "path");
    }
    read_timers(top, initiator.timers);
    top.list("targets", kTargetsMax, Need::optional, [&](Section& section) {
        RemoteTarget target = read_remote_target(reading, section);
        if (section.present()) initiator.targets.push_back(std::move(target));
    });
    top.list("volumes", kVolumesMax, Need::required, [&](Section& section) {
        Volume volume = read_volume(section);
        if (section.present()) initiator.volumes.push_back(std::move(volume));
    });
    check_names(reading.findings, initiator);
    check_legs(reading.findings, initiator);
    return initiator;
}

}  // namespace weft::config
