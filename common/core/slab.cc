// SPDX-License-Identifier: Apache-2.0
#include "common/core/slab.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "common/core/check.h"

namespace weft {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20U;

std::size_t round_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }

void* map(std::size_t bytes, int extra) {
    return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | extra,
                  -1, 0);
}

}  // namespace

Result<Slab> Slab::allocate(std::size_t bytes) {
    WEFT_CHECK(bytes > 0);
    std::size_t size = round_up(bytes, kHugePage);
    void* base = bytes >= kHugePage ? map(size, MAP_HUGETLB) : MAP_FAILED;
    if (base == MAP_FAILED) {
        size = round_up(bytes, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
        base = map(size, 0);
    }
    if (base == MAP_FAILED)
        return fail_errno("cannot allocate " + std::to_string(bytes) + " bytes of I/O memory", errno);
    ::madvise(base, size, MADV_DONTDUMP);
    ::madvise(base, size, MADV_DONTFORK);
    return Slab(static_cast<std::byte*>(base), size);
}

Slab& Slab::operator=(Slab&& other) noexcept {
    if (base_ != nullptr) ::munmap(base_, size_);
    base_ = std::exchange(other.base_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
}

Slab::~Slab() {
    if (base_ != nullptr) ::munmap(base_, size_);
}

}  // namespace weft
