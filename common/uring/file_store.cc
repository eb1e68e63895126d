// SPDX-License-Identifier: Apache-2.0
#include "common/uring/file_store.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "common/core/check.h"
#include "common/core/log.h"

namespace weft::uring {

namespace {

// Zeroing without the device's help is writing: bound what one request may take.
constexpr std::uint64_t kBlockDeviceZeroMax = std::uint64_t{64} << 20U;

// A number from the request queue of a block device, in sysfs.
std::optional<std::uint64_t> queue_attribute(dev_t device, const std::string& name) {
    const std::string base =
        "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
    for (const char* queue : {"/queue/", "/../queue/"}) {  // of the disk, or of the partition's disk
        std::ifstream file(std::string(base).append(queue).append(name));
        std::uint64_t value = 0;
        if (file >> value) return value;
    }
    return std::nullopt;
}

std::string bytes(std::uint64_t count) { return std::to_string(count) + " bytes"; }

std::uint32_t power_of_two(std::uint64_t value, std::uint32_t least) {
    const std::uint64_t clipped = std::clamp<std::uint64_t>(value, least, 1U << 20U);
    return static_cast<std::uint32_t>(std::bit_floor(clipped));
}

}  // namespace

Result<std::unique_ptr<FileStore>> FileStore::open(const FileOptions& options) {
    WEFT_CHECK(options.block_size == 512 || options.block_size == 4096);
    if (options.size % options.block_size != 0) {
        return fail(options.path + ": size " + bytes(options.size) + " is not a multiple of the block size " +
                    std::to_string(options.block_size));
    }
    std::unique_ptr<FileStore> store(new FileStore(options));
    auto done = store->open_file();
    if (done) done = store->block_device_ ? store->learn_block_device() : store->learn_regular();
    if (!done) {
        if (store->created_) ::unlink(options.path.c_str());
        return Failure(std::move(done.error()));
    }
    store->learn_direct();
    if (!options.read_only) store->learn_holes();
    return store;
}

Result<void> FileStore::open_file() {
    const std::string& path = options_.path;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno != ENOENT) return fail_errno(path, errno);
        if (options_.size == 0) return fail(path + " does not exist: give a size to have it created", ENOENT);
        if (options_.read_only) return fail(path + " does not exist and is to be read-only", ENOENT);
        if (auto made = create_file(); !made) return made;
        return lock();
    }
    block_device_ = S_ISBLK(status.st_mode);
    if (!block_device_ && !S_ISREG(status.st_mode))
        return fail(path + " is neither a regular file nor a block device");
    const int access = options_.read_only ? O_RDONLY : O_RDWR;
    fd_ = UniqueFd(::open(path.c_str(), access | O_CLOEXEC | (block_device_ ? O_EXCL : 0)));
    if (!fd_) {
        if (errno == EBUSY) return fail(path + " is in use: mounted, or opened by another program", EBUSY);
        if (errno == EROFS) return fail(path + " can only be read: say read_only: true", EROFS);
        return fail_errno("cannot open " + path, errno);
    }
    return block_device_ ? Result<void>() : lock();
}

// The name is made durable with the file: a volume must not vanish with the first crash after its writes.
Result<void> FileStore::create_file() {
    const std::string& path = options_.path;
    fd_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd_ && errno == ENOENT) return fail("cannot create " + path + ": make its directory first", ENOENT);
    if (!fd_) return fail_errno("cannot create " + path, errno);
    created_ = true;
    const std::size_t slash = path.rfind('/');
    const std::string directory =
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    const UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent || ::fsync(parent.get()) != 0) return fail_errno("cannot make " + path + " durable", errno);
    return {};
}

