// SPDX-License-Identifier: Apache-2.0
// Operation codes (SPC-4, SBC-3) weft sends, serves or knows by name.
#pragma once

#include <cstdint>

namespace weft::scsi {

enum class Opcode : std::uint8_t {
    test_unit_ready = 0x00,
    request_sense = 0x03,
    read_6 = 0x08,
    write_6 = 0x0A,
    inquiry = 0x12,
    mode_sense_6 = 0x1A,
    start_stop_unit = 0x1B,
    prevent_allow_medium_removal = 0x1E,
    read_capacity_10 = 0x25,
    read_10 = 0x28,
    write_10 = 0x2A,
    write_and_verify_10 = 0x2E,
    verify_10 = 0x2F,
    synchronize_cache_10 = 0x35,
    write_same_10 = 0x41,
    unmap = 0x42,
    mode_sense_10 = 0x5A,
    read_16 = 0x88,
    write_16 = 0x8A,
    write_and_verify_16 = 0x8E,
    verify_16 = 0x8F,
    synchronize_cache_16 = 0x91,
    write_same_16 = 0x93,
    service_action_in_16 = 0x9E,
    report_luns = 0xA0,
    maintenance_in = 0xA3,
    read_12 = 0xA8,
    write_12 = 0xAA,
    write_and_verify_12 = 0xAE,
    verify_12 = 0xAF,
};

// SERVICE ACTION IN(16), byte 1 bits 4:0.
inline constexpr std::uint8_t kReadCapacity16 = 0x10;
// MAINTENANCE IN, byte 1 bits 4:0.
inline constexpr std::uint8_t kReportSupportedOpcodes = 0x0C;

}  // namespace weft::scsi
