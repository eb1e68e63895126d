// SPDX-License-Identifier: Apache-2.0
#include "initiator/volume.h"

#include <algorithm>
#include <utility>

#include "common/core/log.h"

namespace weft::initiator {

namespace {

constexpr Duration kLeaveLimit = 10s;

UnitSelector selector_of(const config::Leg& leg) {
    if (leg.lun) return *leg.lun;
    return leg.volume;
}

std::string without_spaces(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; }, '_');
    return text.empty() ? "-" : text;
}

// What to do about a target that no login reaches, by why.
std::string remedy(const std::string& problem) {
    if (problem.find("no such target port") != std::string::npos)
        return "give it here the name (or the port_id) that it has there";
    if (problem.find("not permitted") != std::string::npos)
        return "add this initiator to the initiators of a volume there";
    return "is it running there, and are address and port of its paths right?";
}

ublk::DeviceOptions disk_options(const config::Initiator& initiator, const config::Volume& volume,
                                 const Uuid& uuid) {
    ublk::DeviceOptions options;
    options.name = volume.name;
    options.uuid = uuid;
    options.queue_depth = static_cast<std::uint16_t>(volume.queue_depth);
    options.io_bytes_max = volume.max_io_bytes;
    if (volume.device_id) options.number = static_cast<std::uint32_t>(*volume.device_id);
    options.state_dir = initiator.state_dir;
    return options;
}

std::string record_path(const config::Initiator& initiator, const std::string& name) {
    return initiator.state_dir + "/" + name + ".legs";
}

}  // namespace

Volume::Volume(Site& site, const config::Initiator& initiator, config::Volume config)
    : site_(site),
      initiator_(initiator),
      config_(std::move(config)),
      uuid_(config_.uuid ? *config_.uuid : Uuid::from_name(initiator.name, config_.name)) {}

Volume::~Volume() {
    disk_.reset();
    dismantle();
}

Failure Volume::at(const config::Place& place, const std::string& what) const {
    return fail(to_string(place) + ": volume '" + config_.name + "': " + what);
}

Result<std::unique_ptr<Volume>> Volume::attach(Site& site, ublk::Control& control,
                                               const config::Initiator& initiator,
                                               const config::Volume& volume,
                                               std::chrono::milliseconds patience, bool inherited) {
    auto made = std::unique_ptr<Volume>(new Volume(site, initiator, volume));
    if (auto found = made->find_legs(patience); !found) return Failure(found.error());
    if (auto fine = made->check_legs(inherited); !fine) return Failure(fine.error());
    if (auto built = made->build_tree(); !built) return Failure(built.error());
    const ublk::Seat seat{site.thread().reactor(), site.thread().regions(), *made->linear_,
                          ublk::ports_on(site.thread().ring())};
    auto disk = ublk::Device::start(control, disk_options(initiator, volume, made->uuid_), seat);
    if (!disk) return made->at(volume.place, disk.error().what);
    made->disk_ = std::move(*disk);
    return made;
}

Result<void> Volume::find_legs(std::chrono::milliseconds patience) {
    legs_.resize(config_.linear.size());
    std::uint32_t block_size = config::local_block_size(config_).value_or(0);
    for (std::size_t i = 0; i < legs_.size(); ++i) {
        legs_[i].config = &config_.linear[i];
        if (legs_[i].config->kind != config::LegKind::remote) continue;
        if (auto found = find_unit(legs_[i], patience); !found) return found;
        block_size = legs_[i].unit->geometry.block_size;
    }
    // A file has no block size of its own: it takes the remote legs', if there are any.
    for (Leg& leg : legs_) {
        if (leg.config->kind != config::LegKind::file) continue;
        if (auto opened = open_file(leg, block_size); !opened) return opened;
    }
    return {};
}

Result<void> Volume::open_file(Leg& leg, std::uint32_t block_size) {
    uring::FileOptions options;
    options.path = leg.config->path;
    options.block_size = block_size;
    options.read_only = config_.read_only;
    auto store = uring::FileStore::open(options);
    if (!store) return at(leg.config->place, store.error().what);
    leg.store = std::move(*store);
    return {};
}

Result<void> Volume::find_unit(Leg& leg, std::chrono::milliseconds patience) {
    const config::Leg& wanted = *leg.config;
    const auto target = std::find_if(initiator_.targets.begin(), initiator_.targets.end(),
                                     [&](const auto& t) { return t.name == wanted.target; });
    WEFT_CHECK(target != initiator_.targets.end());  // the parser saw to it
    auto session = site_.acquire(initiator_, *target);
    if (!session) return at(wanted.place, session.error().what);
    leg.target = wanted.target;
    auto unit = site_.find_unit(**session, selector_of(wanted), patience);
    if (!unit) {
        const bool none = unit.error().what.find("shows us no") != std::string::npos;
        if (none) return at(wanted.place, unit.error().what + ": name one that it has and that lists us");
        if (unit.error().code != ETIMEDOUT) return at(wanted.place, unit.error().what);
        return at(wanted.place, "target '" + wanted.target + "' is not reachable (" + unit.error().what +
                                    "): " + remedy(unit.error().what));
    }
    leg.unit = std::move(*unit);
    return {};
}