Result<void> FileStore::lock() {
    if (::flock(fd_.get(), (options_.read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK) {
        created_ = false;  // somebody else has taken it over
        return fail(options_.path + " is in use by another volume or process", EBUSY);
    }
    return fail_errno("cannot lock " + options_.path, errno);
}

Result<void> FileStore::learn_regular() {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return fail_errno(options_.path, errno);
    auto size = static_cast<std::uint64_t>(status.st_size);
    // An empty file is one that a crash has left between its creation and this.
    if (size == 0 && options_.size > 0 && !options_.read_only) {
        if (::ftruncate(fd_.get(), static_cast<off_t>(options_.size)) != 0 || ::fsync(fd_.get()) != 0)
            return fail_errno("cannot make " + options_.path + " " + bytes(options_.size) + " long", errno);
        size = options_.size;
    }
    if (auto done = set_size(size); !done) return done;
    geometry_.physical_block_size =
        power_of_two(static_cast<std::uint64_t>(status.st_blksize), options_.block_size);
    geometry_.rotational = queue_attribute(status.st_dev, "rotational").value_or(0) != 0;
    return {};
}

Result<void> FileStore::learn_block_device() {
    struct stat status {};
    std::uint64_t size = 0;
    int logical = 0;
    unsigned physical = 0;
    unsigned optimal = 0;
    if (::fstat(fd_.get(), &status) != 0 || ::ioctl(fd_.get(), BLKGETSIZE64, &size) != 0 ||
        ::ioctl(fd_.get(), BLKSSZGET, &logical) != 0 || ::ioctl(fd_.get(), BLKPBSZGET, &physical) != 0 ||
        ::ioctl(fd_.get(), BLKIOOPT, &optimal) != 0)
        return fail_errno("cannot ask " + options_.path + " for its size", errno);
    if (static_cast<std::uint32_t>(logical) > options_.block_size) {
        return fail(options_.path + " has blocks of " + bytes(static_cast<std::uint64_t>(logical)) +
                    ": say block_size: " + std::to_string(logical));
    }
    if (auto done = set_size(size); !done) return done;
    geometry_.physical_block_size = power_of_two(physical, options_.block_size);
    geometry_.optimal_blocks = optimal / options_.block_size;
    geometry_.rotational = queue_attribute(status.st_rdev, "rotational").value_or(0) != 0;
    geometry_.zero_blocks_max = kBlockDeviceZeroMax / options_.block_size;
    geometry_.discard_blocks_max = geometry_.zero_blocks_max;
    const bool unmaps = queue_attribute(status.st_rdev, "discard_max_bytes").value_or(0) > 0;
    const bool zeroes = queue_attribute(status.st_rdev, "write_zeroes_max_bytes").value_or(0) > 0;
    geometry_.write_zeroes = !options_.read_only;  // the kernel writes zeros if the device cannot make them
    can_punch_ = unmaps && zeroes;
    const auto granularity = queue_attribute(status.st_rdev, "discard_granularity").value_or(0);
    if (can_punch_ && !options_.read_only) {
        geometry_.discard_granularity =
            static_cast<std::uint32_t>(std::max<std::uint64_t>(granularity / options_.block_size, 1));
    }
    return {};
}

Result<void> FileStore::set_size(std::uint64_t size) {
    if (options_.size != 0 && size != options_.size) {
        return fail(options_.path + " has " + bytes(size) + ", not the " + bytes(options_.size) +
                    " asked for: correct the size, or leave it out to use what is there");
    }
    if (size == 0) return fail(options_.path + " is empty: give a size to have it made that long");
    if (size % options_.block_size != 0) {
        return fail(options_.path + " has " + bytes(size) + ", not a multiple of the block size " +
                    std::to_string(options_.block_size) + ": resize it, or say another block_size");
    }
    geometry_.block_size = options_.block_size;
    geometry_.blocks = size / options_.block_size;
    geometry_.read_only = options_.read_only;
    geometry_.volatile_cache = options_.write_cache && !options_.read_only;
    return {};
}

// By what the file system says of itself (Linux 6.1) and, where it says nothing, by a trial.
void FileStore::learn_direct() {
    const char* why = nullptr;
    const auto opened = reopen(true);
    struct statx status {};
#ifdef STATX_DIOALIGN
    const bool asked = ::statx(fd_.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
                       (status.stx_mask & STATX_DIOALIGN) != 0;
#else
    const bool asked = false;
#endif
    if (!opened) {
        why = "no direct I/O here";
    } else if (asked) {
#ifdef STATX_DIOALIGN
        alignment_ = {std::max(status.stx_dio_mem_align, 1U), std::max(status.stx_dio_offset_align, 1U)};
        if (status.stx_dio_offset_align == 0) why = "no direct I/O here";
#endif
    } else {
        void* memory = std::aligned_alloc(4096, 4096);
        WEFT_CHECK(memory != nullptr);
        if (::pread(opened->get(), memory, options_.block_size, 0) < 0 && errno == EINVAL)
            why = "its file system takes no direct I/O in blocks of this size";
        std::free(memory);
    }
    if (why == nullptr && alignment_.offset > options_.block_size)
        why = "its file system takes direct I/O in larger blocks only";
    direct_ = why == nullptr;
    if (!direct_) log::warn("{}: {}: going through the page cache", options_.path, why);
}

void FileStore::learn_holes() {
    if (!block_device_) {
        struct stat status {};
        if (::fstat(fd_.get(), &status) != 0) return;
        // Tried behind the end of the file, where there is nothing to lose.
        const auto tried = [&](int mode) {
            return ::fallocate(fd_.get(), mode | FALLOC_FL_KEEP_SIZE, status.st_size, status.st_blksize) == 0;
        };
        geometry_.write_zeroes = tried(FALLOC_FL_ZERO_RANGE);
        can_punch_ = tried(FALLOC_FL_PUNCH_HOLE);
        if (::ftruncate(fd_.get(), status.st_size) != 0)  // gives back what the trial has reserved
            log::warn("{}: blocks behind its end stay reserved", options_.path);
        if (can_punch_) {
            geometry_.discard_granularity = static_cast<std::uint32_t>(std::max<std::uint64_t>(
                static_cast<std::uint64_t>(status.st_blksize) / options_.block_size, 1));
        }
    }
    geometry_.discard_zeroes = can_punch_;
    if (!can_punch_) log::info("{}: no discard here", options_.path);
    if (!geometry_.write_zeroes) log::info("{}: no writing of zeros without data here", options_.path);
}

bool FileStore::fits_direct(const std::byte* memory, std::uint64_t offset, std::uint64_t length) const {
    return direct_ && reinterpret_cast<std::uintptr_t>(memory) % alignment_.memory == 0 &&
           offset % alignment_.offset == 0 && length % alignment_.offset == 0;
}

Result<UniqueFd> FileStore::reopen(bool direct) const {
    const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
    const int access = options_.read_only ? O_RDONLY : O_RDWR;
    UniqueFd opened(::open(path.c_str(), access | O_CLOEXEC | (direct ? O_DIRECT : 0)));
    if (!opened) return fail_errno("cannot open " + options_.path + " once more", errno);
    return opened;
}

}  // namespace weft::uring
