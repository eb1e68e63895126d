// SPDX-License-Identifier: Apache-2.0
#include "common/uring/command_ring.h"

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "common/core/check.h"

namespace weft::uring {

namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr Duration kCancelGrace = 1s;  // a cancelled command that can be cancelled ends sooner
constexpr std::size_t kEntryBytes = 128;
constexpr std::size_t kPayloadAt = offsetof(io_uring_sqe, addr3);
constexpr std::size_t kPayloadMax = kEntryBytes - kPayloadAt;
static_assert(kPayloadMax == 80);

// Waits for the completion of `sequence`, dropping those of commands that were given up earlier.
// Nothing if `deadline` passes first.
Result<std::optional<int>> wait_for(io_uring& ring, std::uint64_t sequence,
                                    std::optional<SteadyClock::time_point> deadline) {
    for (;;) {
        __kernel_timespec time{};
        if (deadline) {
            const Duration left = std::max<Duration>(*deadline - SteadyClock::now(), Duration::zero());
            time.tv_sec = left / 1s;
            time.tv_nsec = (left % 1s).count();
        }
        io_uring_cqe* entry = nullptr;
        const int done = ::io_uring_wait_cqe_timeout(&ring, &entry, deadline ? &time : nullptr);
        if (done == -ETIME) return std::optional<int>();
        if (done == -EINTR || done == -EAGAIN) continue;
        if (done < 0) return fail_errno("waiting for an io_uring command", -done);
        const bool ours = entry->user_data == sequence;
        const int result = entry->res;
        ::io_uring_cqe_seen(&ring, entry);
        if (ours) return std::optional<int>(result);
    }
}

}  // namespace

void CommandRing::Closer::operator()(::io_uring* ring) const {
    ::io_uring_queue_exit(ring);
    delete ring;
}

CommandRing::CommandRing(std::unique_ptr<::io_uring, Closer> ring) : ring_(std::move(ring)) {}
CommandRing::CommandRing(CommandRing&&) noexcept = default;
CommandRing& CommandRing::operator=(CommandRing&&) noexcept = default;
CommandRing::~CommandRing() = default;

Result<CommandRing> CommandRing::create() {
    auto ring = std::make_unique<::io_uring>();
    const int done = ::io_uring_queue_init(8, ring.get(), IORING_SETUP_SQE128);
    if (done < 0) return fail_errno("cannot create an io_uring with 128-byte entries", -done);
    return CommandRing(std::unique_ptr<::io_uring, Closer>(ring.release()));
}

Result<int> CommandRing::run(int fd, std::uint32_t cmd_op, std::span<const std::byte> payload,
                             std::optional<Duration> timeout) {
    WEFT_CHECK(payload.size() <= kPayloadMax);
    io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
    WEFT_CHECK(entry != nullptr);
    auto* bytes = reinterpret_cast<std::byte*>(entry);
    std::fill_n(bytes, kEntryBytes, std::byte{0});
    entry->opcode = IORING_OP_URING_CMD;
    entry->fd = fd;
    entry->cmd_op = cmd_op;
    entry->user_data = ++sequence_;
    std::copy(payload.begin(), payload.end(), bytes + kPayloadAt);
    int submitted = ::io_uring_submit(ring_.get());
    while (submitted == -EINTR) submitted = ::io_uring_submit(ring_.get());
    WEFT_CHECK(submitted == 1);

    std::optional<SteadyClock::time_point> deadline;
    if (timeout) deadline = SteadyClock::now() + *timeout;
    auto result = wait_for(*ring_, sequence_, deadline);
    if (result && !*result) {
        entry = ::io_uring_get_sqe(ring_.get());
        WEFT_CHECK(entry != nullptr);
        std::fill_n(reinterpret_cast<std::byte*>(entry), kEntryBytes, std::byte{0});
        entry->opcode = IORING_OP_ASYNC_CANCEL;
        entry->fd = -1;
        entry->addr = sequence_;
        ::io_uring_submit(ring_.get());
        result = wait_for(*ring_, sequence_, SteadyClock::now() + kCancelGrace);
        if (result && (!*result || **result == -ECANCELED || **result == -EINTR))
            return fail_errno("io_uring command", ETIMEDOUT);
    }
    if (!result) return Failure(std::move(result.error()));
    if (**result < 0) return fail_errno("io_uring command", -**result);
    return **result;
}

}  // namespace weft::uring
