// SPDX-License-Identifier: Apache-2.0
// Preloaded into a daemon, it counts every allocation of the whole process, its libraries included (glibc).
// The count is the first 8 bytes, in the machine's order, of the file that WEFT_ALLOCATIONS names.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "tests/support/malloc_hooks.h"

namespace {

std::atomic<std::uint64_t> before_main{0};
std::atomic<std::uint64_t>* counted = &before_main;

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

namespace weft::test {
void on_allocation() { counted->fetch_add(1, std::memory_order_relaxed); }
}  // namespace weft::test