Result<void> Volume::check_legs(bool inherited) {
    std::vector<LegRecord> now;
    for (const Leg& leg : legs_) {
        const block::Geometry& geometry = leg.unit ? leg.unit->geometry : leg.store->geometry();
        std::string identity = "file:" + leg.config->path;
        if (leg.unit) {
            identity =
                !leg.unit->designator.empty() ? "unit:" + leg.unit->designator : "serial:" + leg.unit->serial;
        }
        now.push_back({without_spaces(identity), geometry.block_size, geometry.blocks,
                       leg.unit ? leg.unit->epoch.id : Uuid{}});
        if (geometry.block_size != now.front().block_size) {
            return at(leg.config->place,
                      "its legs have different block sizes (" + std::to_string(now.front().block_size) +
                          " and " + std::to_string(geometry.block_size) + "): use legs of one block size");
        }
    }
    const std::string path = record_path(initiator_, config_.name);
    auto before = load_leg_records(path);
    if (!before)
        return at(config_.place, before.error().what + ": remove the file if its legs are right as they are");
    if (*before) {
        const std::string change = changed_for_the_worse(**before, now);
        if (!change.empty()) {
            return at(config_.place, change + ": put back what it was, or remove " + path +
                                         " to use the volume as it is now, with other content");
        }
    }
    if (inherited) {
        if (*before) keep_epochs(**before, now);
        for (std::size_t i = 0; i < legs_.size(); ++i)
            legs_[i].heritage = RemoteDeviceOptions::Heritage{now[i].epoch};
    }
    if (!*before || **before != now) {
        if (auto saved = save_leg_records(path, now); !saved) return at(config_.place, saved.error().what);
    }
    records_ = std::move(now);
    return {};
}

RemoteDeviceOptions Volume::device_options(std::size_t leg) {
    RemoteDeviceOptions options;
    options.name = config_.name;
    options.queue_timeout = config_.queue_timeout;
    options.on_loss = config_.on_loss;
    options.heritage = legs_[leg].heritage;
    options.on_epoch = [this, leg](const Uuid& epoch) { remember_epoch(leg, epoch); };
    return options;
}

// On the reactor, which it holds up for as long as a small file takes: after a target's host was started
// anew, once.
void Volume::remember_epoch(std::size_t leg, const Uuid& epoch) {
    records_[leg].epoch = epoch;
    const auto saved = save_leg_records(record_path(initiator_, config_.name), records_);
    if (!saved) log::warn("volume {}: {}", config_.name, saved.error().what);
}

Result<void> Volume::build_tree() {
    Result<void> built;
    site_.thread().call([&] {
        std::vector<block::BlockDevice*> children;
        for (std::size_t i = 0; i < legs_.size(); ++i) {
            Leg& leg = legs_[i];
            if (leg.unit) {
                auto remote =
                    std::make_unique<RemoteDevice>(*site_.session(leg.target), *leg.unit, device_options(i));
                leg.remote = remote.get();
                leg.device = std::move(remote);
            } else {
                auto file =
                    uring::FileDevice::create(site_.thread().reactor(), site_.thread().ring(), *leg.store);
                if (!file) {
                    built = at(leg.config->place, file.error().what);
                    return;
                }
                leg.device = std::move(*file);
            }
            children.push_back(leg.device.get());
        }
        auto linear = block::LinearDevice::create(site_.thread().reactor(), children, config_.read_only);
        if (!linear) {
            built = at(config_.place, linear.error().what);
            return;
        }
        linear_ = std::move(*linear);
    });
    return built;
}

void Volume::close_legs() {
    for (Leg& leg : legs_) {
        if (leg.remote != nullptr) leg.remote->close();
    }
}

void Volume::dismantle() {
    site_.thread().call([this] {
        linear_.reset();
        for (Leg& leg : legs_) {
            leg.remote = nullptr;
            leg.device.reset();
        }
    });
    for (Leg& leg : legs_) {
        if (!leg.target.empty()) site_.release(leg.target);
    }
    legs_.clear();
}

Result<void> Volume::detach(bool force) {
    ublk::Device::Stop how;
    how.force = force;
    how.fail_held = [this] { close_legs(); };
    auto stopped = disk_->stop(how);
    if (!stopped) return stopped;
    disk_.reset();
    return {};
}

Result<void> Volume::leave() { return disk_->leave(kLeaveLimit); }

VolumeStatus Volume::status() {
    VolumeStatus status;
    status.name = config_.name;
    status.uuid = uuid_;
    status.device = path();
    status.state = "ready";
    status.bytes = linear_->geometry().bytes();
    status.block_size = linear_->geometry().block_size;
    site_.thread().call([&] {
        status.disk = disk_->status_here();
        for (const Leg& leg : legs_) {
            LegStatus& out = status.legs.emplace_back();
            out.bytes = leg.device->geometry().bytes();
            if (leg.remote == nullptr) {
                out.kind = "file";
                out.unit = leg.config->path;
                out.state = "ready";
                continue;
            }
            const DeviceStatus remote = leg.remote->status();
            out.kind = "remote";
            out.target = leg.target;
            out.unit = remote.unit;
            out.state = remote.state;
            out.problem = remote.problem;
            out.waits = remote.waits;
            if (remote.state != "ready") status.state = "waiting";
            status.counters.reads += remote.counters.reads;
            status.counters.writes += remote.counters.writes;
            status.counters.flushes += remote.counters.flushes;
            status.counters.discards += remote.counters.discards;
            status.counters.zeroes += remote.counters.zeroes;
            status.counters.bytes_read += remote.counters.bytes_read;
            status.counters.bytes_written += remote.counters.bytes_written;
            status.counters.retries += remote.counters.retries;
            status.counters.errors += remote.counters.errors;
            status.counters.lost_caches += remote.counters.lost_caches;
        }
    });
    return status;
}

std::uint64_t Volume::memory_bytes(const config::Initiator& initiator, const config::Volume& volume) {
    return ublk::Device::memory_bytes(disk_options(initiator, volume, Uuid{}), 0);
}

}  // namespace weft::initiator
