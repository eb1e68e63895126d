// SPDX-License-Identifier: Apache-2.0
// Data buffer descriptors: where in the initiator's memory the data of a command is (srp.md 2.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/srp/iu.h"

namespace weft::srp {

enum class BufferFormat : std::uint8_t { none = 0, direct = 1, indirect = 2, immediate = 3 };

// A piece of the initiator's memory.
struct MemoryDescriptor {
    std::uint64_t address = 0;
    std::uint32_t rkey = 0;
    std::uint32_t length = 0;
    friend bool operator==(const MemoryDescriptor&, const MemoryDescriptor&) = default;
};

inline constexpr std::size_t kDescriptorBytes = sizeof(wire::MemoryDescriptor);

// Memory descriptors as they lie in an IU or in a table fetched from the initiator.
// REQUIRES: whole descriptors; the bytes outlive it.
class DescriptorTable {
  public:
    DescriptorTable() = default;
    explicit DescriptorTable(std::span<const std::byte> bytes);
    [[nodiscard]] std::size_t size() const { return bytes_.size() / kDescriptorBytes; }
    [[nodiscard]] MemoryDescriptor operator[](std::size_t index) const;  // REQUIRES: index < size()
    // Whether no descriptor wraps around the end of the address space and together they hold `length` bytes.
    [[nodiscard]] bool holds(std::uint64_t length) const;

  private:
    std::span<const std::byte> bytes_;
};

// Finds pieces by their offset in the whole buffer. Remembers its place, so walking forward is cheap.
// REQUIRES: table.holds() the length of the buffer; the table's bytes outlive it.
class DescriptorCursor {
  public:
    DescriptorCursor() = default;
    explicit DescriptorCursor(DescriptorTable table) : table_(table) {}
    // The memory at `offset`, 1..`most` bytes: as much as one descriptor has.
    // REQUIRES: offset inside the buffer, most > 0
    [[nodiscard]] MemoryDescriptor at(std::uint64_t offset, std::uint32_t most);

  private:
    DescriptorTable table_;
    std::size_t index_ = 0;
    std::uint64_t start_ = 0;  // offset at which table_[index_] begins
};

// One direction's buffer of a received command. Views into the IU.
struct DataBuffer {
    BufferFormat format = BufferFormat::none;
    std::uint64_t length = 0;                // bytes the initiator's buffer holds
    std::span<const std::byte> list;         // descriptors carried in the IU (direct: the one)
    MemoryDescriptor table;                  // indirect: where all descriptors are, in the initiator's memory
    std::span<const std::byte> table_bytes;  // the same as it lies in the IU: a DescriptorTable of one
    std::span<const std::byte> immediate;    // the data itself

    // Indirect with descriptors that the IU does not carry: they must be read from `table` first.
    [[nodiscard]] bool external() const {
        return format == BufferFormat::indirect && list.size() < table.length;
    }
};

// One direction's buffer of a command to be sent. The spans outlive the call they are given to.
struct BufferContent {
    BufferFormat format = BufferFormat::none;
    std::uint32_t length = 0;                       // indirect, immediate; direct: the descriptor's
    std::span<const MemoryDescriptor> descriptors;  // direct: exactly one; indirect: those in the IU, <= 255
    MemoryDescriptor table;                         // indirect

    [[nodiscard]] static BufferContent direct(const MemoryDescriptor& descriptor) {
        return {.format = BufferFormat::direct,
                .length = descriptor.length,
                .descriptors = std::span(&descriptor, 1)};
    }
    [[nodiscard]] std::size_t encoded_bytes() const;  // of the descriptor in the IU
};

// Writes descriptors as they are in a table. REQUIRES: room for them
void encode_descriptors(std::span<std::byte> into, std::span<const MemoryDescriptor> descriptors);

// Decodes one direction's descriptor at the start of `bytes`; `count` is the command's descriptor count.
// Immediate data is left for the command to place. None: too short, a reserved format, a table that is no
// table, or descriptors that do not hold what they say.
struct DecodedBuffer {
    DataBuffer buffer;
    std::size_t bytes = 0;  // taken from the start
};
[[nodiscard]] std::optional<DecodedBuffer> decode_buffer(std::span<const std::byte> bytes, unsigned format,
                                                         unsigned count);
// Writes one direction's descriptor; returns its bytes. REQUIRES: room for it
std::size_t encode_buffer(std::span<std::byte> into, const BufferContent& content);

}  // namespace weft::srp
