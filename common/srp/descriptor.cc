// SPDX-License-Identifier: Apache-2.0
#include "common/srp/descriptor.h"

#include <algorithm>
#include <limits>

#include "common/core/check.h"

namespace weft::srp {
namespace {

MemoryDescriptor from_wire(const wire::MemoryDescriptor& in) {
    return {.address = in.address.value(), .rkey = in.rkey.value(), .length = in.length.value()};
}

wire::MemoryDescriptor to_wire(const MemoryDescriptor& descriptor) {
    return {.address = descriptor.address, .rkey = descriptor.rkey, .length = descriptor.length};
}

std::optional<DecodedBuffer> decode_direct(std::span<const std::byte> bytes) {
    if (bytes.size() < kDescriptorBytes) return std::nullopt;
    DecodedBuffer out;
    out.bytes = kDescriptorBytes;
    out.buffer.format = BufferFormat::direct;
    out.buffer.list = bytes.first(kDescriptorBytes);
    const DescriptorTable table(out.buffer.list);
    out.buffer.length = table[0].length;
    if (!table.holds(out.buffer.length)) return std::nullopt;
    return out;
}

std::optional<DecodedBuffer> decode_indirect(std::span<const std::byte> bytes, unsigned count) {
    const std::size_t list_bytes = count * kDescriptorBytes;
    if (bytes.size() < sizeof(wire::IndirectDescriptor) + list_bytes) return std::nullopt;
    const auto in = wire::load<wire::IndirectDescriptor>(bytes);
    DecodedBuffer out;
    out.bytes = sizeof(wire::IndirectDescriptor) + list_bytes;
    out.buffer.format = BufferFormat::indirect;
    out.buffer.table = from_wire(in.table);
    out.buffer.table_bytes = bytes.first(kDescriptorBytes);
    out.buffer.length = in.length.value();
    out.buffer.list = bytes.subspan(sizeof(wire::IndirectDescriptor), list_bytes);
    const MemoryDescriptor& table = out.buffer.table;
    if (table.length % kDescriptorBytes != 0 || table.length < list_bytes ||
        table.length > kIndirectDescriptorsMax * kDescriptorBytes)
        return std::nullopt;
    if (out.buffer.external()) {
        if (table.address > std::numeric_limits<std::uint64_t>::max() - table.length) return std::nullopt;
        return out;  // the descriptors are checked when they are all here
    }
    if (!DescriptorTable(out.buffer.list).holds(out.buffer.length)) return std::nullopt;
    return out;
}

std::optional<DecodedBuffer> decode_immediate(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(be32)) return std::nullopt;
    DecodedBuffer out;
    out.bytes = sizeof(be32);
    out.buffer.format = BufferFormat::immediate;
    out.buffer.length = wire::load<be32>(bytes).value();
    return out;
}

}  // namespace

DescriptorTable::DescriptorTable(std::span<const std::byte> bytes) : bytes_(bytes) {
    WEFT_CHECK(bytes.size() % kDescriptorBytes == 0);
}

MemoryDescriptor DescriptorTable::operator[](std::size_t index) const {
    return from_wire(wire::load<wire::MemoryDescriptor>(bytes_, index * kDescriptorBytes));
}

bool DescriptorTable::holds(std::uint64_t length) const {
    std::uint64_t sum = 0;  // cannot overflow: at most 2^28 descriptors of less than 2^32 bytes fit in memory
    for (std::size_t i = 0; i < size(); ++i) {
        const MemoryDescriptor descriptor = (*this)[i];
        if (descriptor.address > std::numeric_limits<std::uint64_t>::max() - descriptor.length) return false;
        sum += descriptor.length;
    }
    return sum >= length;
}

MemoryDescriptor DescriptorCursor::at(std::uint64_t offset, std::uint32_t most) {
    WEFT_CHECK(most > 0);
    if (offset < start_) {
        index_ = 0;
        start_ = 0;
    }
    MemoryDescriptor descriptor = table_[index_];
    while (offset - start_ >= descriptor.length) {  // steps over empty descriptors too
        start_ += descriptor.length;
        ++index_;
        WEFT_CHECK(index_ < table_.size());
        descriptor = table_[index_];
    }
    const auto skip = static_cast<std::uint32_t>(offset - start_);
    return {.address = descriptor.address + skip,
            .rkey = descriptor.rkey,
            .length = std::min(descriptor.length - skip, most)};
}

std::size_t BufferContent::encoded_bytes() const {
    switch (format) {
        case BufferFormat::none: return 0;
        case BufferFormat::direct: return kDescriptorBytes;
        case BufferFormat::indirect:
            return sizeof(wire::IndirectDescriptor) + descriptors.size() * kDescriptorBytes;
        case BufferFormat::immediate: return sizeof(be32);
    }
    WEFT_UNREACHABLE("BufferFormat");
}

void encode_descriptors(std::span<std::byte> into, std::span<const MemoryDescriptor> descriptors) {
    for (std::size_t i = 0; i < descriptors.size(); ++i)
        wire::store(into, i * kDescriptorBytes, to_wire(descriptors[i]));
}

std::optional<DecodedBuffer> decode_buffer(std::span<const std::byte> bytes, unsigned format,
                                           unsigned count) {
    switch (format) {
        case 0: return DecodedBuffer{};
        case 1: return decode_direct(bytes);
        case 2: return decode_indirect(bytes, count);
        case 3: return decode_immediate(bytes);
        default: return std::nullopt;
    }
}

std::size_t encode_buffer(std::span<std::byte> into, const BufferContent& content) {
    switch (content.format) {
        case BufferFormat::none: break;
        case BufferFormat::direct:
            WEFT_CHECK(content.descriptors.size() == 1);
            encode_descriptors(into, content.descriptors);
            break;
        case BufferFormat::indirect:
            WEFT_CHECK(content.descriptors.size() <= 255);
            wire::store(into, 0,
                        wire::IndirectDescriptor{.table = to_wire(content.table), .length = content.length});
            encode_descriptors(into.subspan(sizeof(wire::IndirectDescriptor)), content.descriptors);
            break;
        case BufferFormat::immediate: wire::store(into, 0, be32(content.length)); break;
    }
    return content.encoded_bytes();
}

}  // namespace weft::srp
