// SPDX-License-Identifier: Apache-2.0
#include "initiator/status.h"

#include <algorithm>
#include <chrono>

namespace weft::initiator {

namespace {

using control::Json;

std::int64_t milliseconds(Duration age) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
}

Json to_json(const std::vector<Wait>& waits) {
    Json list = Json::array();
    for (const Wait& wait : waits) {
        Json one = {{"reason", wait.reason}, {"age_ms", milliseconds(wait.age)}, {"count", wait.requests}};
        if (wait.limit > Duration{0}) {
            one["limit_ms"] = milliseconds(wait.limit);
            one["then"] = wait.then;
        }
        list.push_back(std::move(one));
    }
    return list;
}

}  // namespace

Json to_json(const VolumeStatus& volume) {
    Json legs = Json::array();
    Json waits = Json::array();
    for (const LegStatus& leg : volume.legs) {
        legs.push_back({{"kind", leg.kind},
                        {"target", leg.target},
                        {"unit", leg.unit},
                        {"state", leg.state},
                        {"problem", leg.problem},
                        {"size_bytes", leg.bytes}});
        for (const Json& wait : to_json(leg.waits)) waits.push_back(wait);
    }
    return {{"name", volume.name},
            {"uuid", volume.uuid.to_string()},
            {"device", volume.device},
            {"state", volume.state},
            {"size_bytes", volume.bytes},
            {"block_size", volume.block_size},
            {"in_flight", volume.disk.held},
            {"oldest_ms", milliseconds(volume.disk.oldest_held)},
            {"recovered", volume.disk.recovered},
            {"requests", volume.disk.counters.requests},
            {"bytes", volume.disk.counters.bytes},
            {"errors", volume.disk.counters.errors},
            {"reads", volume.counters.reads},
            {"writes", volume.counters.writes},
            {"read_bytes", volume.counters.bytes_read},
            {"write_bytes", volume.counters.bytes_written},
            {"flushes", volume.counters.flushes},
            {"retries", volume.counters.retries},
            {"lost_caches", volume.counters.lost_caches},
            {"memory_bytes", volume.disk.memory_bytes},
            {"legs", legs},
            {"waits", waits}};
}

Json to_json(const SessionStatus& session) {
    Json channels = Json::array();
    for (const ChannelStatus& channel : session.channels) {
        channels.push_back({{"index", channel.index},
                            {"path", channel.path},
                            {"device", channel.device},
                            {"state", channel.state == "live" ? "ready" : channel.state},
                            {"age_ms", milliseconds(channel.age)},
                            {"problem", channel.problem},
                            {"in_flight", channel.in_flight},
                            {"credits", channel.credits},
                            {"commands", channel.counters.commands},
                            {"bytes", channel.counters.bytes_in + channel.counters.bytes_out},
                            {"bytes_in", channel.counters.bytes_in},
                            {"bytes_out", channel.counters.bytes_out},
                            {"immediate", channel.counters.immediate},
                            {"aborts", channel.counters.aborts},
                            {"timeouts", channel.counters.timeouts},
                            {"reconnects", channel.counters.connects > 0 ? channel.counters.connects - 1 : 0},
                            {"losses", channel.counters.losses}});
    }
    const auto ready = std::count_if(session.channels.begin(), session.channels.end(),
                                     [](const ChannelStatus& channel) { return channel.state == "live"; });
    const bool whole = static_cast<std::size_t>(ready) == session.channels.size();
    const std::string state = session.state != "live" ? session.state : whole ? "ready" : "degraded";
    return {{"target", session.target},
            {"state", state},
            {"age_ms", milliseconds(session.age)},
            {"weft_peer", session.weft_peer},
            {"problem", session.problem},
            {"in_flight", session.in_flight},
            {"logins", session.counters.logins},
            {"recoveries", session.counters.recoveries},
            {"failovers", session.counters.failovers},
            {"resent", session.counters.resent},
            {"settled", session.counters.settled},
            {"weak_fences", session.counters.weak_fences},
            {"channels", channels},
            {"waits", to_json(session.waits)}};
}

}  // namespace weft::initiator
