// SPDX-License-Identifier: Apache-2.0
#include "common/config/read_target.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "common/config/read_shared.h"

namespace weft::config {

namespace {

constexpr std::size_t kListenersMax = 64;
constexpr std::size_t kGrantsMax = 256;
constexpr std::uint32_t kLunMax = 16383;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kVolumeBytesMax = std::uint64_t{1} << 60U;

Scalar<std::string> listen_form(std::string_view text) {
    if (text == "*") return std::string(text);
    return parse_address(text);
}

Scalar<std::string> device_form(std::string_view text) { return parse_name(text, 63); }

Scalar<std::string> grant_form(std::string_view text) {
    if (Uuid::parse(text)) return parse_uuid(text).map([&](const Uuid&) { return std::string(text); });
    if (parse_port_id(text)) return std::string(text);
    return name_form(text).map_error([](const std::string& error) {
        return error + "; or write a UUID, a port id (32 hexadecimal digits) or any";
    });
}

ListenerSpec read_listener(Section& section) {
    ListenerSpec listener{.place = section.place()};
    section.text("address", listener.address, listen_form, Need::required, "address or \"*\"");
    if (!section.count("port", listener.port, {1}) && section.has("port"))
        listener.port = 0;  // wrong: not compared
    section.text("device", listener.device, device_form, Need::optional, "RDMA device", "any");
    return listener;
}

void read_limits(Section& top, TargetLimits& limits) {
    Section section = top.section("limits", Need::optional);
    section.count("request_limit", limits.request_limit, {4, 1024});
    section.count("nexuses", limits.nexuses, {1, 4096});
    section.count("channels_per_nexus", limits.channels_per_nexus, {1, 64});
    section.size("nexus_buffer", limits.nexus_buffer_bytes, {kMiB, 4096 * kMiB, 4096}, Need::optional);
}

Grant read_grant(Section& section) {
    Grant grant{.place = section.place()};
    section.text("id", grant.initiator, grant_form, Need::required, "name, UUID, port id or any");
    static constexpr std::array<Choice<AccessRight>, 2> kRights = {
        {{"rw", AccessRight::rw}, {"ro", AccessRight::ro}}};
    section.choice("access", grant.access, kRights);
    return grant;
}

void read_grants(Reading& reading, Section& section, ExportedVolume& volume) {
    Unique ids("initiator");
    const auto keep = [&](Grant grant, const std::string& path) {
        if (!grant.initiator.empty() && ids.add(reading.findings, path, grant.place, grant.initiator))
            volume.initiators.push_back(std::move(grant));
    };
    section.list_or_word(
        "initiators", kGrantsMax, Need::required, "any, or who may see it (rw)",
        [&](Section& item) {
            Grant grant = read_grant(item);
            if (item.present()) keep(std::move(grant), item.path("id"));
        },
        [&](const std::string& word, Place place, const std::string& path) {
            if (const auto good = grant_form(word); !good)
                reading.findings.add(place, fmt::format("{}: {}", path, good.error()));
            else
                keep(Grant{.place = std::move(place), .initiator = word}, path);
        });
}

void read_size(Section& backend, ExportedVolume& volume, Need need) {
    if (!backend.size("size", volume.size, {need == Need::required ? 512U : 0U, kVolumeBytesMax}, need))
        return;
    if (volume.size % volume.block_size == 0) return;
    const std::uint64_t rounded = (volume.size / volume.block_size + 1) * volume.block_size;
    backend.find("size", fmt::format("{} is not a multiple of the block size {}; write {}", volume.size,
                                     volume.block_size, format_size(rounded)));
}

void read_backend(Section& section, ExportedVolume& volume) {
    section.exactly_one({"file", "memory", "null"});
    {
        Section file = section.section("file", Need::filled);
        if (file.present()) volume.backend = BackendKind::file;
        file.text("path", volume.path, path_form, Need::required, "path");
        read_size(file, volume, Need::optional);
        file.flag("write_cache", volume.write_cache);
    }
    for (const auto& [key, kind] : {std::pair{"memory", BackendKind::memory}, {"null", BackendKind::null}}) {
        Section backend = section.section(key, Need::filled);
        if (backend.present()) volume.backend = kind;
        read_size(backend, volume, Need::required);
    }
}

ExportedVolume read_volume(Reading& reading, Section& section, std::uint32_t position) {
    ExportedVolume volume{.place = section.place(), .lun = position};
    section.text("name", volume.name, name_form, Need::required, "name");
    section.uuid("uuid", volume.uuid, "from the target's and the volume's names");
    section.count("lun", volume.lun, {0, kLunMax}, "its position in the list, from 0");
    static constexpr std::array<Choice<std::uint32_t>, 2> kBlockSizes = {{{"512", 512}, {"4096", 4096}}};
    section.choice("block_size", volume.block_size, kBlockSizes);
    section.flag("read_only", volume.read_only);
    read_backend(section, volume);
    read_grants(reading, section, volume);
    return volume;
}

void check_listeners(Findings& findings, const Target& target) {
    Unique taken("address and port");
    for (std::size_t i = 0; i < target.listeners.size(); ++i) {
        const ListenerSpec& listener = target.listeners[i];
        const std::string path = fmt::format("listeners[{}]", i);
        if (!taken.add(findings, path, listener.place, fmt::format("{} {}", listener.address, listener.port)))
            continue;
        for (const ListenerSpec& other : target.listeners)
            if (listener.port != 0 && other.address == "*" && other.port == listener.port &&
                listener.address != "*")
                findings.add(listener.place,
                             fmt::format("{}: \"*\" in line {} listens on port {} of every address already; "
                                         "remove one of the two",
                                         path, other.place.line, listener.port));
    }
}

void check_volumes(Findings& findings, const Target& target) {
    Unique names("volume name");
    Unique uuids("UUID");
    Unique luns("lun");
    Unique files("file");
    for (std::size_t i = 0; i < target.volumes.size(); ++i) {
        const ExportedVolume& volume = target.volumes[i];
        const std::string path = fmt::format("volumes[{}]", i);
        if (!volume.name.empty()) names.add(findings, path + ".name", volume.place, volume.name);
        if (volume.uuid) uuids.add(findings, path + ".uuid", volume.place, volume.uuid->to_string());
        luns.add(findings, path + ".lun", volume.place, fmt::format("{}", volume.lun));
        if (volume.backend == BackendKind::file && !volume.path.empty())
            files.add(findings, path + ".file.path", volume.place,
                      std::filesystem::path(volume.path).lexically_normal().string());
    }
}

}  // namespace

Target read_target(Reading& reading) {
    Target target;
    Section top(reading);
    {
        Section section = top.section("target", Need::required);
        target.place = section.place();
        section.text("name", target.name, name_form, Need::required, "name");
        section.uuid("uuid", target.uuid, "from the name");
        section.port_id("port_id", target.port_id, "from the name");
        read_daemon(section, target.reactors, target.poll_us, target.control, target.log_level);
    }
    top.list("listeners", kListenersMax, Need::required, [&](Section& section) {
        ListenerSpec listener = read_listener(section);
        if (section.present()) target.listeners.push_back(std::move(listener));
    });
    read_limits(top, target.limits);
    read_timers(top, target.timers);
    top.list("volumes", kVolumesMax, Need::required, [&](Section& section) {
        const auto position = static_cast<std::uint32_t>(target.volumes.size());
        ExportedVolume volume = read_volume(reading, section, position);
        if (section.present()) target.volumes.push_back(std::move(volume));
    });
    check_listeners(reading.findings, target);
    check_volumes(reading.findings, target);
    return target;
}

}  // namespace weft::config
