// SPDX-License-Identifier: Apache-2.0
#include "tests/perf/allocation_counter.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WEFT_SANITIZED 1
#endif
#endif

namespace {

thread_local bool counting = false;
std::atomic<std::uint64_t> counted{0};

#ifndef WEFT_SANITIZED
void count() {
    if (counting) counted.fetch_add(1, std::memory_order_relaxed);
}
#endif

}  // namespace

#ifndef WEFT_SANITIZED
// operator new ends up here too.
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    count();
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
    count();
    return __libc_calloc(number, size);
}
void* realloc(void* memory, std::size_t size) {
    count();
    return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    count();
    return __libc_memalign(alignment, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
    count();
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    count();
    *memory = __libc_memalign(alignment, size);
    return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"
#endif

namespace weft::test {

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
