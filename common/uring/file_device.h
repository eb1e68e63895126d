// SPDX-License-Identifier: Apache-2.0
// A volume in a regular file or on a block device, through a reactor's ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/block/block_device.h"
#include "common/core/result.h"
#include "common/uring/file_store.h"
#include "common/uring/ring.h"

namespace weft::uring {

struct FileCounters {  // the owner's thread only
    std::uint64_t errors = 0;
    std::uint64_t continued = 0;  // reads and writes that the kernel did in more than one piece
    std::uint64_t buffered =
        0;  // done through the page cache though the file is open for direct I/O: misaligned
};

// One reactor's handle on a FileStore. Owner: the reactor's tree. Thread: the executor's, which is the
// ring's. REQUIRES: ring and store outlive it.
//
// Errors: a file shorter than it was: medium_error; no space left: no_space; a failed flush: io_error, on
// this and every later flush of the store. A write that is durable on completion (fua, or no write cache) is
// RWF_DSYNC.
class FileDevice final : public block::BlockDevice {
  public:
    [[nodiscard]] static Result<std::unique_ptr<FileDevice>> create(Executor& executor, Ring& ring,
                                                                    FileStore& store);
    ~FileDevice() override;

    [[nodiscard]] const block::Geometry& geometry() const override { return store_.geometry(); }
    [[nodiscard]] std::size_t scratch_bytes() const override;
    [[nodiscard]] const FileCounters& counters() const { return counters_; }

  private:
    struct Pending;
    enum class Stage : std::uint8_t { moving, zeroing, syncing };

    FileDevice(Executor& executor, Ring& ring, FileStore& store, UniqueFd direct, UniqueFd plain);
    void do_submit(block::IoRequest& io) override;
    void start(Pending& pending);
    void start_moving(Pending& pending);
    void start_zeroing(Pending& pending);
    [[nodiscard]] bool durable(const block::IoRequest& io) const;
    void on_completed(Pending& pending, std::int32_t result);
    void on_moved(Pending& pending, std::uint32_t bytes);
    void on_written(Pending& pending, bool sync);
    void on_failed(Pending& pending, int error);
    void finish(Pending& pending, block::IoStatus status);

    Ring& ring_;
    FileStore& store_;
    UniqueFd direct_fd_;  // none if the store has no direct I/O
    UniqueFd plain_fd_;
    File direct_;
    File plain_;
    FileCounters counters_;
};

}  // namespace weft::uring
