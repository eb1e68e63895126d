// SPDX-License-Identifier: Apache-2.0
#include "common/block/memory_device.h"

#include <cstring>
#include <string>

namespace weft::block {

namespace {
// Filling with zeros holds up the reactor: some milliseconds at most.
constexpr std::uint64_t kZeroBytesMax = std::uint64_t{32} << 20U;
}  // namespace

Result<std::unique_ptr<MemoryStore>> MemoryStore::create(std::uint64_t bytes) {
    if (bytes == 0 || bytes % 512 != 0) {
        return fail("a memory volume of " + std::to_string(bytes) +
                    " bytes: the size must be a positive multiple of 512");
    }
    auto slab = Slab::allocate(bytes);
    if (!slab) return Failure(std::move(slab.error()));
    return std::unique_ptr<MemoryStore>(new MemoryStore(std::move(*slab), bytes));
}

Result<std::unique_ptr<MemoryDevice>> MemoryDevice::create(Executor& executor, MemoryStore& store,
                                                           RegionDirectory& regions,
                                                           const MemoryOptions& options) {
    WEFT_CHECK(options.block_size == 512 || options.block_size == 4096);
    if (store.bytes() % options.block_size != 0) {
        return fail("a memory volume of " + std::to_string(store.bytes()) +
                    " bytes: the size must be a multiple of the block size " +
                    std::to_string(options.block_size));
    }
    return std::unique_ptr<MemoryDevice>(new MemoryDevice(executor, store, regions, options));
}

MemoryDevice::MemoryDevice(Executor& executor, MemoryStore& store, RegionDirectory& regions,
                           const MemoryOptions& options)
    : BlockDevice(executor),
      regions_(regions),
      region_{store.base(), store.bytes(), regions.add(store.base(), store.bytes())},
      geometry_{.block_size = options.block_size,
                .physical_block_size = options.block_size,
                .blocks = store.bytes() / options.block_size,
                .discard_granularity = 1,
                .discard_blocks_max = kZeroBytesMax / options.block_size,
                .zero_blocks_max = kZeroBytesMax / options.block_size,
                .write_zeroes = true,
                .discard_zeroes = true,
                .volatile_cache = false,
                .read_only = options.read_only} {}

MemoryDevice::~MemoryDevice() { regions_.remove(region_.id); }

void MemoryDevice::do_submit(IoRequest& io) {
    std::byte* at = region_.base + io.lba * geometry_.block_size;
    switch (io.op) {
        // memmove: a reader may have been given a piece of the volume itself as its buffer (memory()).
        case IoOp::read: std::memmove(io.data.base, at, io.data.length); break;
        case IoOp::write: std::memmove(at, io.data.base, io.data.length); break;
        case IoOp::flush: break;
        // The pages stay: they may be pinned by registrations, whose users would go on seeing the old ones.
        case IoOp::discard:
        case IoOp::write_zeroes: std::memset(at, 0, io.blocks * geometry_.block_size); break;
    }
    complete(io, IoStatus::ok);
}

}  // namespace weft::block
