// SPDX-License-Identifier: Apache-2.0
// Command descriptor blocks, both ways (SPC-4 4.3, 6; SBC-3 5). Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/scsi/opcode.h"

namespace weft::scsi {

// A CDB as SRP carries it: 16 bytes, zero-padded.
using Cdb = std::array<std::byte, 16>;

// Length of the CDB by its first byte: 6, 10, 12 or 16; 0 for groups without a fixed length.
[[nodiscard]] std::size_t cdb_length(std::uint8_t opcode);

// --- Encoders, for an initiator ---

struct MediaFlags {
    bool fua = false;
    bool dpo = false;
};

[[nodiscard]] Cdb encode_test_unit_ready();
[[nodiscard]] Cdb encode_request_sense(std::uint8_t allocation, bool descriptor = false);
[[nodiscard]] Cdb encode_inquiry(std::uint16_t allocation);
[[nodiscard]] Cdb encode_inquiry_vpd(std::uint8_t page, std::uint16_t allocation);
[[nodiscard]] Cdb encode_report_luns(std::uint32_t allocation);
[[nodiscard]] Cdb encode_read_capacity_10();
[[nodiscard]] Cdb encode_read_capacity_16(std::uint32_t allocation);
[[nodiscard]] Cdb encode_mode_sense_6(std::uint8_t page, std::uint8_t subpage, std::uint8_t allocation);
[[nodiscard]] Cdb encode_mode_sense_10(std::uint8_t page, std::uint8_t subpage, std::uint16_t allocation);
// The 10-byte form where LBA and length fit, else the 16-byte form. `blocks` > 0.
[[nodiscard]] Cdb encode_read(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags = {});
[[nodiscard]] Cdb encode_write(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags = {});
[[nodiscard]] Cdb encode_read_16(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags = {});
[[nodiscard]] Cdb encode_write_16(std::uint64_t lba, std::uint32_t blocks, MediaFlags flags = {});
// The whole medium, IMMED = 0: status comes after the cache is on the medium.
[[nodiscard]] Cdb encode_synchronize_cache();
// `parameter_length`: bytes of the parameter list, unmap_list_bytes(extents).
[[nodiscard]] Cdb encode_unmap(std::uint16_t parameter_length);
// `blocks` > 0. With NDOB no data-out is sent (zeros are meant), else one block.
[[nodiscard]] Cdb encode_write_same_16(std::uint64_t lba, std::uint32_t blocks, bool unmap,
                                       bool ndob = false);

// --- Decoders, for a target. Nothing when the CDB is shorter than its operation code asks ---

// Every CDB that names a range of blocks: READ, WRITE, VERIFY, WRITE AND VERIFY, WRITE SAME,
// SYNCHRONIZE CACHE. Which flag means something depends on the operation code.
struct MediaCdb {
    std::uint64_t lba = 0;
    std::uint32_t blocks = 0;  // as sent, but READ(6)/WRITE(6) with 0 gives 256
    std::uint8_t flags = 0;    // byte 1; 0 for the 6-byte forms

    [[nodiscard]] unsigned protect() const { return flags >> 5U; }
    [[nodiscard]] bool dpo() const { return (flags & 0x10U) != 0; }
    [[nodiscard]] bool fua() const { return (flags & 0x08U) != 0; }
    [[nodiscard]] unsigned byte_check() const { return (flags >> 1U) & 0x3U; }
    [[nodiscard]] bool immed() const { return (flags & 0x02U) != 0; }   // SYNCHRONIZE CACHE
    [[nodiscard]] bool anchor() const { return (flags & 0x10U) != 0; }  // WRITE SAME
    [[nodiscard]] bool unmap() const { return (flags & 0x08U) != 0; }   // WRITE SAME
    [[nodiscard]] bool ndob() const { return (flags & 0x01U) != 0; }    // WRITE SAME(16)
};
[[nodiscard]] std::optional<MediaCdb> decode_media(std::span<const std::byte> cdb);

struct InquiryCdb {
    bool evpd = false;
    std::uint8_t page = 0;
    std::uint16_t allocation = 0;
};
[[nodiscard]] std::optional<InquiryCdb> decode_inquiry(std::span<const std::byte> cdb);

struct RequestSenseCdb {
    bool descriptor = false;
    std::uint8_t allocation = 0;
};
[[nodiscard]] std::optional<RequestSenseCdb> decode_request_sense(std::span<const std::byte> cdb);

struct ReportLunsCdb {
    std::uint8_t select = 0;
    std::uint32_t allocation = 0;
};
[[nodiscard]] std::optional<ReportLunsCdb> decode_report_luns(std::span<const std::byte> cdb);

struct ReadCapacityCdb {
    std::uint32_t allocation = 0;  // 8 for the 10-byte form
};
[[nodiscard]] std::optional<ReadCapacityCdb> decode_read_capacity(std::span<const std::byte> cdb);

struct ModeSenseCdb {
    bool ten = false;
    bool no_block_descriptor = false;  // DBD
    bool long_lba = false;             // LLBAA, 10-byte form only
    std::uint8_t control = 0;          // PC: 0 current, 1 changeable, 2 default, 3 saved
    std::uint8_t page = 0;
    std::uint8_t subpage = 0;
    std::uint16_t allocation = 0;
};
[[nodiscard]] std::optional<ModeSenseCdb> decode_mode_sense(std::span<const std::byte> cdb);

struct StartStopCdb {
    bool immed = false;
    std::uint8_t power_condition = 0;
    bool load_eject = false;
    bool start = false;
};
[[nodiscard]] std::optional<StartStopCdb> decode_start_stop(std::span<const std::byte> cdb);

struct UnmapCdb {
    bool anchor = false;
    std::uint16_t parameter_length = 0;
};
[[nodiscard]] std::optional<UnmapCdb> decode_unmap(std::span<const std::byte> cdb);

struct ReportOpcodesCdb {
    bool timeouts = false;     // RCTD
    std::uint8_t options = 0;  // 0 all, 1 by opcode, 2 by opcode and service action, 3 either
    std::uint8_t opcode = 0;
    std::uint16_t service_action = 0;
    std::uint32_t allocation = 0;
};
[[nodiscard]] std::optional<ReportOpcodesCdb> decode_report_opcodes(std::span<const std::byte> cdb);

}  // namespace weft::scsi
