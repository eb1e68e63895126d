// SPDX-License-Identifier: Apache-2.0
// A regular file or block device that holds a volume, opened once per process and locked against others.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "common/block/geometry.h"
#include "common/core/region.h"
#include "common/core/result.h"
#include "common/core/unique_fd.h"

namespace weft::uring {

struct FileOptions {
    std::string path;        // absolute
    std::uint64_t size = 0;  // bytes, a multiple of the block size. 0: what is there. Else: what is there
                             // must be so; a regular file that does not exist is created, sparse
    std::uint32_t block_size = 4096;  // 512 or 4096
    bool read_only = false;
    bool write_cache = true;  // false: every write is durable before it completes, no cache is advertised
};

// What direct I/O asks of a request, in bytes.
struct DirectAlignment {
    std::uint32_t memory = 512;
    std::uint32_t offset = 512;
};

// Owner: the volume. Shared by the devices of all reactors that serve it; REQUIRES: outlives them.
// Thread: opened on a control thread (it blocks); any afterwards.
class FileStore {
  public:
    // Each error says which file, what is wrong and what to do. Refuses a file that another process, or
    // another store of this one, has open: by flock(2) (shared if read-only), a block device by O_EXCL.
    [[nodiscard]] static Result<std::unique_ptr<FileStore>> open(const FileOptions& options);
    FileStore(const FileStore&) = delete;
    FileStore& operator=(const FileStore&) = delete;

    [[nodiscard]] const block::Geometry& geometry() const { return geometry_; }
    [[nodiscard]] const std::string& path() const { return options_.path; }
    [[nodiscard]] bool write_through() const { return !options_.write_cache; }
    [[nodiscard]] bool direct() const { return direct_; }
    // fallocate(2) FALLOC_FL_PUNCH_HOLE. A block device may turn out not to be able to after all.
    [[nodiscard]] bool can_punch() const { return can_punch_.load(std::memory_order_relaxed); }
    void on_punch_refused() { can_punch_.store(false, std::memory_order_relaxed); }
    // Whether direct I/O can be done so.
    [[nodiscard]] bool fits_direct(const std::byte* memory, std::uint64_t offset, std::uint64_t length) const;

    // A further open file of the same: the kernel reports a failed write-back once per open file, so each
    // user that flushes needs its own.
    [[nodiscard]] Result<UniqueFd> reopen(bool direct) const;

    // A flush has failed: what it should have made durable may be lost and the kernel will not say so again.
    // From then on every flush fails, until the file is opened anew. Any thread.
    void on_sync_failed() { sync_failed_.store(true, std::memory_order_release); }
    [[nodiscard]] bool sync_failed() const { return sync_failed_.load(std::memory_order_acquire); }

  private:
    explicit FileStore(const FileOptions& options) : options_(options) {}
    [[nodiscard]] Result<void> open_file();
    [[nodiscard]] Result<void> create_file();
    [[nodiscard]] Result<void> lock();
    [[nodiscard]] Result<void> learn_regular();
    [[nodiscard]] Result<void> learn_block_device();
    [[nodiscard]] Result<void> set_size(std::uint64_t bytes);
    void learn_direct();
    void learn_holes();

    FileOptions options_;
    UniqueFd fd_;  // holds the lock; not used for I/O
    bool created_ = false;
    bool block_device_ = false;
    bool direct_ = false;
    std::atomic<bool> can_punch_{false};
    DirectAlignment alignment_;
    block::Geometry geometry_;
    std::atomic<bool> sync_failed_{false};
};

}  // namespace weft::uring
