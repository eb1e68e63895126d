// SPDX-License-Identifier: Apache-2.0
#include "tests/perf/allocation_counter.h"

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WEFT_SANITIZED 1
#endif
#endif

#ifndef WEFT_SANITIZED
#include "tests/support/malloc_hooks.h"
#endif

namespace {

thread_local bool counting = false;
std::atomic<std::uint64_t> counted{0};

}  // namespace

namespace weft::test {

#ifndef WEFT_SANITIZED
void on_allocation() {
    if (counting) counted.fetch_add(1, std::memory_order_relaxed);
}
#endif

bool can_count_allocations() {
#ifdef WEFT_SANITIZED
    return false;
#else
    return true;
#endif
}

void count_allocations(bool on) { counting = on; }
std::uint64_t allocations() { return counted.load(std::memory_order_relaxed); }

}  // namespace weft::test
