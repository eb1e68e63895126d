// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/cdb.h"

#include "common/core/big_endian.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

// Wire layouts. READ, WRITE, VERIFY, WRITE AND VERIFY, WRITE SAME and SYNCHRONIZE CACHE of one length share
// one layout; byte 1 differs in meaning only.
struct Media6 {
    std::uint8_t opcode;
    std::array<std::uint8_t, 3> lba;  // 21 bits
    std::uint8_t blocks;
    std::uint8_t control;
};
static_assert(sizeof(Media6) == 6 && alignof(Media6) == 1);

struct Media10 {
    std::uint8_t opcode;
    std::uint8_t flags;
    be32 lba;
    std::uint8_t group;
    be16 blocks;
    std::uint8_t control;
};
static_assert(sizeof(Media10) == 10 && offsetof(Media10, lba) == 2 && offsetof(Media10, blocks) == 7);

struct Media12 {
    std::uint8_t opcode;
    std::uint8_t flags;
    be32 lba;
    be32 blocks;
    std::uint8_t group;
    std::uint8_t control;
};
static_assert(sizeof(Media12) == 12 && offsetof(Media12, blocks) == 6);

struct Media16 {
    std::uint8_t opcode;
    std::uint8_t flags;
    be64 lba;
    be32 blocks;
    std::uint8_t group;
    std::uint8_t control;
};
static_assert(sizeof(Media16) == 16 && offsetof(Media16, lba) == 2 && offsetof(Media16, blocks) == 10);

struct Inquiry {
    std::uint8_t opcode;
    std::uint8_t flags;
    std::uint8_t page;
    be16 allocation;
    std::uint8_t control;
};
static_assert(sizeof(Inquiry) == 6 && offsetof(Inquiry, allocation) == 3);

// REQUEST SENSE, MODE SENSE(6), START STOP UNIT.
struct Short6 {
    std::uint8_t opcode;
    std::uint8_t flags;
    std::uint8_t byte2;
    std::uint8_t byte3;
    std::uint8_t byte4;
    std::uint8_t control;
};
static_assert(sizeof(Short6) == 6);

struct ModeSense10 {
    std::uint8_t opcode;
    std::uint8_t flags;
    std::uint8_t page;
    std::uint8_t subpage;
    std::array<std::uint8_t, 3> reserved;
    be16 allocation;
    std::uint8_t control;
};
static_assert(sizeof(ModeSense10) == 10 && offsetof(ModeSense10, allocation) == 7);

struct Unmap10 {
    std::uint8_t opcode;
    std::uint8_t flags;
    be32 reserved;
    std::uint8_t group;
    be16 parameter_length;
    std::uint8_t control;
};
static_assert(sizeof(Unmap10) == 10 && offsetof(Unmap10, parameter_length) == 7);

struct ReportLuns12 {
    std::uint8_t opcode;
    std::uint8_t reserved1;
    std::uint8_t select;
    std::array<std::uint8_t, 3> reserved2;
    be32 allocation;
    std::uint8_t reserved3;
    std::uint8_t control;
};
static_assert(sizeof(ReportLuns12) == 12 && offsetof(ReportLuns12, allocation) == 6);

struct ServiceIn16 {
    std::uint8_t opcode;
    std::uint8_t service_action;
    be64 lba;
    be32 allocation;
    std::uint8_t flags;
    std::uint8_t control;
};
static_assert(sizeof(ServiceIn16) == 16 && offsetof(ServiceIn16, allocation) == 10);

struct ReportOpcodes12 {
    std::uint8_t opcode;
    std::uint8_t service_action;
    std::uint8_t options;
    std::uint8_t requested_opcode;
    be16 requested_service_action;
    be32 allocation;
    std::uint8_t reserved;
    std::uint8_t control;
};
static_assert(sizeof(ReportOpcodes12) == 12 && offsetof(ReportOpcodes12, allocation) == 6);

constexpr std::uint8_t code(Opcode opcode) { return static_cast<std::uint8_t>(opcode); }

template <class T>
Cdb as_cdb(const T& wire) {
    Cdb cdb{};
    store(wire, cdb);
    return cdb;
}

constexpr std::uint8_t media_flags(MediaFlags flags) {
    return static_cast<std::uint8_t>((flags.dpo ? 0x10U : 0U) | (flags.fua ? 0x08U : 0U));
}

Cdb encode_media_16(Opcode opcode, std::uint64_t lba, std::uint32_t blocks, std::uint8_t flags) {
    return as_cdb(Media16{.opcode = code(opcode), .flags = flags, .lba = lba, .blocks = blocks});
}

