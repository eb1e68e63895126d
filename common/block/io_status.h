// SPDX-License-Identifier: Apache-2.0
// How an I/O ended: a closed set, because what a caller may do next differs per value.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::block {

enum class IoStatus : std::uint8_t {
    ok,
    out_of_range,     // beyond the end: our caller's or the peer's mistake; not retryable
    not_supported,    // this device cannot do this operation; not retryable
    read_only,        // a write to a device or for an initiator that may only read
    medium_error,     // the medium cannot give or take these blocks
    no_space,         // thin backing ran out
    io_error,         // any other failure below (EIO)
    data_corrupt,     // a digest did not match; retryable
    timed_out,        // a deadline passed; the operation will not touch the medium any more
    connection_lost,  // every path to the device is gone and its policy is to fail; retryable
    aborted,          // withdrawn by the submitter or by a task management function
    reservation_conflict,
};

[[nodiscard]] std::string_view to_string(IoStatus status);
// What an application sees: 0 or a positive errno (ublk.md 7: the block layer passes these on).
// Flush never yields EOPNOTSUPP, which Linux takes for success (ublk.md 7).
[[nodiscard]] int to_errno(IoStatus status);
// From the positive errno of a system call.
[[nodiscard]] IoStatus from_errno(int code);

}  // namespace weft::block
