// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/supported_opcodes.h"

#include <algorithm>
#include <cstring>

#include "common/core/big_endian.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

constexpr std::uint8_t kServiceActionMask = 0x1F;
constexpr std::uint8_t kMediaRead = 0xF8;    // RDPROTECT, DPO, FUA
constexpr std::uint8_t kMediaVerify = 0xF6;  // VRPROTECT, DPO, BYTCHK

constexpr std::uint8_t code(Opcode opcode) { return static_cast<std::uint8_t>(opcode); }

constexpr SupportedCommand six(Opcode opcode, std::array<std::uint8_t, 4> usage) {
    return {opcode, std::nullopt, 6, {code(opcode), usage[0], usage[1], usage[2], usage[3], 0}};
}
constexpr SupportedCommand media_10(Opcode opcode, std::uint8_t flags) {
    return {opcode, std::nullopt, 10, {code(opcode), flags, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0}};
}
constexpr SupportedCommand media_12(Opcode opcode, std::uint8_t flags) {
    return {opcode,
            std::nullopt,
            12,
            {code(opcode), flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0}};
}
constexpr SupportedCommand media_16(Opcode opcode, std::uint8_t flags) {
    return {
        opcode,
        std::nullopt,
        16,
        {code(opcode), flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0}};
}

constexpr std::array kCommands = {
    six(Opcode::test_unit_ready, {0, 0, 0, 0}),
    six(Opcode::request_sense, {0x01, 0, 0, 0xFF}),
    six(Opcode::read_6, {0x1F, 0xFF, 0xFF, 0xFF}),
    six(Opcode::write_6, {0x1F, 0xFF, 0xFF, 0xFF}),
    six(Opcode::inquiry, {0x01, 0xFF, 0xFF, 0xFF}),
    six(Opcode::mode_sense_6, {0x08, 0xFF, 0xFF, 0xFF}),
    six(Opcode::start_stop_unit, {0x01, 0, 0, 0xF3}),
    SupportedCommand{Opcode::read_capacity_10, std::nullopt, 10, {0x25}},
    media_10(Opcode::read_10, kMediaRead),
    media_10(Opcode::write_10, kMediaRead),
    media_10(Opcode::write_and_verify_10, kMediaVerify),
    media_10(Opcode::verify_10, kMediaVerify),
    media_10(Opcode::synchronize_cache_10, 0x02),
    media_10(Opcode::write_same_10, 0xF8),
    SupportedCommand{Opcode::unmap, std::nullopt, 10, {0x42, 0x01, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0}},
    SupportedCommand{
        Opcode::mode_sense_10, std::nullopt, 10, {0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0}},
    media_16(Opcode::read_16, kMediaRead),
    media_16(Opcode::write_16, kMediaRead),
    media_16(Opcode::write_and_verify_16, kMediaVerify),
    media_16(Opcode::verify_16, kMediaVerify),
    media_16(Opcode::synchronize_cache_16, 0x02),
    media_16(Opcode::write_same_16, 0xF9),
    SupportedCommand{Opcode::service_action_in_16,
                     kReadCapacity16,
                     16,
                     {0x9E, kServiceActionMask, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0}},
    SupportedCommand{
        Opcode::report_luns, std::nullopt, 12, {0xA0, 0, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0}},
    SupportedCommand{Opcode::maintenance_in,
                     kReportSupportedOpcodes,
                     12,
                     {0xA3, kServiceActionMask, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0}},
    media_12(Opcode::read_12, kMediaRead),
    media_12(Opcode::write_12, kMediaRead),
    media_12(Opcode::write_and_verify_12, kMediaVerify),
    media_12(Opcode::verify_12, kMediaVerify),
};
static_assert(std::is_sorted(kCommands.begin(), kCommands.end(),
                             [](const auto& a, const auto& b) { return a.opcode < b.opcode; }));

struct AllHeader {
    be32 length;
};

struct CommandDescriptor {
    std::uint8_t opcode;
    std::uint8_t reserved1;
    be16 service_action;
    std::uint8_t reserved2;
    std::uint8_t flags;  // 1 CTDP, 0 SERVACTV
    be16 cdb_bytes;
};
static_assert(sizeof(CommandDescriptor) == 8);
constexpr std::uint8_t kTimeoutsPresent = 0x02;
constexpr std::uint8_t kServiceActionValid = 0x01;

struct OneHeader {
    std::uint8_t reserved;
    std::uint8_t support;  // 7 CTDP, 2:0
    be16 cdb_bytes;
};
static_assert(sizeof(OneHeader) == 4);
constexpr std::uint8_t kNotSupported = 1;
constexpr std::uint8_t kSupported = 3;

