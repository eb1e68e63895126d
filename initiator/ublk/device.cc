// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/device.h"

#include <cerrno>
#include <chrono>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "common/core/check.h"
#include "common/core/log.h"
#include "initiator/ublk/io_thread.h"
#include "initiator/ublk/leftover.h"
#include "initiator/ublk/parameters.h"

namespace weft::ublk {

namespace {

constexpr Duration kLeftLimit =
    45s;  // for the driver to let go of a dead server: its request timer may be 30 s
constexpr Duration kDrainLimit = 10s;
constexpr Duration kGlanceLimit = 1s;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Device::Device(Control& control, const DeviceOptions& options, const Seat& seat)
    : control_(control),
      options_(options),
      seat_(seat),
      file_(options.state_dir, options.name),
      node_(options.places, 0, options.name, options.uuid) {}

Device::~Device() { WEFT_CHECK(!serving_); }

std::uint64_t Device::memory_bytes(const DeviceOptions& options, std::size_t scratch_bytes) {
    return QueueShape{options.queue_depth, options.io_bytes_max, scratch_bytes}.memory_bytes();
}

// --- start ---

Result<std::unique_ptr<Device>> Device::start(Control& control, const DeviceOptions& options,
                                              const Seat& seat) {
    std::unique_ptr<Device> device(new Device(control, options, seat));
    if (auto opened = device->open(); !opened)
        return fail("volume " + options.name + ": " + opened.error().what, opened.error().code);
    device->serving_ = true;
    log::info("volume {}: {} {}", options.name, device->path(), device->recovered_ ? "taken over" : "made");
    return device;
}

Result<void> Device::open() {
    if (options_.queue_depth < 1 || options_.queue_depth > abi::kQueueDepthMax)
        return fail("the queue depth is 1 to 4096, not " + std::to_string(options_.queue_depth));
    on_reactor([this] { geometry_ = seat_.root.geometry(); });
    auto lock = file_.lock(options_.lock_limit);
    if (!lock) return Failure(std::move(lock).error());
    lock_ = std::move(*lock);

    auto leftover = find_leftover(control_, file_, options_.uuid, options_.places);
    if (!leftover) return Failure(std::move(leftover).error());
    if (*leftover && (*leftover)->not_to_take_over.empty()) return take_over((*leftover)->device);
    if (*leftover) {
        const std::uint32_t number = (*leftover)->device.device;
        log::error("volume {}: ublk device {} of the last daemon is removed, its users get I/O errors: {}",
                   options_.name, number, (*leftover)->not_to_take_over);
        if (auto gone = clear_away(control_, number); !gone) return gone;
        Node(options_.places, number, options_.name, options_.uuid).withdraw();
    }
    if (auto clean = file_.clear_recovery(); !clean) return clean;
    auto created = create();
    if (!created) (void)file_.remove();
    return created;
}

Result<bool> Device::remove_leftover(Control& control, const DeviceOptions& options) {
    const RecordFile file(options.state_dir, options.name);
    const auto lock = file.lock(options.lock_limit);
    if (!lock) return Failure(lock.error());
    const auto leftover = find_leftover(control, file, options.uuid, options.places);
    if (!leftover) return Failure(leftover.error());
    if (*leftover) {
        const std::uint32_t number = (*leftover)->device.device;
        if (auto gone = clear_away(control, number); !gone) return Failure(std::move(gone).error());
        Node(options.places, number, options.name, options.uuid).withdraw();
    }
    if (auto removed = file.remove(); !removed) return Failure(std::move(removed).error());
    return leftover->has_value();
}

Result<void> Device::create() {
    const auto io_bytes = io_bytes_of(geometry_, options_.io_bytes_max);
    if (!io_bytes) return Failure(io_bytes.error());
    const auto parameters = parameters_of(geometry_, *io_bytes);
    if (!parameters) return Failure(parameters.error());
    if (auto made = make_queue(options_.queue_depth, *io_bytes); !made) return made;

    const auto added = control_.add(options_.number.value_or(Control::kAnyNumber), options_.queue_depth,
                                    *io_bytes, tag_of(options_.uuid));
    if (!added) {
        close_queue();
        return Failure(added.error());
    }
    note(*added);
    const std::uint32_t number = record_.number;
    auto done = file_.save(record_)
                    .and_then([&] { return node_.publish(); })
                    .and_then([&] { return control_.set_parameters(number, *parameters); })
                    .and_then([&] { return fetch_all(); })
                    .and_then([&] { return control_.start(number); });
    if (!done) {
        undo_create();
        return done;
    }
    node_.settle();
    return {};
}

// Everything that may fail for long comes before begin_recovery(): on old kernels a recovery must not be cut
// short.
Result<void> Device::take_over(const abi::DeviceInfo& device) {
    const std::uint32_t number = device.device;
    const auto parameters = control_.parameters(number);
    if (!parameters) return Failure(parameters.error());
    if (const auto why = cannot_serve(geometry_, *parameters))
        return fail("cannot take over /dev/ublkb" + std::to_string(number) + ": " + *why +
                    "; its I/O waits. Give the volume back what it had, or remove the disk by force");
    if (options_.number && *options_.number != number)
        log::warn("volume {}: stays /dev/ublkb{} until it is detached, not {}", options_.name, number,
                  *options_.number);
    if (auto made = make_queue(device.queue_depth, device.io_bytes_max); !made) return made;
    note(device);
    auto begun = node_.publish()
                     .and_then([&] { return wait_until_left(number); })
                     .and_then([&] { return file_.mark_recovery(number, record_.boot); })
                     .and_then([&] { return begin_recovery(number); });
    if (!begun) {
        close_queue();
        // A command without an answer may have begun it all the same: then the mark stands.
        if (begun.error().code != ETIMEDOUT) (void)file_.clear_recovery();
        return begun;
    }
    auto done = fetch_all().and_then([&] { return control_.end_recovery(number); });
    if (!done) {
        // The fetches cannot be taken back; the disk waits for the next try, or goes if that would be unsafe.
        abandon_queue();
        return fail("the take-over of " + node_.path() + " failed half-way: " + done.error().what,
                    done.error().code);
    }
    recovered_ = true;
    // A mark or record that is out of date costs a needless removal later: worth a line, not the volume.
    if (auto clean = file_.clear_recovery(); !clean)
        log::error("volume {}: {}", options_.name, clean.error().what);
    if (auto saved = file_.save(record_); !saved)
        log::error("volume {}: {}", options_.name, saved.error().what);
    node_.settle();
    return {};
}

// The driver notices the death of a server in its own time.
Result<void> Device::wait_until_left(std::uint32_t number) {
    const auto end = std::chrono::steady_clock::now() + kLeftLimit;
    for (;;) {
        const auto device = control_.find(number);
        if (!device) return Failure(device.error());
        if (!*device) return fail("ublk device " + std::to_string(number) + " went away", ENODEV);
        if ((*device)->state != abi::kLive) return {};
        if (std::chrono::steady_clock::now() >= end)
            return fail("process " + std::to_string((*device)->server_pid) + " still serves " + node_.path(),
                        EBUSY);
        std::this_thread::sleep_for(1ms);
    }
}

// And lets go of its files a little later.
Result<void> Device::begin_recovery(std::uint32_t number) {
    const auto end = std::chrono::steady_clock::now() + kLeftLimit;
    for (;;) {
        auto begun = control_.begin_recovery(number);
        if (begun || begun.error().code != EBUSY || std::chrono::steady_clock::now() >= end) return begun;
        std::this_thread::sleep_for(1ms);
    }
}

void Device::note(const abi::DeviceInfo& device) {
    record_.name = options_.name;
    record_.uuid = options_.uuid;
    record_.boot = boot_id(options_.places);
    record_.number = device.device;
    record_.queue_depth = device.queue_depth;
    record_.io_bytes_max = device.io_bytes_max;
    record_.block_size = geometry_.block_size;
    record_.blocks = geometry_.blocks;
    record_.flags = device.flags;
    record_.going = false;
    node_ = Node(options_.places, device.device, options_.name, options_.uuid);
}

Result<void> Device::make_queue(std::uint16_t depth, std::uint32_t io_bytes_max) {
    QueueShape shape{depth, io_bytes_max, 0};
    on_reactor([&] { shape.scratch_bytes = seat_.root.scratch_bytes(); });
    auto queue = Queue::create(seat_.root, seat_.regions, shape, options_.name);
    if (!queue) return Failure(std::move(queue).error());
    queue_ = std::move(*queue);
    Result<void> prepared;
    on_reactor([&] {
        queue_->register_memory();
        if (!control_.kernel().scans_partitions_aside()) prepared = drop_sys_admin();
        if (auto flusher = set_io_flusher(); !flusher) log::warn("{}", flusher.error().what);
    });
    if (!prepared) close_queue();
    return prepared;
}

Result<void> Device::fetch_all() {
    auto channel = Channel::open(node_.character_path(), queue_->shape().depth);
    if (!channel) return Failure(std::move(channel).error());
    channel_ = std::move(*channel);
    on_reactor([this] {
        channel_->connect(seat_.ports);
        queue_->fetch_all(channel_->port(), channel_->descriptors());
    });
    // A fetch that the driver refuses is answered at once. With one missing, what follows would wait for
    // ever; two turns of the reactor bring such answers in.
    int failure = 0;
    for (int turn = 0; turn < 2; ++turn) on_reactor([&] { failure = queue_->failure(); });
    if (failure != 0) return fail_errno("ublk refuses to be fetched from", failure);
    return {};
}

void Device::undo_create() {
    const std::uint32_t number = record_.number;
    if (auto stopped = control_.stop(number); !stopped) log::error("{}", stopped.error().what);
    if (channel_ && !wait_for(kDrainLimit, [this] { return queue_->drained(); }))
        abandon_queue();
    else
        close_queue();
    if (auto removed = control_.remove(number); !removed) log::error("{}", removed.error().what);
    node_.withdraw();
}

// --- end ---

Result<void> Device::stop(const Stop& how) {
    WEFT_CHECK(serving_);
    UniqueFd claim;
    if (!how.force) {
        // In this order: to open a disk whose I/O hangs may hang too.
        if (auto unused = wait_until_unused(); !unused) return unused;
        if (auto idle = wait_for_tree(1s); !idle) return idle;
        auto claimed = node_.claim();
        if (!claimed) return Failure(std::move(claimed).error());
        claim = std::move(*claimed);
    } else {
        record_.going = true;
        if (auto saved = file_.save(record_); !saved) log::error("{}", saved.error().what);
        on_reactor([&] {
            queue_->set_intake(Intake::refuse);
            if (how.fail_held) how.fail_held();
        });
        if (auto idle = wait_for_tree(how.limit); !idle) return idle;
    }
    if (auto gone = take_disk_away(how.force, std::move(claim)); !gone) return gone;
    node_.withdraw();
    serving_ = false;
    if (auto removed = file_.remove(); !removed) return removed;
    log::info("volume {}: {} removed", options_.name, node_.path());
    return {};
}

// udev and its like look at a disk for a moment: that is no use to refuse for.
Result<void> Device::wait_until_unused() {
    const auto end = std::chrono::steady_clock::now() + kGlanceLimit;
    for (;;) {
        std::string who = node_.keeper();
        if (!who.empty()) return fail(node_.path() + " " + who, EBUSY);
        who = node_.opener();
        if (who.empty()) return {};
        if (std::chrono::steady_clock::now() >= end) return fail(node_.path() + " " + who, EBUSY);
        std::this_thread::sleep_for(10ms);
    }
}

// From here on nothing is held, and the reactor goes on answering.
Result<void> Device::take_disk_away(bool force, UniqueFd claim) {
    const bool safely = !force && control_.kernel().stops_safely();
    if (safely) claim.reset();  // the kernel counts openers, us too
    auto stopped = safely ? control_.stop_if_closed(record_.number) : control_.stop(record_.number);
    if (!stopped && stopped.error().code == EBUSY) return fail(node_.path() + " is open", EBUSY);
    if (!stopped) return stopped;
    claim.reset();
    if (!wait_for(kDrainLimit, [this] { return queue_->drained(); }))
        return fail("the driver does not give back the tags of " + node_.path());
    close_queue();
    const auto gone = control_.remove(record_.number);
    if (!gone) return Failure(gone.error());
    if (!*gone)
        log::warn("{} is still open or mounted: its number stays taken until that ends", node_.path());
    return {};
}

Result<void> Device::wait_for_tree(Duration limit) {
    if (wait_for(limit, [this] { return queue_->held() == 0; })) return {};
    const DeviceStatus now = status();
    const auto tenths = static_cast<int>(seconds(now.oldest_held) * 10);
    return fail(node_.path() + " has " + std::to_string(now.held) + " requests that wait, the oldest for " +
                    std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s",
                EBUSY);
}

Result<void> Device::leave(Duration limit) {
    WEFT_CHECK(serving_);
    serving_ = false;
    if (control_.kernel().recovery_restartable() && control_.quiesce(record_.number, limit)) {
        if (wait_for(limit, [this] { return queue_->drained(); })) {
            close_queue();
            return {};
        }
    }
    on_reactor([this] { queue_->set_intake(Intake::park); });
    auto idle = wait_for_tree(limit);
    abandon_queue();
    return idle;
}

// --- common ---

DeviceStatus Device::status() {
    DeviceStatus status;
    on_reactor([&] { status = status_here(); });
    return status;
}

DeviceStatus Device::status_here() const {
    DeviceStatus status;
    status.number = record_.number;
    status.recovered = recovered_;
    if (!queue_) return status;
    status.intake = queue_->intake();
    status.shape = queue_->shape();
    status.held = queue_->held();
    status.oldest_held = queue_->oldest_held();
    status.memory_bytes = queue_->shape().memory_bytes();
    status.counters = queue_->counters();
    return status;
}

void Device::close_queue() {
    on_reactor([this] {
        queue_.reset();
        if (channel_) channel_->disconnect();
    });
    channel_.reset();
}

// The driver keeps the tags and their buffers until the process has gone: so must we. What still arrives is
// kept.
void Device::abandon_queue() {
    on_reactor([this] { queue_->set_intake(Intake::park); });
    static auto* const kept = new std::vector<std::pair<std::unique_ptr<Channel>, std::unique_ptr<Queue>>>;
    kept->emplace_back(std::move(channel_), std::move(queue_));
}

void Device::on_reactor(const std::function<void()>& call) {
    if (seat_.executor.is_current()) {
        call();
        return;
    }
    auto done = std::make_shared<std::promise<void>>();
    auto finished = done->get_future();
    seat_.executor.post([&call, done] {
        call();
        done->set_value();
    });
    finished.wait();
}

bool Device::wait_for(Duration limit, const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        bool met = false;
        on_reactor([&] { met = condition(); });
        if (met || std::chrono::steady_clock::now() >= end) return met;
        std::this_thread::sleep_for(1ms);
    }
}

}  // namespace weft::ublk
