// SPDX-License-Identifier: Apache-2.0
#include "target/hall.h"

#include <utility>

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

Result<std::unique_ptr<Hall>> Hall::create(const config::Target& config, const std::string& name,
                                           const srp::PortId& port_id, const Volumes& volumes,
                                           PortGroup& group) {
    daemon::ReactorThread::Options options;
    options.reactor.name = name;
    options.reactor.poll = std::chrono::microseconds(config.poll_us);
    auto thread = daemon::ReactorThread::start(options);
    if (!thread) return fail(to_string(config.place) + ": " + thread.error().what, thread.error().code);
    auto hall = std::unique_ptr<Hall>(new Hall(config, std::move(*thread)));
    Result<void> furnished;
    hall->thread_->call([&] { furnished = hall->furnish(port_id, volumes, group); });
    if (!furnished) return Failure(furnished.error());
    return hall;
}

Result<void> Hall::furnish(const srp::PortId& port_id, const Volumes& volumes, PortGroup& group) {
    for (const auto& volume : volumes) {
        auto seat = Seat::take(*volume, *thread_, port_id);
        if (!seat) return Failure(seat.error());
        seats_.push_back(std::move(*seat));
    }
    port_ = std::make_unique<Port>(group, thread_->reactor(), thread_->fabric(), thread_->regions(),
                                   static_cast<Exports&>(*this), settings_of(config_, port_id));
    return {};
}

Hall::~Hall() {
    thread_->call([&] {
        listeners_.clear();
        port_.reset();
        seats_.clear();
    });
    thread_->stop();
}

Result<void> Hall::listen(PortGroup& group) {
    Result<void> done;
    thread_->call([&] {
        for (const auto& listener : config_.listeners) {
            auto made = thread_->fabric().listen({listener.address, listener.port}, listener.device, group);
            if (!made) {
                done = fail(to_string(listener.place) + ": listener " + listener.address + ":" +
                                std::to_string(listener.port) + ": " + made.error().what,
                            made.error().code);
                return;
            }
            listeners_.push_back(std::move(*made));
        }
    });
    return done;
}

void Hall::close() {
    thread_->call([&] { listeners_.clear(); });
}

std::future<void> Hall::stop() {
    auto stopped = std::make_shared<std::promise<void>>();
    auto future = stopped->get_future();
    thread_->call([&] { port_->stop([stopped] { stopped->set_value(); }); });
    return future;
}

std::vector<lun::Counters> Hall::unit_counters() {
    std::vector<lun::Counters> all;
    thread_->call([&] {
        for (const auto& seat : seats_) all.push_back(seat->counters());
    });
    return all;
}

bool Hall::drop_channel(const srp::PortId& initiator, std::size_t index) {
    bool dropped = false;
    thread_->call([&] { dropped = port_->drop_channel(initiator, index); });
    return dropped;
}

PortStatus Hall::status() {
    PortStatus status;
    thread_->call([&] { status = port_->status(); });
    return status;
}

std::vector<Export> Hall::visible_to(const srp::PortId& initiator) {
    std::vector<Export> exports;
    for (const auto& seat : seats_)
        if (auto visible = seat->visible_to(initiator)) exports.push_back(*visible);
    return exports;
}

}  // namespace weft::target
