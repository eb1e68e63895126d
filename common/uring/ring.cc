// SPDX-License-Identifier: Apache-2.0
#include "common/uring/ring.h"

#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "common/core/log.h"

namespace weft::uring {

namespace {

// Newer than the oldest liburing supported (2.3); values are kernel ABI.
constexpr unsigned kFeatNoIowait = 1U << 17U;                   // IORING_FEAT_NO_IOWAIT, Linux 6.15
constexpr unsigned kEnterNoIowait = 1U << 7U;                   // IORING_ENTER_NO_IOWAIT
constexpr std::size_t kFixedBufferMax = std::size_t{1} << 30U;  // the kernel's limit for one buffer

// A submission that the kernel refuses for want of memory is tried this often before it is given up.
constexpr int kSubmitTries = 100000;

// Best first. Without DEFER_TASKRUN completions run whenever the thread enters the kernel; without
// COOP_TASKRUN each one interrupts it.
struct Flavour {
    unsigned flags;
    const char* without;
};
constexpr Flavour kFlavours[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
         IORING_SETUP_TASKRUN_FLAG,
     nullptr},
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, nullptr},
    {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, "deferred task work"},
    {0, "cooperative task work"},
};

// io_uring_enable_rings() is declared but not exported by liburing 2.3.
bool enable_rings(int fd) {
    return ::syscall(__NR_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) == 0;
}

std::uint64_t to_user_data(Operation* operation) { return reinterpret_cast<std::uintptr_t>(operation); }

}  // namespace

// One watched descriptor. A one-shot poll queued anew after each event: the kernel looks at the descriptor's
// state when it takes the poll, so what on_readable() left unread is reported again.
class Ring::Descriptor final : public Operation {
  public:
    Descriptor(Ring& ring, int fd, Watch& watch) : ring_(ring), file_{.fd = fd}, watch_(&watch) {}

    [[nodiscard]] bool watches(int fd) const { return watch_ != nullptr && file_.fd == fd; }

    void queue() {
        if (queued_ || watch_ == nullptr) return;
        ring_.next(IORING_OP_POLL_ADD, this, file_).poll32_events = POLLIN;
        queued_ = true;
    }

    void ignore() {
        watch_ = nullptr;
        if (calling_) return;  // complete() sees it
        if (!queued_)
            ring_.forget(*this);
        else if (ring_.attached_)
            ring_.cancel(*this);
    }

    void complete(std::int32_t result, std::uint32_t) override {
        queued_ = false;
        if (watch_ != nullptr) {
            WEFT_CHECK(result >= 0);
            calling_ = true;
            watch_->on_readable();
            calling_ = false;
        }
        if (watch_ != nullptr)
            queue();
        else
            ring_.forget(*this);
    }

  private:
    Ring& ring_;
    File file_;
    Watch* watch_;  // null: ignored; lives until its poll has completed
    bool queued_ = false;
    bool calling_ = false;
};

Result<std::unique_ptr<Ring>> Ring::create(unsigned entries, RegionDirectory* regions) {
    std::unique_ptr<Ring> ring(new Ring(regions));
    if (auto opened = ring->open(entries); !opened) return Failure(std::move(opened.error()));
    if (regions != nullptr) regions->observe(*ring);
    return ring;
}

Ring::Ring(RegionDirectory* regions) : regions_(regions) {}

Ring::~Ring() {
    if (ring_ == nullptr) return;
    if (regions_ != nullptr) regions_->ignore(*this);
    ::io_uring_queue_exit(ring_.get());
}

Result<void> Ring::open(unsigned entries) {
    WEFT_CHECK(entries >= 1 && entries <= 32768);
    auto ring = std::make_unique<::io_uring>();
    io_uring_params params{};
    int error = EINVAL;
    for (const Flavour& flavour : kFlavours) {
        params = {};
        // Disabled at first: the ring belongs to the thread that enables it, not to the one that makes it.
        params.flags = flavour.flags | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
                       IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        params.cq_entries = std::max(4 * entries, 4096U);
        error = -::io_uring_queue_init_params(entries, ring.get(), &params);
        if (error == 0 && flavour.without != nullptr)
            log::warn("this kernel's io_uring lacks {}: more CPU per I/O", flavour.without);
        if (error != EINVAL) break;
    }
    if (error == EPERM)
        return fail("io_uring is forbidden here: allow it with sysctl kernel.io_uring_disabled=0", error);
    if (error == ENOMEM) return fail_errno("no memory for an io_uring: raise LimitMEMLOCK", error);
    if (error != 0) return fail_errno("cannot create an io_uring", error);
    ring_ = std::move(ring);
    if ((params.features & (IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP)) !=
        (IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP)) {
        ::io_uring_queue_exit(ring_.get());
        ring_.reset();
        return fail("this kernel's io_uring is too old: Linux 6.1 or later is needed", ENOSYS);
    }
    no_iowait_ = (params.features & kFeatNoIowait) != 0;
    buffer_table_ = ::io_uring_register_buffers_sparse(ring_.get(), kRegionsMax) == 0;
    file_table_ = ::io_uring_register_files_sparse(ring_.get(), kFilesMax) == 0;
    if (!buffer_table_) log::warn("io_uring: no table of registered buffers; every I/O pins its own");
    if (!file_table_) log::warn("io_uring: no table of registered files; is the limit of open files < 1024?");
    return {};
}

