// SPDX-License-Identifier: Apache-2.0
// Counts the allocations of threads that ask for it. Replaces malloc and its kin in the whole program
// (glibc).
#pragma once

#include <cstdint>

namespace weft::test {

// False where something else has replaced malloc already, as the sanitizers do.
[[nodiscard]] bool can_count_allocations();
// Starts or stops counting those of the calling thread.
void count_allocations(bool on);
[[nodiscard]] std::uint64_t allocations();  // counted so far, of all threads

}  // namespace weft::test
