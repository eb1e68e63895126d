// SPDX-License-Identifier: Apache-2.0
// SRP_CMD (srp.md 2.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/srp/descriptor.h"
#include "common/srp/iu.h"

namespace weft::srp {

enum class TaskAttribute : std::uint8_t { simple = 0, head_of_queue = 1, ordered = 2, aca = 4 };

// A received command. Views into the IU.
struct CommandView {
    Tag tag;
    Lun lun{};
    TaskAttribute attribute = TaskAttribute::simple;
    std::span<const std::byte> cdb;  // 16 bytes and the additional ones
    DataBuffer data_out;
    DataBuffer data_in;
};

// `immediate_offset`: where immediate data lies, as agreed at login; 0: none was agreed. None: malformed in
// any way (too short, reserved format or attribute, descriptors that do not hold what they say, immediate
// data that was not agreed on or is longer than the IU). What lies between descriptors and immediate data is
// not looked at: Linux leaves old bytes there.
[[nodiscard]] std::optional<CommandView> decode_command(std::span<const std::byte> iu,
                                                        std::size_t immediate_offset);

// A command to be sent.
struct CommandContent {
    Tag tag;
    Lun lun{};
    TaskAttribute attribute = TaskAttribute::simple;
    std::span<const std::byte>
        cdb;  // 1..16 bytes (padded with zeros), or 16 and a multiple of 4 more, <= 268
    BufferContent data_out;
    BufferContent data_in;             // not immediate
    std::size_t immediate_offset = 0;  // as agreed at login; used if data_out is immediate
};

// Bytes encode() writes: the IU, or what stands before the data if data_out is immediate.
[[nodiscard]] std::size_t encoded_bytes(const CommandContent& content);
// Writes the IU and returns its bytes. With immediate data these are `immediate_offset` bytes, and
// data_out.length bytes of data have to follow them in the same SEND.
// REQUIRES: into.size() >= encoded_bytes(content)
std::size_t encode(std::span<std::byte> into, const CommandContent& content);

}  // namespace weft::srp