void Ring::on_region_added(const Region& region) {
    if (!buffer_table_ || region.length > kFixedBufferMax) return;
    iovec vector{region.base, region.length};
    __u64 tag = 0;
    const auto index = static_cast<unsigned>(region.id);
    const int done = ::io_uring_register_buffers_update_tag(ring_.get(), index, &vector, &tag, 1);
    fixed_[index] = done == 1;
    if (done != 1) {
        log::warn("io_uring cannot register {} bytes ({}): I/O there pins its own pages; raise LimitMEMLOCK",
                  region.length, std::strerror(-done));
    }
}

void Ring::on_region_removed(RegionId id) {
    const auto index = static_cast<unsigned>(id);
    if (!fixed_[index]) return;
    fixed_[index] = false;
    if (enabled_ && !attached_) return;  // the owner has gone; the ring lets go of it when it is closed
    iovec vector{nullptr, 0};
    __u64 tag = 0;
    WEFT_CHECK(::io_uring_register_buffers_update_tag(ring_.get(), index, &vector, &tag, 1) == 1);
}

bool Ring::fixed(RegionId region) const {
    const auto index = static_cast<std::size_t>(region);
    return index < fixed_.size() && fixed_[index];
}

File Ring::add_file(int fd) {
    WEFT_CHECK(fd >= 0);
    File file{.fd = fd};
    if (!file_table_ || file_slots_.all()) return file;
    std::size_t slot = 0;
    while (file_slots_[slot]) ++slot;
    if (::io_uring_register_files_update(ring_.get(), static_cast<unsigned>(slot), &fd, 1) != 1) return file;
    file_slots_[slot] = true;
    file.slot = static_cast<int>(slot);
    return file;
}

void Ring::remove_file(File& file) {
    if (file.slot >= 0) {
        file_slots_[static_cast<std::size_t>(file.slot)] = false;
        const int none = -1;
        if (!enabled_ || attached_)
            ::io_uring_register_files_update(ring_.get(), static_cast<unsigned>(file.slot), &none, 1);
    }
    file = File{};
}

io_uring_sqe& Ring::next(unsigned opcode, Operation* operation, const File& file) {
    io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
    if (entry == nullptr) {
        make_room();
        entry = ::io_uring_get_sqe(ring_.get());
        WEFT_CHECK(entry != nullptr);
    }
    std::memset(entry, 0, sizeof *entry);
    entry->opcode = static_cast<std::uint8_t>(opcode);
    entry->user_data = to_user_data(operation);
    if (file.slot >= 0) {
        entry->fd = file.slot;
        entry->flags = IOSQE_FIXED_FILE;
    } else {
        entry->fd = file.fd;
    }
    ++counters_.operations;
    return *entry;
}

// The submission queue is full in the middle of a turn: gives it to the kernel early.
void Ring::make_room() {
    WEFT_CHECK(attached_);  // before that only as many as there are entries
    ++counters_.overfull;
    for (int tries = 0; tries < kSubmitTries; ++tries) {
        ++counters_.enters;
        const int done = ::io_uring_submit(ring_.get());
        if (done > 0) return;
        WEFT_CHECK(done == -EINTR || done == -EAGAIN || done == -EBUSY || done == -ENOMEM || done == 0);
        ::sched_yield();
    }
    WEFT_UNREACHABLE("the kernel takes no io_uring operation any more");
}

void Ring::read(Operation& operation, const File& file, const Segment& to, std::uint64_t offset) {
    const bool known = fixed(to.region);
    io_uring_sqe& entry = next(known ? IORING_OP_READ_FIXED : IORING_OP_READ, &operation, file);
    entry.addr = reinterpret_cast<std::uintptr_t>(to.base);
    entry.len = to.length;
    entry.off = offset;
    if (known) entry.buf_index = static_cast<std::uint16_t>(to.region);
}

void Ring::write(Operation& operation, const File& file, const Segment& from, std::uint64_t offset,
                 int flags) {
    const bool known = fixed(from.region);
    io_uring_sqe& entry = next(known ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE, &operation, file);
    entry.addr = reinterpret_cast<std::uintptr_t>(from.base);
    entry.len = from.length;
    entry.off = offset;
    entry.rw_flags = flags;
    if (known) entry.buf_index = static_cast<std::uint16_t>(from.region);
}

void Ring::fsync(Operation& operation, const File& file, bool data_only) {
    next(IORING_OP_FSYNC, &operation, file).fsync_flags = data_only ? IORING_FSYNC_DATASYNC : 0;
}

void Ring::fallocate(Operation& operation, const File& file, int mode, std::uint64_t offset,
                     std::uint64_t length) {
    io_uring_sqe& entry = next(IORING_OP_FALLOCATE, &operation, file);
    entry.off = offset;
    entry.addr = length;
    entry.len = static_cast<unsigned>(mode);
}

