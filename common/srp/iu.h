// SPDX-License-Identifier: Apache-2.0
// SRP information units as they are on the wire (T10 SRP r16a; measured bytes: design notes, srp.md 1 and 2).
// Only the codecs of this room see these structs; everybody else sees their plain values.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "common/core/big_endian.h"

namespace weft::srp {

enum class Opcode : std::uint8_t {
    login_request = 0x00,
    task_management = 0x01,
    command = 0x02,
    initiator_logout = 0x03,
    credit_response = 0x41,
    event_response = 0x42,
    target_logout = 0x80,
    credit_request = 0x81,
    event_request = 0x82,
    login_response = 0xC0,
    response = 0xC1,
    login_reject = 0xC2,
};

// Eight bytes that the requester chose and the answer repeats. Opaque: never byte-swapped.
struct Tag {
    std::array<std::uint8_t, 8> bytes{};

    // In host order, as Linux fills them.
    [[nodiscard]] static Tag of(std::uint64_t value) { return Tag{std::bit_cast<decltype(bytes)>(value)}; }
    [[nodiscard]] std::uint64_t value() const { return std::bit_cast<std::uint64_t>(bytes); }
    friend bool operator==(const Tag&, const Tag&) = default;
};

// An SRP port identifier: of a target id_ext || ioc_guid. The same type as config::PortId.
using PortId = std::array<std::byte, 16>;

// A logical unit number as it travels; scsi::decode_lun() tells its meaning. The same type as scsi::LunBytes.
using Lun = std::array<std::byte, 8>;

// Sizes every peer must cope with.
inline constexpr std::uint32_t kIuBytesMin = 64;  // SRP's least maximum IU length
inline constexpr std::size_t kCommandBytes = 48;  // without additional CDB, descriptors, data
inline constexpr std::size_t kResponseBytes = 36;
inline constexpr std::size_t kCdbBytes = 16;
inline constexpr std::uint32_t kIndirectDescriptorsMax = 2048;  // Linux's segment limit: a table of 32 KiB

namespace wire {

// The login request in the form that fits RDMA/CM's 56 bytes.
struct LoginRequestRdma {
    Tag tag;
    be16 buffer_formats;
    std::uint8_t flags = 0;
    std::uint8_t opcode = 0;
    be32 it_iu_length;
    PortId initiator_port{};
    PortId target_port{};
    be16 immediate_offset;
    std::array<std::uint8_t, 6> extension{};  // reserved in SRP
};
static_assert(sizeof(LoginRequestRdma) == 56 && alignof(LoginRequestRdma) == 1);
static_assert(offsetof(LoginRequestRdma, opcode) == 11 && offsetof(LoginRequestRdma, initiator_port) == 16);
static_assert(offsetof(LoginRequestRdma, immediate_offset) == 48);

// The login request as T10 has it, used over InfiniBand's own connection manager.
struct LoginRequest {
    std::uint8_t opcode = 0;
    std::array<std::uint8_t, 7> reserved1{};
    Tag tag;
    be32 it_iu_length;
    std::array<std::uint8_t, 4> reserved2{};
    be16 buffer_formats;
    std::uint8_t flags = 0;
    std::uint8_t reserved3 = 0;
    be16 immediate_offset;
    std::array<std::uint8_t, 2> reserved4{};
    PortId initiator_port{};
    PortId target_port{};
};
static_assert(sizeof(LoginRequest) == 64 && alignof(LoginRequest) == 1);
static_assert(offsetof(LoginRequest, buffer_formats) == 24 && offsetof(LoginRequest, initiator_port) == 32);

struct LoginResponse {
    std::uint8_t opcode = 0;
    std::array<std::uint8_t, 3> reserved1{};
    be32 request_limit_delta;
    Tag tag;
    be32 it_iu_length;
    be32 ti_iu_length;
    be16 buffer_formats;
    std::uint8_t flags = 0;
    std::array<std::uint8_t, 25> reserved2{};
};
static_assert(sizeof(LoginResponse) == 52 && alignof(LoginResponse) == 1);
static_assert(offsetof(LoginResponse, ti_iu_length) == 20 && offsetof(LoginResponse, flags) == 26);

struct LoginReject {
    std::uint8_t opcode = 0;
    std::array<std::uint8_t, 3> reserved1{};
    be32 reason;
    Tag tag;
    std::array<std::uint8_t, 8> reserved2{};
    be16 buffer_formats;
    std::array<std::uint8_t, 6> reserved3{};
};
static_assert(sizeof(LoginReject) == 32 && alignof(LoginReject) == 1);
static_assert(offsetof(LoginReject, buffer_formats) == 24);

// Fixed part; additional CDB bytes, DATA-OUT descriptor, DATA-IN descriptor follow.
struct Command {
    std::uint8_t opcode = 0;
    std::uint8_t solicited = 0;
    std::array<std::uint8_t, 3> reserved1{};
    std::uint8_t buffer_formats = 0;  // DATA-OUT in the high nibble
    std::uint8_t data_out_count = 0;
    std::uint8_t data_in_count = 0;
    Tag tag;
    std::array<std::uint8_t, 4> reserved2{};
    Lun lun{};
    std::uint8_t reserved3 = 0;
    std::uint8_t task_attribute = 0;
    std::uint8_t reserved4 = 0;
    std::uint8_t additional_cdb_length = 0;  // bits 7:2 count dwords, so value & 0xFC is bytes
    std::array<std::uint8_t, kCdbBytes> cdb{};
};
static_assert(sizeof(Command) == kCommandBytes && alignof(Command) == 1);
static_assert(offsetof(Command, lun) == 20 && offsetof(Command, cdb) == 32);

struct MemoryDescriptor {
    be64 address;
    be32 rkey;
    be32 length;
};
static_assert(sizeof(MemoryDescriptor) == 16 && alignof(MemoryDescriptor) == 1);

// The partial list of memory descriptors follows.
struct IndirectDescriptor {
    MemoryDescriptor table;
    be32 length;
};
static_assert(sizeof(IndirectDescriptor) == 20 && alignof(IndirectDescriptor) == 1);

// Response data, then sense data follow.
struct Response {
    std::uint8_t opcode = 0;
    std::uint8_t solicited = 0;
    std::array<std::uint8_t, 2> reserved1{};
    be32 request_limit_delta;
    Tag tag;
    std::array<std::uint8_t, 2> reserved2{};
    std::uint8_t flags = 0;
    std::uint8_t status = 0;
    be32 data_out_residual;
    be32 data_in_residual;
    be32 sense_length;
    be32 response_length;
};
static_assert(sizeof(Response) == kResponseBytes && alignof(Response) == 1);
static_assert(offsetof(Response, status) == 19 && offsetof(Response, response_length) == 32);

struct TaskManagement {
    std::uint8_t opcode = 0;
    std::uint8_t solicited = 0;
    std::array<std::uint8_t, 6> reserved1{};
    Tag tag;
    std::array<std::uint8_t, 4> reserved2{};
    Lun lun{};
    std::array<std::uint8_t, 2> reserved3{};
    std::uint8_t function = 0;
    std::uint8_t reserved4 = 0;
    Tag task;
    std::array<std::uint8_t, 8> reserved5{};
};
static_assert(sizeof(TaskManagement) == 48 && alignof(TaskManagement) == 1);
static_assert(offsetof(TaskManagement, function) == 30 && offsetof(TaskManagement, task) == 32);

// CRED_REQ, CRED_RSP, AER_RSP, I_LOGOUT and T_LOGOUT have one shape.
struct Notice {
    std::uint8_t opcode = 0;
    std::uint8_t solicited = 0;
    std::array<std::uint8_t, 2> reserved1{};
    be32 value;  // CRED_REQ: request limit delta; T_LOGOUT: reason; else reserved
    Tag tag;
};
static_assert(sizeof(Notice) == 16 && alignof(Notice) == 1);

// Sense data follows.
struct EventRequest {
    std::uint8_t opcode = 0;
    std::uint8_t solicited = 0;
    std::array<std::uint8_t, 2> reserved1{};
    be32 request_limit_delta;
    Tag tag;
    std::array<std::uint8_t, 4> reserved2{};
    Lun lun{};
    be32 sense_length;
    std::array<std::uint8_t, 4> reserved3{};
};
static_assert(sizeof(EventRequest) == 36 && alignof(EventRequest) == 1);
static_assert(offsetof(EventRequest, sense_length) == 28);

// Copies a wire struct out of / into bytes. REQUIRES: offset + sizeof(T) <= bytes.size()
template <class T>
[[nodiscard]] T load(std::span<const std::byte> bytes, std::size_t offset = 0) {
    T value;
    std::memcpy(&value, bytes.subspan(offset, sizeof(T)).data(), sizeof(T));
    return value;
}
template <class T>
void store(std::span<std::byte> bytes, std::size_t offset, const T& value) {
    std::memcpy(bytes.subspan(offset, sizeof(T)).data(), &value, sizeof(T));
}

}  // namespace wire

// The first byte of an IU, whatever it is. REQUIRES: !iu.empty()
[[nodiscard]] inline Opcode opcode_of(std::span<const std::byte> iu) {
    return static_cast<Opcode>(std::to_integer<std::uint8_t>(iu.front()));
}

}  // namespace weft::srp
