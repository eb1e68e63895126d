// SPDX-License-Identifier: Apache-2.0
#include "common/core/result.h"

#include <system_error>

namespace weft {

Failure fail_errno(std::string what, int code) {
    what += ": ";
    what += std::generic_category().message(code);
    return fail(std::move(what), code);
}

}  // namespace weft
