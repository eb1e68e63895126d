// SPDX-License-Identifier: Apache-2.0
// Checks of our own invariants. They stay on in every build; peer input is never checked with
// them (architecture.md, invariant 5: a peer cannot abort the process).
#pragma once

namespace weft {

// Prints the reason with a backtrace to stderr and aborts. Any thread.
[[noreturn]] void fatal(const char* file, int line, const char* what) noexcept;

}  // namespace weft

#define WEFT_CHECK(condition)                                        \
    do {                                                             \
        if (!(condition)) [[unlikely]]                               \
            ::weft::fatal(__FILE__, __LINE__, "check: " #condition); \
    } while (false)

#define WEFT_UNREACHABLE(what) ::weft::fatal(__FILE__, __LINE__, what)
