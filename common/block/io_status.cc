// SPDX-License-Identifier: Apache-2.0
#include "common/block/io_status.h"

#include <cerrno>

#include "common/core/check.h"

namespace weft::block {

std::string_view to_string(IoStatus status) {
    switch (status) {
        case IoStatus::ok: return "ok";
        case IoStatus::out_of_range: return "out of range";
        case IoStatus::not_supported: return "not supported";
        case IoStatus::read_only: return "read-only";
        case IoStatus::medium_error: return "medium error";
        case IoStatus::no_space: return "no space";
        case IoStatus::io_error: return "I/O error";
        case IoStatus::data_corrupt: return "data corrupt";
        case IoStatus::timed_out: return "timed out";
        case IoStatus::connection_lost: return "connection lost";
        case IoStatus::aborted: return "aborted";
        case IoStatus::reservation_conflict: return "reservation conflict";
    }
    WEFT_UNREACHABLE("IoStatus");
}

int to_errno(IoStatus status) {
    switch (status) {
        case IoStatus::ok: return 0;
        case IoStatus::out_of_range: return EREMOTEIO;
        case IoStatus::not_supported: return EREMOTEIO;
        case IoStatus::read_only: return EREMOTEIO;
        case IoStatus::medium_error: return ENODATA;
        case IoStatus::no_space: return ENOSPC;
        case IoStatus::io_error: return EIO;
        case IoStatus::data_corrupt: return EILSEQ;
        case IoStatus::timed_out: return ETIMEDOUT;
        case IoStatus::connection_lost: return ENOLINK;
        case IoStatus::aborted: return EIO;
        case IoStatus::reservation_conflict: return EBADE;
    }
    WEFT_UNREACHABLE("IoStatus");
}

IoStatus from_errno(int code) {
    switch (code) {
        case 0: return IoStatus::ok;
        case ENOSPC:
        case EDQUOT:
        case EFBIG: return IoStatus::no_space;
        case ENODATA: return IoStatus::medium_error;
        case EILSEQ: return IoStatus::data_corrupt;
        case ETIMEDOUT: return IoStatus::timed_out;
        case ENOLINK: return IoStatus::connection_lost;
        case EROFS: return IoStatus::read_only;
        case EOPNOTSUPP: return IoStatus::not_supported;
        case EBADE: return IoStatus::reservation_conflict;
        default: return IoStatus::io_error;
    }
}

}  // namespace weft::block