void Ring::command(Operation& operation, const File& file, std::uint32_t cmd_op,
                   std::span<const std::byte> payload) {
    static constexpr std::size_t kPayloadAt = offsetof(io_uring_sqe, addr3);
    static_assert(sizeof(io_uring_sqe) - kPayloadAt == 16);
    WEFT_CHECK(payload.size() <= sizeof(io_uring_sqe) - kPayloadAt);
    io_uring_sqe& entry = next(IORING_OP_URING_CMD, &operation, file);
    entry.cmd_op = cmd_op;
    std::copy(payload.begin(), payload.end(), reinterpret_cast<std::byte*>(&entry) + kPayloadAt);
}

void Ring::cancel(Operation& operation) {
    next(IORING_OP_ASYNC_CANCEL, nullptr, File{}).addr = to_user_data(&operation);
}

bool Ring::kernel_has_work() const {
    const unsigned flags = __atomic_load_n(ring_->sq.kflags, __ATOMIC_RELAXED);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool Ring::poll() {
    if (reap()) return true;
    if (!kernel_has_work()) return false;
    ++counters_.enters;
    ::io_uring_get_events(ring_.get());
    return reap();
}

// Only what is there now, so that a turn ends. An entry is given back before its operation is told, since
// that may fill the queues again.
bool Ring::reap() {
    const unsigned ready = ::io_uring_cq_ready(ring_.get());
    for (unsigned i = 0; i < ready; ++i) {
        const unsigned head = *ring_->cq.khead;
        const io_uring_cqe entry = ring_->cq.cqes[head & ring_->cq.ring_mask];
        ::io_uring_cq_advance(ring_.get(), 1);
        ++counters_.completions;
        if (auto* operation = reinterpret_cast<Operation*>(static_cast<std::uintptr_t>(entry.user_data)))
            operation->complete(entry.res, entry.flags);
    }
    return ready > 0;
}

void Ring::flush() {
    if (::io_uring_sq_ready(ring_.get()) == 0 && !kernel_has_work()) return;
    ++counters_.enters;
    const int done = ::io_uring_submit_and_get_events(ring_.get());
    // What was not taken is still queued: arm() refuses and the next turn tries again.
    WEFT_CHECK(done >= 0 || done == -EINTR || done == -EAGAIN || done == -EBUSY || done == -ENOMEM);
}

bool Ring::arm() {
    return ::io_uring_cq_ready(ring_.get()) == 0 && !kernel_has_work() &&
           ::io_uring_sq_ready(ring_.get()) == 0;
}

void Ring::attach() {
    WEFT_CHECK(!attached_);
    if (!enabled_) WEFT_CHECK(enable_rings(ring_->ring_fd));
    enabled_ = true;
    attached_ = true;
    ring_registered_ = ::io_uring_register_ring_fd(ring_.get()) == 1;  // saves a look-up per system call
    for (const auto& descriptor : descriptors_) descriptor->queue();
}

void Ring::detach() {
    WEFT_CHECK(attached_);
    if (ring_registered_) ::io_uring_unregister_ring_fd(ring_.get());
    ring_registered_ = false;
    attached_ = false;
}

void Ring::sleep(Duration limit) {
    WEFT_CHECK(attached_);
    __kernel_timespec time{};
    io_uring_getevents_arg argument{};
    argument.sigmask_sz = _NSIG / 8;
    if (limit >= Duration::zero()) {
        time.tv_sec = limit / 1s;
        time.tv_nsec = (limit % 1s).count();
        argument.ts = reinterpret_cast<std::uintptr_t>(&time);
    }
    // A thread that waits for work is not waiting for a disk: it should not count as iowait.
    const unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG |
                           (ring_registered_ ? IORING_ENTER_REGISTERED_RING : 0U) |
                           (no_iowait_ ? kEnterNoIowait : 0U);
    ++counters_.enters;
    const int done = ::io_uring_enter2(static_cast<unsigned>(ring_->enter_ring_fd), 0, 1, flags,
                                       reinterpret_cast<sigset_t*>(&argument), sizeof argument);
    // EBADR would mean that the kernel has lost completions: nothing after that could be trusted.
    WEFT_CHECK(done >= 0 || done == -ETIME || done == -EINTR || done == -EAGAIN || done == -EBUSY);
}

void Ring::watch(int fd, Watch& watch) {
    WEFT_CHECK(fd >= 0);
    for (const auto& descriptor : descriptors_) WEFT_CHECK(!descriptor->watches(fd));
    descriptors_.push_back(std::make_unique<Descriptor>(*this, fd, watch));
    if (attached_) descriptors_.back()->queue();
}

void Ring::ignore(int fd) {
    for (const auto& descriptor : descriptors_) {
        if (!descriptor->watches(fd)) continue;
        descriptor->ignore();
        return;
    }
    WEFT_UNREACHABLE("ignoring a descriptor that is not watched");
}

void Ring::forget(Descriptor& descriptor) {
    std::erase_if(descriptors_, [&](const auto& each) { return each.get() == &descriptor; });
}

}  // namespace weft::uring
