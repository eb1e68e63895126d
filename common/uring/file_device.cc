// SPDX-License-Identifier: Apache-2.0
#include "common/uring/file_device.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include "common/core/log.h"

namespace weft::uring {

using block::IoOp;
using block::IoRequest;
using block::IoStatus;

namespace {

// EAGAIN and EINTR are not the medium's: tried again this often.
constexpr std::uint8_t kTriesMax = 100;

bool no_space(int error) { return block::from_errno(error) == IoStatus::no_space; }

}  // namespace

// A request's state, in its scratch.
//     moving -> moving (the rest of a short transfer) -> finished
//     moving, zeroing -> syncing, where what RWF_DSYNC has not made durable must be
//     zeroing -> finished
//     syncing -> finished
struct FileDevice::Pending final : Operation {
    Pending(FileDevice& of, IoRequest& request, Stage first) : device(of), io(request), stage(first) {}
    void complete(std::int32_t result, std::uint32_t) override { device.on_completed(*this, result); }

    FileDevice& device;
    IoRequest& io;
    std::uint32_t moved = 0;  // bytes
    Stage stage;
    std::uint8_t tries = 0;
    bool punching = false;  // zeroing, by a hole
    bool buffered = false;  // some of it went through the page cache
};

Result<std::unique_ptr<FileDevice>> FileDevice::create(Executor& executor, Ring& ring, FileStore& store) {
    UniqueFd direct;
    if (store.direct()) {
        auto opened = store.reopen(true);
        if (!opened) return Failure(std::move(opened.error()));
        direct = std::move(*opened);
    }
    auto plain = store.reopen(false);
    if (!plain) return Failure(std::move(plain.error()));
    return std::unique_ptr<FileDevice>(
        new FileDevice(executor, ring, store, std::move(direct), std::move(*plain)));
}

FileDevice::FileDevice(Executor& executor, Ring& ring, FileStore& store, UniqueFd direct, UniqueFd plain)
    : BlockDevice(executor),
      ring_(ring),
      store_(store),
      direct_fd_(std::move(direct)),
      plain_fd_(std::move(plain)) {
    if (direct_fd_) direct_ = ring_.add_file(direct_fd_.get());
    plain_ = ring_.add_file(plain_fd_.get());
}

FileDevice::~FileDevice() {
    if (direct_fd_) ring_.remove_file(direct_);
    ring_.remove_file(plain_);
}

std::size_t FileDevice::scratch_bytes() const { return (sizeof(Pending) + 15) / 16 * 16; }

bool FileDevice::durable(const IoRequest& io) const { return io.fua || store_.write_through(); }

void FileDevice::do_submit(IoRequest& io) {
    Stage stage = Stage::moving;
    switch (io.op) {
        case IoOp::read:
        case IoOp::write: break;
        case IoOp::flush:
            if (store_.sync_failed()) {
                complete(io, IoStatus::io_error);
                return;
            }
            stage = Stage::syncing;
            break;
        case IoOp::discard:
            if (geometry().discard_granularity == 0) {
                complete(io, IoStatus::not_supported);
                return;
            }
            stage = Stage::zeroing;
            break;
        case IoOp::write_zeroes:
            if (!geometry().write_zeroes) {
                complete(io, IoStatus::not_supported);
                return;
            }
            stage = Stage::zeroing;
            break;
    }
    start(*::new (io.scratch) Pending(*this, io, stage));
}

void FileDevice::start(Pending& pending) {
    switch (pending.stage) {
        case Stage::moving: start_moving(pending); break;
        case Stage::zeroing: start_zeroing(pending); break;
        case Stage::syncing: ring_.fsync(pending, direct_fd_ ? direct_ : plain_, /*data_only=*/true); break;
    }
}

void FileDevice::start_moving(Pending& pending) {
    const IoRequest& io = pending.io;
    const Segment rest{io.data.base + pending.moved, io.data.length - pending.moved, io.data.region};
    const std::uint64_t offset = io.lba * geometry().block_size + pending.moved;
    const bool direct = store_.fits_direct(rest.base, offset, rest.length);
    if (!direct && store_.direct()) ++counters_.buffered;
    pending.buffered = pending.buffered || !direct;
    const File& file = direct ? direct_ : plain_;
    if (io.op == IoOp::read)
        ring_.read(pending, file, rest, offset);
    else
        ring_.write(pending, file, rest, offset, direct && durable(io) ? RWF_DSYNC : 0);
}

void FileDevice::start_zeroing(Pending& pending) {
    const IoRequest& io = pending.io;
    pending.punching = store_.can_punch() && (io.op == IoOp::discard || io.may_unmap);
    const int mode = (pending.punching ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) | FALLOC_FL_KEEP_SIZE;
    ring_.fallocate(pending, plain_, mode, io.lba * geometry().block_size, io.blocks * geometry().block_size);
}

void FileDevice::on_completed(Pending& pending, std::int32_t result) {
    if ((result == -EAGAIN || result == -EINTR) && pending.tries < kTriesMax) {
        ++pending.tries;
        start(pending);
        return;
    }
    if (result == -EOPNOTSUPP && pending.punching) {
        store_.on_punch_refused();  // seen with loop devices; zeros are promised for discards too
        start(pending);
        return;
    }
    if (result < 0) {
        on_failed(pending, -result);
        return;
    }
    switch (pending.stage) {
        case Stage::moving: on_moved(pending, static_cast<std::uint32_t>(result)); break;
        case Stage::zeroing: on_written(pending, durable(pending.io)); break;
        case Stage::syncing: finish(pending, store_.sync_failed() ? IoStatus::io_error : IoStatus::ok); break;
    }
}

void FileDevice::on_moved(Pending& pending, std::uint32_t bytes) {
    const IoRequest& io = pending.io;
    WEFT_CHECK(bytes <= io.data.length - pending.moved);
    pending.moved += bytes;
    if (pending.moved == io.data.length) {
        on_written(pending, io.op == IoOp::write && durable(io) && pending.buffered);
        return;
    }
    if (bytes > 0) {
        ++counters_.continued;
        start_moving(pending);
        return;
    }
    if (counters_.errors++ == 0) {
        log::error("{}: nothing {} at byte {}: is it shorter than it was?", store_.path(),
                   io.op == IoOp::read ? "to read" : "written",
                   io.lba * geometry().block_size + pending.moved);
    }
    finish(pending, io.op == IoOp::read ? IoStatus::medium_error : IoStatus::io_error);
}

// `sync`: it must be durable and is not yet. Apart from the write, so that an error tells which of the two
// failed: only a failed flush may have lost what other requests wrote.
void FileDevice::on_written(Pending& pending, bool sync) {
    if (!sync) {
        finish(pending, IoStatus::ok);
        return;
    }
    pending.punching = false;
    pending.stage = Stage::syncing;
    start(pending);
}

void FileDevice::on_failed(Pending& pending, int error) {
    const IoRequest& io = pending.io;
    if (counters_.errors++ == 0) {
        log::error("{}: an operation failed at byte {}: {}", store_.path(), io.lba * geometry().block_size,
                   std::strerror(error));
    }
    // A direct durable write ends with a flush, which may have been the one to be told that earlier writes
    // were lost; not if there was no space, it has not come that far then. Without a cache there are no
    // earlier ones.
    const bool flushed = pending.stage == Stage::syncing ||
                         (pending.stage == Stage::moving && io.op == IoOp::write && io.fua &&
                          !pending.buffered && !store_.write_through() && !no_space(error));
    if (flushed && !store_.sync_failed()) {
        log::error(
            "{}: a flush failed ({}): writes since the last good one may be lost; every flush fails "
            "until the volume is opened anew",
            store_.path(), std::strerror(error));
        store_.on_sync_failed();
    }
    IoStatus status = block::from_errno(error);
    // Not even a file system that cannot flush may say not_supported: Linux takes that for success.
    if (pending.stage == Stage::syncing) status = IoStatus::io_error;
    finish(pending, status);
}

void FileDevice::finish(Pending& pending, IoStatus status) {
    IoRequest& io = pending.io;
    std::destroy_at(&pending);
    complete(io, status);
}

}  // namespace weft::uring
