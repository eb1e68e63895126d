// SPDX-License-Identifier: Apache-2.0
// Replaces malloc and its kin (glibc) in the program or library that it is part of. For one source file of
// it, which is built with -fno-builtin-malloc and says what happens at each allocation.
#pragma once

#include <cerrno>
#include <cstddef>

namespace weft::test {
void on_allocation();
}

// operator new ends up here too.
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    weft::test::on_allocation();
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
    weft::test::on_allocation();
    return __libc_calloc(number, size);
}
void* realloc(void* memory, std::size_t size) {
    weft::test::on_allocation();
    return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    weft::test::on_allocation();
    return __libc_memalign(alignment, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
    weft::test::on_allocation();
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    weft::test::on_allocation();
    *memory = __libc_memalign(alignment, size);
    return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"
