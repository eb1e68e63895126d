// SPDX-License-Identifier: Apache-2.0
#include "target/service.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "common/config/memory_budget.h"
#include "common/srp/port_id.h"
#include "target/status.h"

namespace weft::target {

namespace {

static_assert(config::ChannelBuffers{}.target_channels == Settings{}.channels_max);

using control::Json;
using control::Severity;

Instant steady_now() {
    return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

srp::PortId port_id_of(const config::Target& config) {
    if (!config.port_id) return srp::port_id_of_target(config.name);
    srp::PortId id;
    static_assert(sizeof id == sizeof *config.port_id);
    std::copy(config.port_id->begin(), config.port_id->end(), id.begin());
    return id;
}

}  // namespace

Service::Service(config::Target config, control::EventLog& events)
    : config_(std::move(config)), port_id_(port_id_of(config_)), events_(events), started_(steady_now()) {}

Service::~Service() { stop(); }

std::uint64_t Service::locked_at_start(const config::Target& config) {
    std::uint64_t bytes = config.limits.nexus_buffer_bytes;  // grows by as much with every initiator
    for (const auto& volume : config.volumes) {
        if (volume.backend == config::BackendKind::memory) bytes += volume.size;
    }
    return bytes;
}

Result<void> Service::open() {
    if (!srp::usable_for_target(port_id_))
        return fail(
            to_string(config_.place) +
            ": target.port_id: its second half starts with an OUI that Linux treats specially: use another");
    for (const auto& volume : config_.volumes) {
        auto opened = Volume::open(config_, volume);
        if (!opened) return Failure(opened.error());
        volumes_.push_back(std::move(*opened));
    }
    group_ = std::make_unique<PortGroup>();
    for (std::uint32_t i = 0; i < config_.reactors; ++i) {
        auto hall = Hall::create(config_, "reactor" + std::to_string(i), port_id_, volumes_, *group_);
        if (!hall) return Failure(hall.error());
        halls_.push_back(std::move(*hall));
    }
    auto listening = halls_.front()->listen(*group_);
    listening_ = listening.has_value();
    return listening;
}

Result<void> Service::start() {
    Result<void> opened;
    {
        const std::lock_guard lock(mutex_);
        opened = open();
    }
    if (!opened) {
        stop();
        return opened;
    }
    for (const auto& listener : config_.listeners) {
        const std::string name = "listener " + listener.address + ":" + std::to_string(listener.port);
        events_.add(Severity::info, name,
                    "listening; Linux logs in with " + srp::target_login_string(port_id_));
    }
    return {};
}

void Service::stop() {
    const std::lock_guard lock(mutex_);
    listening_ = false;
    // A message may be under way to every hall until all of them have stopped.
    if (!halls_.empty()) halls_.front()->close();
    std::vector<std::future<void>> stopping;
    for (const auto& hall : halls_) stopping.push_back(hall->stop());
    for (auto& stopped : stopping) stopped.wait();
    halls_.clear();
    group_.reset();
    volumes_.clear();
}

Json Service::status() {
    const std::lock_guard lock(mutex_);
    Json status = {
        {"kind", "target"},
        {"name", config_.name},
        {"version", WEFT_VERSION},
        {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(steady_now() - started_).count()},
        {"port_id", srp::to_string(port_id_)},
        {"login", srp::target_login_string(port_id_)},
        {"listeners", Json::array()},
        {"volumes", Json::array()}};
    std::uint64_t used = 0;
    for (const auto& volume : volumes_) {
        used += volume->memory_bytes();
        status["volumes"].push_back(to_json(*volume));
    }
    std::vector<lun::Counters> counters(volumes_.size());
    for (const auto& hall : halls_) {
        const auto units = hall->unit_counters();
        for (std::size_t i = 0; i < units.size(); ++i) counters[i] += units[i];
    }
    for (std::size_t i = 0; i < counters.size(); ++i) status["volumes"][i].update(to_json(counters[i]));
    if (listening_) {
        for (const auto& listener : config_.listeners)
            status["listeners"].push_back({{"address", listener.address},
                                           {"port", listener.port},
                                           {"device", listener.device},
                                           {"state", "listening"}});
    }
    std::vector<HallStatus> halls;
    for (const auto& hall : halls_) halls.push_back({hall->thread().status(), hall->status()});
    status.update(to_json(halls));
    used += memory_bytes(halls);
    status["memory"] = {{"budget_bytes", config::memory_budget(config_).total}, {"used_bytes", used}};
    return status;
}

void Service::add_methods(control::Server& server) {
    server.add(
        "status", [this](const Json&) -> Result<Json> { return status(); }, control::Promptness::prompt);
    server.add("channel_drop", [this](const Json& params) -> Result<Json> {
        auto done = drop_channel(params.at("peer").get<std::string>(), params.at("index").get<std::size_t>());
        if (!done) return Failure(done.error());
        return Json::object();
    });
}

Result<void> Service::drop_channel(const std::string& initiator, std::size_t index) {
    const srp::PortId port = initiator_port(initiator);
    for (const auto& hall : halls_) {
        if (!hall->drop_channel(port, index)) continue;
        events_.add(Severity::warning, "channel " + initiator + "/" + std::to_string(index),
                    "cut by request");
        return {};
    }
    return fail("no channel " + std::to_string(index) + " of an initiator '" + initiator +
                    "': name it by its name, UUID or port_id, as status shows it",
                ENOENT);
}

}  // namespace weft::target
