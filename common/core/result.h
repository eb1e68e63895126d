// SPDX-License-Identifier: Apache-2.0
// Control-path errors. Data-path errors are block::IoStatus. Nothing throws after start-up.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace weft {

// What went wrong, as one sentence for a person, with the errno where there was one (else 0).
struct Error {
    std::string what;
    int code = 0;
};

template <class T>
using Result = tl::expected<T, Error>;
using Failure = tl::unexpected<Error>;

[[nodiscard]] inline Failure fail(std::string what, int code = 0) {
    return Failure(Error{std::move(what), code});
}

// "WHAT: strerror(code)".
[[nodiscard]] Failure fail_errno(std::string what, int code);

}  // namespace weft