Cdb encode_media(Opcode ten, Opcode sixteen, std::uint64_t lba, std::uint32_t blocks, MediaFlags flags) {
    if (lba > 0xFFFFFFFFU || blocks > 0xFFFFU)
        return encode_media_16(sixteen, lba, blocks, media_flags(flags));
    return as_cdb(Media10{.opcode = code(ten),
                          .flags = media_flags(flags),
                          .lba = static_cast<std::uint32_t>(lba),
                          .blocks = static_cast<std::uint16_t>(blocks)});
}

}  // namespace

std::size_t cdb_length(std::uint8_t opcode) {
    switch (opcode >> 5U) {
        case 0: return 6;
        case 1:
        case 2: return 10;
        case 4: return 16;
        case 5: return 12;
        default: return 0;
    }
}

Cdb encode_test_unit_ready() { return Cdb{}; }

Cdb encode_request_sense(std::uint8_t allocation, bool descriptor) {
    return as_cdb(Short6{.opcode = code(Opcode::request_sense),
                         .flags = static_cast<std::uint8_t>(descriptor ? 1U : 0U),
                         .byte4 = allocation});
}

Cdb encode_inquiry(std::uint16_t allocation) {
    return as_cdb(Inquiry{.opcode = code(Opcode::inquiry), .allocation = allocation});
}

Cdb encode_inquiry_vpd(std::uint8_t page, std::uint16_t allocation) {
    return as_cdb(
        Inquiry{.opcode = code(Opcode::inquiry), .flags = 1, .page = page, .allocation = allocation});
}

Cdb encode_report_luns(std::uint32_t allocation) {
    return as_cdb(ReportLuns12{.opcode = code(Opcode::report_luns), .allocation = allocation});
}

Cdb encode_read_capacity_10() { return as_cdb(Media10{.opcode = code(Opcode::read_capacity_10)}); }

Cdb encode_read_capacity_16(std::uint32_t allocation) {
    return as_cdb(ServiceIn16{.opcode = code(Opcode::service_action_in_16),
                              .service_action = kReadCapacity16,
                              .allocation = allocation});
}

Cdb encode_mode_sense_6(std::uint8_t page, std::uint8_t subpage, std::uint8_t allocation) {
    return as_cdb(
        Short6{.opcode = code(Opcode::mode_sense_6), .byte2 = page, .byte3 = subpage, .byte4 = allocation});
}

Cdb encode_mode_sense_10(std::uint8_t page, std::uint8_t subpage, std::uint16_t allocation) {
    return as_cdb(ModeSense10{
        .opcode = code(Opcode::mode_sense_10), .page = page, .subpage = subpage, .allocation = allocation});
}

Cdb encode_read(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags) {
    return encode_media(Opcode::read_10, Opcode::read_16, lba, blocks, flags);
}

Cdb encode_write(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags) {
    return encode_media(Opcode::write_10, Opcode::write_16, lba, blocks, flags);
}

Cdb encode_read_16(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags) {
    return encode_media_16(Opcode::read_16, lba, blocks, media_flags(flags));
}

Cdb encode_write_16(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags) {
    return encode_media_16(Opcode::write_16, lba, blocks, media_flags(flags));
}

Cdb encode_synchronize_cache() { return as_cdb(Media10{.opcode = code(Opcode::synchronize_cache_10)}); }

Cdb encode_unmap(std::uint16_t parameter_length) {
    return as_cdb(Unmap10{.opcode = code(Opcode::unmap), .parameter_length = parameter_length});
}

Cdb encode_write_same_16(std::uint64_t lba, std::uint32_t blocks, bool unmap, bool ndob) {
    const auto flags = static_cast<std::uint8_t>((unmap ? 0x08U : 0U) | (ndob ? 0x01U : 0U));
    return encode_media_16(Opcode::write_same_16, lba, blocks, flags);
}

std::optional<MediaCdb> decode_media(std::span<const std::byte> cdb) {
    if (cdb.empty()) return std::nullopt;
    switch (cdb_length(static_cast<std::uint8_t>(cdb[0]))) {
        case 6: {
            const auto wire = load<Media6>(cdb);
            if (!wire) return std::nullopt;
            const std::uint32_t lba = (wire->lba[0] & 0x1FU) << 16U |
                                      static_cast<std::uint32_t>(wire->lba[1]) << 8U |
                                      static_cast<std::uint32_t>(wire->lba[2]);
            return MediaCdb{.lba = lba, .blocks = wire->blocks == 0 ? 256U : wire->blocks};
        }
        case 10: {
            const auto wire = load<Media10>(cdb);
            if (!wire) return std::nullopt;
            return MediaCdb{.lba = wire->lba.value(), .blocks = wire->blocks.value(), .flags = wire->flags};
        }
        case 12: {
            const auto wire = load<Media12>(cdb);
            if (!wire) return std::nullopt;
            return MediaCdb{.lba = wire->lba.value(), .blocks = wire->blocks.value(), .flags = wire->flags};
        }
        case 16: {
            const auto wire = load<Media16>(cdb);
            if (!wire) return std::nullopt;
            return MediaCdb{.lba = wire->lba.value(), .blocks = wire->blocks.value(), .flags = wire->flags};
        }
        default: return std::nullopt;
    }
}

