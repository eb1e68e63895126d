// SPDX-License-Identifier: Apache-2.0
#include "target/hall.h"

#include <algorithm>
#include <future>

namespace weft::target {

namespace {

Settings settings_of(const config::Target& config, const srp::PortId& port_id) {
    Settings settings;
    settings.port_id = port_id;
    settings.request_limit = config.limits.request_limit;
    settings.nexuses_max = config.limits.nexuses;
    settings.channels_per_nexus = config.limits.channels_per_nexus;
    settings.nexus_buffer_bytes = config.limits.nexus_buffer_bytes;
    const auto scaled = [&](std::chrono::milliseconds time) {
        return Duration(static_cast<Duration::rep>(
            static_cast<double>(std::chrono::duration_cast<Duration>(time).count()) * config.timers.scale));
    };
    settings.heartbeat = scaled(config.timers.heartbeat);
    settings.heartbeat_misses = config.timers.heartbeat_misses;
    return settings;
}

}  // namespace

Result<std::unique_ptr<Hall>> Hall::create(const config::Target& config, const srp::PortId& port_id,
                                           std::vector<std::unique_ptr<Volume>>& volumes) {
    daemon::ReactorThread::Options options;
    options.reactor.name = "reactor0";
    options.reactor.poll = std::chrono::microseconds(config.poll_us);
    auto thread = daemon::ReactorThread::start(options);
    if (!thread)
        return fail(config.place.file + ":" + std::to_string(config.place.line) + ": " + thread.error().what,
                    thread.error().code);
    auto hall = std::unique_ptr<Hall>(new Hall(config, std::move(*thread), volumes));
    for (auto& volume : volumes) {
        if (auto seated = volume->seat(*hall->thread_, port_id); !seated) return Failure(seated.error());
    }
    hall->open_port(port_id);
    return hall;
}

Hall::~Hall() {
    stop();
    for (auto& volume : volumes_) volume->unseat(*thread_);
    thread_->stop();
}

void Hall::open_port(const srp::PortId& port_id) {
    thread_->call([&] {
        port_ = std::make_unique<Port>(group_, thread_->reactor(), thread_->fabric(), thread_->regions(),
                                       static_cast<Exports&>(*this), settings_of(config_, port_id));
    });
}

Result<void> Hall::listen() {
    Result<void> done;
    thread_->call([&] {
        for (const auto& listener : config_.listeners) {
            auto made = thread_->fabric().listen({listener.address, listener.port}, listener.device, group_);
            if (!made) {
                done = fail(listener.place.file + ":" + std::to_string(listener.place.line) + ": listener " +
                                listener.address + ":" + std::to_string(listener.port) + ": " +
                                made.error().what,
                            made.error().code);
                return;
            }
            listeners_.push_back(std::move(*made));
            listening_.push_back({listener.address, listener.port, listener.device});
        }
    });
    return done;
}

void Hall::stop() {
    if (stopped_) return;
    stopped_ = true;
    if (port_ == nullptr) return;
    auto stopped = std::make_shared<std::promise<void>>();
    auto future = stopped->get_future();
    thread_->call([&] {
        listeners_.clear();
        port_->stop([stopped] { stopped->set_value(); });
    });
    future.wait();
    thread_->call([&] { port_.reset(); });
}

PortStatus Hall::status() {
    PortStatus status;
    thread_->call([&] {
        if (port_ != nullptr) status = port_->status();
    });
    return status;
}

std::vector<Export> Hall::visible_to(const srp::PortId& initiator) {
    std::vector<Export> exports;
    for (auto& volume : volumes_) {
        const config::Grant* grant = volume->grant_for(initiator);
        if (grant == nullptr) continue;
        const bool read_only = volume->config().read_only || grant->access == config::AccessRight::ro;
        exports.push_back({volume->config().lun, &volume->unit(*thread_), read_only});
    }
    return exports;
}

}  // namespace weft::target
