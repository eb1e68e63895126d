// SPDX-License-Identifier: Apache-2.0
#include "initiator/service.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sstream>
#include <utility>

#include "common/config/memory_budget.h"
#include "common/core/log.h"
#include "initiator/status.h"
#include "initiator/ublk/io_thread.h"
#include "initiator/ublk/record.h"

namespace weft::initiator {

namespace {

using control::Json;
using control::Severity;

Instant steady_now() {
    return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

Failure at(const config::Place& place, const Error& error) {
    return fail(to_string(place) + ": " + error.what, error.code);
}

// How long a target may take to answer when a volume is attached for the first time.
std::chrono::milliseconds patience_of(const config::Initiator& config) {
    const double scaled =
        3.0 * static_cast<double>(config.timers.connect_timeout.count()) * config.timers.scale;
    return std::chrono::milliseconds(static_cast<std::int64_t>(scaled));
}

}  // namespace

Service::Service(config::Initiator config, control::EventLog& events)
    : config_(std::move(config)), events_(events), placement_(place(config_)), started_(steady_now()) {
    for (const auto& volume : config_.volumes) slots_[volume.name].since = started_;
}

Service::~Service() {
    slots_.clear();
    sites_.clear();
}

std::string_view to_string(VolumeState state) {
    switch (state) {
        case VolumeState::detached: return "detached";
        case VolumeState::attaching: return "attaching";
        case VolumeState::attached: return "ready";
        case VolumeState::detaching: return "detaching";
    }
    WEFT_UNREACHABLE("VolumeState");
}

void Service::enter(Slot& slot, VolumeState state, const std::string& problem) {
    slot.state = state;
    slot.since = steady_now();
    slot.problem = problem;
}

std::uint64_t Service::locked_at_start(const config::Initiator& config) {
    std::uint64_t bytes = 0;
    for (const auto& volume : config.volumes) bytes += Volume::memory_bytes(config, volume);
    return bytes;
}

Result<void> Service::start() {
    auto control = ublk::Control::open();
    if (!control) return at(config_.place, control.error());
    control_ = std::move(*control);
    promises_ = control_->kernel().promises();
    std::istringstream lines(promises_);  // each an entry of the log, with its time
    for (std::string line; std::getline(lines, line);) log::info("{}", line);

    const bool rdma = std::any_of(config_.volumes.begin(), config_.volumes.end(), [](const auto& volume) {
        return std::any_of(volume.linear.begin(), volume.linear.end(),
                           [](const auto& leg) { return leg.kind == config::LegKind::remote; });
    });
    for (std::uint32_t i = 0; i < config_.reactors; ++i) {
        daemon::ReactorThread::Options options;
        options.reactor.name = "reactor" + std::to_string(i);
        options.reactor.poll = std::chrono::microseconds(config_.poll_us);
        options.rdma = rdma;
        options.first = [aside = control_->kernel().scans_partitions_aside()] {
            if (auto set = ublk::set_io_flusher(); !set) log::warn("{}", set.error().what);
            if (aside) return;
            if (auto dropped = ublk::drop_sys_admin(); !dropped) log::warn("{}", dropped.error().what);
        };
        auto thread = daemon::ReactorThread::start(options);
        if (!thread) return at(config_.place, thread.error());
        const std::lock_guard lock(mutex_);
        sites_.push_back(std::make_unique<Site>(std::move(*thread)));
    }
    tell_leftovers();
    std::string problems;
    for (const auto& volume : config_.volumes) {
        auto attached = bring_up(volume, slots_.at(volume.name));
        if (!attached) problems += (problems.empty() ? "" : "\n") + attached.error().what;
    }
    if (problems.empty()) return {};
    if (auto stopped = stop(false); stopped) return fail(problems);
    for (const auto& [name, slot] : slots_) {
        if (slot.state == VolumeState::attached) continue;
        events_.add(Severity::error, "volume " + name,
                    "not attached: " + slot.problem +
                        "; others are in use and go on: mend it and `weftctl attach " + name + "`");
    }
    return {};
}

void Service::give_up_waiting() {
    const std::lock_guard lock(mutex_);
    for (auto& site : sites_) site->give_up(true);
}

void Service::tell_leftovers() {
    for (const std::string& name : ublk::recorded(config_.state_dir)) {
        if (find(name) != nullptr) continue;
        const auto record = ublk::RecordFile(config_.state_dir, name).load();
        if (!record || !*record || (*record)->boot != ublk::boot_id({})) continue;
        events_.add(
            Severity::warning, "volume " + name,
            "is not in the configuration any more, and a daemon before this one has left its disk: put it "
            "back, or `weftctl detach --force " +
                name + "` removes the disk");
    }
}

const config::Volume* Service::find(const std::string& name) const {
    const auto found = std::find_if(config_.volumes.begin(), config_.volumes.end(),
                                    [&](const auto& volume) { return volume.name == name; });
    return found == config_.volumes.end() ? nullptr : &*found;
}

bool Service::left_by_another(const config::Volume& volume) const {
    const auto record = ublk::RecordFile(config_.state_dir, volume.name).load();
    return record && record->has_value() && (*record)->boot == ublk::boot_id({}) && !(*record)->going;
}

Result<void> Service::attach(const std::string& name) {
    const config::Volume* volume = find(name);
    if (volume == nullptr) return fail("no volume '" + name + "' in the configuration", ENOENT);
    Slot& slot = slots_.at(name);
    if (slot.state != VolumeState::detached) return fail("volume '" + name + "' is attached already", EEXIST);
    auto attached = bring_up(*volume, slot);
    if (!attached) events_.add(Severity::error, "volume " + name, "not attached: " + attached.error().what);
    return attached;
}

Result<void> Service::bring_up(const config::Volume& volume, Slot& slot) {
    {
        const std::lock_guard lock(mutex_);
        enter(slot, VolumeState::attaching);
    }
    // A disk that waits for us has users; its I/O waits in the kernel, and so do we, however long it takes.
    const bool inherited = left_by_another(volume);
    const auto patience = inherited ? std::chrono::milliseconds(-1) : patience_of(config_);
    auto made = Volume::attach(*sites_[placement_.volumes.at(volume.name)], *control_, config_, volume,
                               patience, inherited);
    const std::lock_guard lock(mutex_);
    if (!made) {
        enter(slot, VolumeState::detached, made.error().what);
        return Failure(made.error());
    }
    slot.volume = std::move(*made);
    enter(slot, VolumeState::attached);
    events_.add(Severity::info, "volume " + volume.name,
                (slot.volume->recovered() ? "taken over as " : "attached as ") + slot.volume->path());
    return {};
}

Result<void> Service::detach(const std::string& name, bool force) {
    const auto found = slots_.find(name);
    if (found == slots_.end()) return remove_leftover(name, force);
    Slot& slot = found->second;
    if (slot.state != VolumeState::attached) return fail("volume '" + name + "' is not attached", ENOENT);
    {
        const std::lock_guard lock(mutex_);
        enter(slot, VolumeState::detaching);
    }
    auto detached = slot.volume->detach(force);
    if (!detached) {
        const std::lock_guard lock(mutex_);
        enter(slot, VolumeState::attached, detached.error().what);
        events_.add(Severity::warning, "volume " + name, "not detached: " + detached.error().what);
        return detached;
    }
    slot.volume.reset();
    const std::lock_guard lock(mutex_);
    enter(slot, VolumeState::detached);
    events_.add(Severity::info, "volume " + name, force ? "detached by force" : "detached");
    return {};
}

Result<void> Service::remove_leftover(const std::string& name, bool force) {
    const auto known = ublk::recorded(config_.state_dir);
    if (std::find(known.begin(), known.end(), name) == known.end())
        return fail("no volume '" + name + "' in the configuration", ENOENT);
    if (!force) {
        return fail("volume '" + name +
                        "' is not in the configuration; a daemon before this one has left its disk: --force "
                        "removes it",
                    EBUSY);
    }
    const auto record = ublk::RecordFile(config_.state_dir, name).load();
    if (!record) return Failure(record.error());
    if (!*record) return fail("the record of volume '" + name + "' is gone", ENOENT);
    ublk::DeviceOptions options;
    options.name = name;
    options.state_dir = config_.state_dir;
    options.uuid = (*record)->uuid;
    auto removed = ublk::Device::remove_leftover(*control_, options);
    if (!removed) return Failure(removed.error());
    events_.add(Severity::warning, "volume " + name,
                *removed ? "the disk that was left of it is removed" : "nothing was left of it but a record");
    return {};
}

Result<void> Service::stop(bool force) {
    for (auto& site : sites_) site->give_up(false);
    std::string refused;
    for (const auto& volume : config_.volumes) {
        if (slots_.at(volume.name).state != VolumeState::attached) continue;
        if (auto gone = detach(volume.name, force); !gone)
            refused += (refused.empty() ? "" : "\n") + ("volume '" + volume.name + "': " + gone.error().what);
    }
    if (!refused.empty()) return fail(refused, EBUSY);
    return {};
}

Result<void> Service::leave() {
    for (auto& site : sites_) site->give_up(false);
    for (auto& [name, slot] : slots_) {
        if (slot.state != VolumeState::attached) continue;
        auto left = slot.volume->leave();
        events_.add(left ? Severity::info : Severity::warning, "volume " + name,
                    left ? "left " + slot.volume->path() + " to the next daemon"
                         : "left with requests unfinished: " + left.error().what);
    }
    return {};
}

Result<void> Service::drop_channel(const std::string& target, std::size_t index) {
    for (auto& site : sites_) {
        Session* session = site->session(target);
        if (session == nullptr) continue;
        Result<void> dropped;
        site->thread().call([&] { dropped = session->drop_channel(index); });
        if (dropped)
            events_.add(Severity::warning, "channel " + target + "/" + std::to_string(index),
                        "cut by request");
        return dropped;
    }
    return fail("no session to target '" + target + "'", ENOENT);
}

Json Service::status() {
    const std::lock_guard lock(mutex_);
    Json status = {
        {"kind", "initiator"},
        {"name", config_.name},
        {"version", WEFT_VERSION},
        {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(steady_now() - started_).count()},
        {"kernel_promise", promises_},
        {"volumes", Json::array()},
        {"sessions", Json::array()},
        {"reactors", Json::array()}};
    std::uint64_t used = 0;
    for (const auto& [name, slot] : slots_) {
        Json one = {{"name", name}, {"device", nullptr}};
        if (slot.state == VolumeState::attached) {
            const VolumeStatus now = slot.volume->status();
            used += now.disk.memory_bytes;
            one = to_json(now);
        } else {
            one["state"] = to_string(slot.state);
        }
        one["age_ms"] =
            std::chrono::duration_cast<std::chrono::milliseconds>(steady_now() - slot.since).count();
        one["problem"] = slot.problem;
        status["volumes"].push_back(std::move(one));
    }
    for (auto& site : sites_) {
        for (const SessionStatus& session : site->status()) {
            used += session.memory_bytes;
            status["sessions"].push_back(to_json(session));
        }
        status["reactors"].push_back(site->thread().status());
    }
    status["memory"] = {{"budget_bytes", config::memory_budget(config_).total}, {"used_bytes", used}};
    return status;
}

void Service::add_methods(control::Server& server) {
    server.add(
        "status", [this](const Json&) -> Result<Json> { return status(); }, control::Promptness::prompt);
    server.add("attach", [this](const Json& params) -> Result<Json> {
        const auto name = params.at("name").get<std::string>();
        if (auto done = attach(name); !done) return Failure(done.error());
        return Json{{"device", slots_.at(name).volume->path()}};
    });
    server.add("detach", [this](const Json& params) -> Result<Json> {
        auto done = detach(params.at("name").get<std::string>(), params.value("force", false));
        if (!done) return Failure(done.error());
        return Json::object();
    });
    server.add("channel_drop", [this](const Json& params) -> Result<Json> {
        auto done = drop_channel(params.at("peer").get<std::string>(), params.at("index").get<std::size_t>());
        if (!done) return Failure(done.error());
        return Json::object();
    });
}

}  // namespace weft::initiator