std::optional<InquiryCdb> decode_inquiry(std::span<const std::byte> cdb) {
    const auto wire = load<Inquiry>(cdb);
    if (!wire) return std::nullopt;
    return InquiryCdb{
        .evpd = (wire->flags & 1U) != 0, .page = wire->page, .allocation = wire->allocation.value()};
}

std::optional<RequestSenseCdb> decode_request_sense(std::span<const std::byte> cdb) {
    const auto wire = load<Short6>(cdb);
    if (!wire) return std::nullopt;
    return RequestSenseCdb{.descriptor = (wire->flags & 1U) != 0, .allocation = wire->byte4};
}

std::optional<ReportLunsCdb> decode_report_luns(std::span<const std::byte> cdb) {
    const auto wire = load<ReportLuns12>(cdb);
    if (!wire) return std::nullopt;
    return ReportLunsCdb{.select = wire->select, .allocation = wire->allocation.value()};
}

std::optional<ReadCapacityCdb> decode_read_capacity(std::span<const std::byte> cdb) {
    if (cdb.empty()) return std::nullopt;
    if (cdb[0] == std::byte{code(Opcode::read_capacity_10)}) {
        if (cdb.size() < sizeof(Media10)) return std::nullopt;
        return ReadCapacityCdb{.allocation = 8};
    }
    const auto wire = load<ServiceIn16>(cdb);
    if (!wire) return std::nullopt;
    return ReadCapacityCdb{.allocation = wire->allocation.value()};
}

std::optional<ModeSenseCdb> decode_mode_sense(std::span<const std::byte> cdb) {
    if (cdb.empty()) return std::nullopt;
    ModeSenseCdb result;
    const auto split = [&result](std::uint8_t flags, std::uint8_t page) {
        result.no_block_descriptor = (flags & 0x08U) != 0;
        result.control = static_cast<std::uint8_t>(page >> 6U);
        result.page = page & 0x3FU;
    };
    if (cdb[0] == std::byte{code(Opcode::mode_sense_6)}) {
        const auto wire = load<Short6>(cdb);
        if (!wire) return std::nullopt;
        split(wire->flags, wire->byte2);
        result.subpage = wire->byte3;
        result.allocation = wire->byte4;
        return result;
    }
    const auto wire = load<ModeSense10>(cdb);
    if (!wire) return std::nullopt;
    split(wire->flags, wire->page);
    result.ten = true;
    result.long_lba = (wire->flags & 0x10U) != 0;
    result.subpage = wire->subpage;
    result.allocation = wire->allocation.value();
    return result;
}

std::optional<StartStopCdb> decode_start_stop(std::span<const std::byte> cdb) {
    const auto wire = load<Short6>(cdb);
    if (!wire) return std::nullopt;
    return StartStopCdb{.immed = (wire->flags & 1U) != 0,
                        .power_condition = static_cast<std::uint8_t>(wire->byte4 >> 4U),
                        .load_eject = (wire->byte4 & 0x02U) != 0,
                        .start = (wire->byte4 & 0x01U) != 0};
}

std::optional<UnmapCdb> decode_unmap(std::span<const std::byte> cdb) {
    const auto wire = load<Unmap10>(cdb);
    if (!wire) return std::nullopt;
    return UnmapCdb{.anchor = (wire->flags & 1U) != 0, .parameter_length = wire->parameter_length.value()};
}

std::optional<ReportOpcodesCdb> decode_report_opcodes(std::span<const std::byte> cdb) {
    const auto wire = load<ReportOpcodes12>(cdb);
    if (!wire) return std::nullopt;
    return ReportOpcodesCdb{.timeouts = (wire->options & 0x80U) != 0,
                            .options = static_cast<std::uint8_t>(wire->options & 0x07U),
                            .opcode = wire->requested_opcode,
                            .service_action = wire->requested_service_action.value(),
                            .allocation = wire->allocation.value()};
}

}  // namespace weft::scsi
