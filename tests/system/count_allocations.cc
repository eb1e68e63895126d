// SPDX-License-Identifier: Apache-2.0
// Preloaded into a daemon, it counts every allocation of the whole process, its libraries included (glibc).
// The count is the first 8 bytes, in the machine's order, of the file that WEFT_ALLOCATIONS names.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

std::atomic<std::uint64_t> before_main{0};
std::atomic<std::uint64_t>* counted = &before_main;

void count() { counted->fetch_add(1, std::memory_order_relaxed); }

__attribute__((constructor)) void show() {
    const char* path = std::getenv("WEFT_ALLOCATIONS");
    if (path == nullptr) return;
    const int fd = ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ::ftruncate(fd, sizeof(*counted)) != 0) std::abort();
    void* memory = ::mmap(nullptr, sizeof(*counted), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) std::abort();
    ::close(fd);
    counted = static_cast<std::atomic<std::uint64_t>*>(memory);
}

}  // namespace

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
