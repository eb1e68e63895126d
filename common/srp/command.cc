// SPDX-License-Identifier: Apache-2.0
#include "common/srp/command.h"

#include <algorithm>

#include "common/core/check.h"

namespace weft::srp {
namespace {

constexpr std::uint8_t kAttributeMask = 0x07;
constexpr std::uint8_t kAdditionalCdbMask = 0xFC;  // counts dwords from bit 2: the masked value is bytes
constexpr std::size_t kCdbOffset = offsetof(wire::Command, cdb);

std::optional<TaskAttribute> decode_attribute(std::uint8_t value) {
    switch (value & kAttributeMask) {
        case 0: return TaskAttribute::simple;
        case 1: return TaskAttribute::head_of_queue;
        case 2: return TaskAttribute::ordered;
        case 4: return TaskAttribute::aca;
        default: return std::nullopt;
    }
}

// Finds the immediate data of `buffer`, whose descriptors end at `descriptors_end` of the IU.
bool place_immediate(DataBuffer& buffer, std::span<const std::byte> iu, std::size_t offset,
                     std::size_t descriptors_end) {
    if (offset == 0 || descriptors_end > offset || iu.size() < offset) return false;
    if (buffer.length > iu.size() - offset) return false;
    buffer.immediate = iu.subspan(offset, buffer.length);
    return true;
}

std::size_t additional_cdb_bytes(const CommandContent& content) {
    return content.cdb.size() > kCdbBytes ? content.cdb.size() - kCdbBytes : 0;
}

}  // namespace

std::optional<CommandView> decode_command(std::span<const std::byte> iu, std::size_t immediate_offset) {
    if (iu.size() < sizeof(wire::Command)) return std::nullopt;
    const auto in = wire::load<wire::Command>(iu);
    if (in.opcode != static_cast<std::uint8_t>(Opcode::command)) return std::nullopt;
    const auto attribute = decode_attribute(in.task_attribute);
    if (!attribute) return std::nullopt;
    const std::size_t additional = in.additional_cdb_length & kAdditionalCdbMask;
    if (iu.size() < sizeof(wire::Command) + additional) return std::nullopt;

    std::size_t end = sizeof(wire::Command) + additional;
    const auto out = decode_buffer(iu.subspan(end), in.buffer_formats >> 4U, in.data_out_count);
    if (!out) return std::nullopt;
    end += out->bytes;
    const auto into = decode_buffer(iu.subspan(end), in.buffer_formats & 0x0FU, in.data_in_count);
    if (!into || into->buffer.format == BufferFormat::immediate) return std::nullopt;
    end += into->bytes;

    CommandView view{.tag = in.tag,
                     .lun = in.lun,
                     .attribute = *attribute,
                     .cdb = iu.subspan(kCdbOffset, kCdbBytes + additional),
                     .data_out = out->buffer,
                     .data_in = into->buffer};
    if (view.data_out.format == BufferFormat::immediate &&
        !place_immediate(view.data_out, iu, immediate_offset, end))
        return std::nullopt;
    return view;
}

std::size_t encoded_bytes(const CommandContent& content) {
    if (content.data_out.format == BufferFormat::immediate) return content.immediate_offset;
    return sizeof(wire::Command) + additional_cdb_bytes(content) + content.data_out.encoded_bytes() +
           content.data_in.encoded_bytes();
}

std::size_t encode(std::span<std::byte> into, const CommandContent& content) {
    const std::size_t additional = additional_cdb_bytes(content);
    WEFT_CHECK(additional % 4 == 0 && additional <= kAdditionalCdbMask);
    WEFT_CHECK(content.data_in.format != BufferFormat::immediate);
    const std::size_t bytes = encoded_bytes(content);
    WEFT_CHECK(into.size() >= bytes);

    wire::Command out;
    out.opcode = static_cast<std::uint8_t>(Opcode::command);
    out.buffer_formats = static_cast<std::uint8_t>(static_cast<unsigned>(content.data_out.format) << 4U |
                                                   static_cast<unsigned>(content.data_in.format));
    if (content.data_out.format == BufferFormat::indirect)
        out.data_out_count = static_cast<std::uint8_t>(content.data_out.descriptors.size());
    if (content.data_in.format == BufferFormat::indirect)
        out.data_in_count = static_cast<std::uint8_t>(content.data_in.descriptors.size());
    out.tag = content.tag;
    out.lun = content.lun;
    out.task_attribute = static_cast<std::uint8_t>(content.attribute);
    out.additional_cdb_length = static_cast<std::uint8_t>(additional);
    wire::store(into, 0, out);
    std::copy(content.cdb.begin(), content.cdb.end(), into.begin() + static_cast<std::ptrdiff_t>(kCdbOffset));

    std::size_t end = sizeof(wire::Command) + additional;
    end += encode_buffer(into.subspan(end), content.data_out);
    end += encode_buffer(into.subspan(end), content.data_in);
    WEFT_CHECK(end <= bytes);
    std::fill(into.begin() + static_cast<std::ptrdiff_t>(end),
              into.begin() + static_cast<std::ptrdiff_t>(bytes), std::byte{0});
    return bytes;
}

}  // namespace weft::srp