struct Timeouts {
    be16 length;
    std::uint8_t reserved;
    std::uint8_t command_specific;
    be32 nominal;      // 0: no indication
    be32 recommended;  // 0: no indication
};
static_assert(sizeof(Timeouts) == 12);

constexpr Timeouts no_indication() { return {.length = static_cast<std::uint16_t>(sizeof(Timeouts) - 2)}; }

static_assert(sizeof(AllHeader) + kCommands.size() * (sizeof(CommandDescriptor) + sizeof(Timeouts)) <=
              kSupportedOpcodesBytesMax);

bool served(const SupportedCommand& command, bool thin) { return thin || command.opcode != Opcode::unmap; }

std::size_t encode_all(bool timeouts, bool thin, std::span<std::byte> out) {
    std::size_t length = sizeof(AllHeader);
    for (const SupportedCommand& command : kCommands) {
        if (!served(command, thin)) continue;
        const unsigned flags =
            (timeouts ? kTimeoutsPresent : 0U) | (command.service_action ? kServiceActionValid : 0U);
        length += store(CommandDescriptor{.opcode = code(command.opcode),
                                          .service_action = command.service_action.value_or(std::uint8_t{0}),
                                          .flags = static_cast<std::uint8_t>(flags),
                                          .cdb_bytes = command.cdb_bytes},
                        out.subspan(length));
        if (timeouts) length += store(no_indication(), out.subspan(length));
    }
    store(AllHeader{.length = static_cast<std::uint32_t>(length - sizeof(AllHeader))}, out);
    return length;
}

std::size_t encode_one(const SupportedCommand* command, bool timeouts, std::span<std::byte> out) {
    if (command == nullptr) return store(OneHeader{.support = kNotSupported}, out);
    const unsigned support = kSupported | (timeouts ? 0x80U : 0U);
    std::size_t length =
        store(OneHeader{.support = static_cast<std::uint8_t>(support), .cdb_bytes = command->cdb_bytes}, out);
    std::memcpy(out.data() + length, command->usage.data(), command->cdb_bytes);
    // Where a service action is named, the usage map shows its value (as byte 0 shows the operation code).
    if (command->service_action) out[length + 1] = std::byte{*command->service_action};
    length += command->cdb_bytes;
    if (timeouts) length += store(no_indication(), out.subspan(length));
    return length;
}

const SupportedCommand* find(std::uint8_t opcode, std::optional<std::uint16_t> service_action, bool thin) {
    for (const SupportedCommand& command : kCommands) {
        if (code(command.opcode) != opcode || !served(command, thin)) continue;
        if (!command.service_action || service_action == command.service_action) return &command;
    }
    return nullptr;
}

bool has_service_actions(std::uint8_t opcode) {
    return std::any_of(kCommands.begin(), kCommands.end(), [opcode](const SupportedCommand& command) {
        return code(command.opcode) == opcode && command.service_action;
    });
}

}  // namespace

std::span<const SupportedCommand> supported_commands() { return kCommands; }

Support find_supported(std::span<const std::byte> cdb, bool thin) {
    if (cdb.size() < 2) return {};
    const auto opcode = std::to_integer<std::uint8_t>(cdb[0]);
    const auto action = static_cast<std::uint16_t>(std::to_integer<unsigned>(cdb[1]) & kServiceActionMask);
    const auto* command = find(opcode, action, thin);
    if (command != nullptr && cdb.size() < command->cdb_bytes) command = nullptr;
    return {command, has_service_actions(opcode)};
}

std::optional<std::size_t> encode_supported_opcodes(const ReportOpcodesCdb& cdb, bool thin,
                                                    std::span<std::byte> out) {
    WEFT_CHECK(out.size() >= kSupportedOpcodesBytesMax);
    switch (cdb.options) {
        case 0: return encode_all(cdb.timeouts, thin, out);
        case 1:
            if (has_service_actions(cdb.opcode)) return std::nullopt;
            return encode_one(find(cdb.opcode, std::nullopt, thin), cdb.timeouts, out);
        case 2: {
            const auto* command = find(cdb.opcode, cdb.service_action, thin);
            if (command != nullptr && !command->service_action) return std::nullopt;
            return encode_one(command, cdb.timeouts, out);
        }
        case 3: {
            const auto* command = find(cdb.opcode, cdb.service_action, thin);
            if (command != nullptr && !command->service_action && cdb.service_action != 0) command = nullptr;
            return encode_one(command, cdb.timeouts, out);
        }
        default: return std::nullopt;
    }
}

}  // namespace weft::scsi
