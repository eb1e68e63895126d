// SPDX-License-Identifier: Apache-2.0
#include "common/core/check.h"

#include <execinfo.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace weft {

void fatal(const char* file, int line, const char* what) noexcept {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
    std::fflush(stderr);
    std::array<void*, 64> frames{};
    const int depth = ::backtrace(frames.data(), static_cast<int>(frames.size()));
    ::backtrace_symbols_fd(frames.data(), depth, STDERR_FILENO);
    std::abort();
}

}  // namespace weft
