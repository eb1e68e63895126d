// SPDX-License-Identifier: Apache-2.0
#include "target/status.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "common/srp/port_id.h"

namespace weft::target {

namespace {

using control::Json;

std::int64_t milliseconds(Duration age) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
}

const char* name_of(config::BackendKind backend) {
    switch (backend) {
        case config::BackendKind::file: return "file";
        case config::BackendKind::memory: return "memory";
        case config::BackendKind::null: return "null";
    }
    WEFT_UNREACHABLE("BackendKind");
}

Json to_json(const std::vector<Wait>& waits) {
    Json list = Json::array();
    for (const Wait& wait : waits)
        list.push_back({{"reason", wait.reason}, {"age_ms", milliseconds(wait.age)}});
    return list;
}

Json to_json(const ChannelStatus& channel, std::size_t index, const Json& reactor) {
    return {{"index", index},
            {"reactor", reactor},
            {"path", channel.peer},
            {"device", channel.device},
            {"state", channel.state == "live" ? "ready" : std::string(channel.state)},
            {"age_ms", milliseconds(channel.age)},
            {"in_flight", channel.in_flight},
            {"waiting", channel.waiting},
            {"credits", channel.granted},
            {"request_limit", channel.request_limit},
            {"immediate_data", channel.immediate_data},
            {"commands", channel.counters.commands},
            {"bytes", channel.counters.bytes_in + channel.counters.bytes_out},
            {"check_conditions", channel.counters.check_conditions},
            {"aborted", channel.counters.aborted},
            {"waits", to_json(channel.waits)}};
}

Json to_json(const NexusStatus& nexus, const Json& reactor) {
    Json channels = Json::array();
    std::uint64_t in_flight = 0;
    for (std::size_t i = 0; i < nexus.channels.size(); ++i) {
        channels.push_back(to_json(nexus.channels[i], i, reactor));
        in_flight += nexus.channels[i].in_flight;
    }
    return {{"initiator", nullptr},
            {"port_id", srp::to_string(nexus.initiator)},
            {"reactor", reactor},
            {"state", nexus.channels.empty() ? "away" : "ready"},
            {"logins", nexus.logins},
            {"luns", nexus.luns},
            {"in_flight", in_flight},
            {"buffer_bytes", nexus.buffer_bytes},
            {"buffer_bytes_lent", nexus.buffer_bytes_lent},
            {"commands", nexus.counters.commands},
            {"read_bytes", nexus.counters.bytes_in},
            {"write_bytes", nexus.counters.bytes_out},
            {"protocol_errors", nexus.counters.protocol_errors},
            {"transport_errors", nexus.counters.transport_errors},
            {"channels", channels},
            {"waits", to_json(nexus.waits)}};
}

}  // namespace

Json to_json(const Volume& volume) {
    return {{"name", volume.config().name},
            {"uuid", volume.uuid().to_string()},
            {"lun", volume.config().lun},
            {"backend", name_of(volume.config().backend)},
            {"size_bytes", volume.bytes()},
            {"block_size", volume.config().block_size},
            {"read_only", volume.config().read_only},
            {"state", "ready"}};
}

Json to_json(const lun::Counters& counters) {
    return {{"in_flight", counters.in_flight},     {"reads", counters.reads},
            {"writes", counters.writes},           {"read_bytes", counters.read_bytes},
            {"write_bytes", counters.write_bytes}, {"errors", counters.errors},
            {"aborted", counters.aborted}};
}

Json to_json(std::span<const HallStatus> halls) {
    struct Placed {
        const NexusStatus* nexus;
        const HallStatus* hall;
    };
    std::vector<Placed> nexuses;
    Json reactors = Json::array();
    std::uint64_t logins = 0;
    std::uint64_t rejected = 0;
    Counters counters;
    for (const HallStatus& hall : halls) {
        std::size_t channels = 0;
        for (const NexusStatus& nexus : hall.port.nexuses) {
            nexuses.push_back({&nexus, &hall});
            channels += nexus.channels.size();
        }
        logins += hall.port.logins;
        rejected += hall.port.rejected;
        counters += hall.port.counters;
        reactors.push_back(hall.reactor);
        reactors.back()["nexuses"] = hall.port.nexuses.size();
        reactors.back()["channels"] = channels;
    }
    // The same order however many reactors there are.
    std::sort(nexuses.begin(), nexuses.end(),
              [](const Placed& a, const Placed& b) { return a.nexus->initiator < b.nexus->initiator; });
    Json listed = Json::array();
    for (const Placed& placed : nexuses)
        listed.push_back(to_json(*placed.nexus, placed.hall->reactor.at("name")));
    return {{"nexuses", listed},
            {"reactors", reactors},
            {"logins", logins},
            {"rejected_logins", rejected},
            {"dropped_channels", counters.protocol_errors}};
}

std::uint64_t memory_bytes(std::span<const HallStatus> halls) {
    std::uint64_t bytes = 0;
    for (const HallStatus& hall : halls) {
        for (const NexusStatus& nexus : hall.port.nexuses) {
            bytes += nexus.buffer_bytes;
            for (const ChannelStatus& channel : nexus.channels) bytes += channel.memory_bytes;
        }
    }
    return bytes;
}

}  // namespace weft::target
