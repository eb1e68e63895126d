// SPDX-License-Identifier: Apache-2.0
// A request with its scratch and a buffer, as a front end keeps them.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "common/block/block_device.h"

namespace weft::test {

struct IoSlot : block::IoRequest {
    // A buffer of `bytes`, aligned to 4096, in no region.
    explicit IoSlot(const block::BlockDevice& device, std::size_t bytes)
        : scratch_memory(device.scratch_bytes() / 16 + 1),
          buffer_memory(bytes + 4096),
          buffer(align(buffer_memory.data())),
          capacity(bytes) {
        scratch = device.scratch_bytes() > 0 ? reinterpret_cast<std::byte*>(scratch_memory.data()) : nullptr;
        done = [](IoRequest& io) { ++static_cast<IoSlot&>(io).completions; };
    }

    // Makes it a request for `count` blocks; read and write use the start of the buffer.
    IoSlot& set(const block::BlockDevice& device, block::IoOp what, std::uint64_t at, std::uint64_t count) {
        op = what;
        lba = at;
        blocks = count;
        data = {};
        if (what == block::IoOp::read || what == block::IoOp::write) {
            const std::uint64_t length = count * device.geometry().block_size;
            WEFT_CHECK(length <= capacity);
            data = {buffer, static_cast<std::uint32_t>(length), region};
        }
        fua = false;
        may_unmap = true;
        completions = 0;
        return *this;
    }

    RegionId region = kNoRegion;  // set when the buffer is made part of one
    int completions = 0;

    struct alignas(16) Unit {
        std::byte bytes[16];
    };
    std::vector<Unit> scratch_memory;
    std::vector<std::byte> buffer_memory;
    std::byte* buffer;
    std::size_t capacity;

  private:
    static std::byte* align(std::byte* at) {
        void* pointer = at;
        std::size_t space = 8192;
        return static_cast<std::byte*>(std::align(4096, 1, pointer, space));
    }
};

}  // namespace weft::test
