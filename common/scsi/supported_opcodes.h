// SPDX-License-Identifier: Apache-2.0
// The commands a weft logical unit serves, and REPORT SUPPORTED OPERATION CODES (SPC-4 6.35).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/scsi/cdb.h"

namespace weft::scsi {

// One command. `usage` has a 1 for each bit of the CDB that is looked at; byte 0 is the operation code.
struct SupportedCommand {
    Opcode opcode{};
    std::optional<std::uint8_t> service_action;
    std::uint8_t cdb_bytes = 0;
    std::array<std::uint8_t, 16> usage{};
};

// In ascending order of operation code. UNMAP among them, which only thin units serve.
[[nodiscard]] std::span<const SupportedCommand> supported_commands();

struct Support {
    const SupportedCommand* command = nullptr;  // none: not served, or the CDB is too short
    bool opcode_known = false;                  // then it is the service action that is not served
};
// The command a CDB asks for. `thin`: the unit serves UNMAP.
[[nodiscard]] Support find_supported(std::span<const std::byte> cdb, bool thin);

inline constexpr std::size_t kSupportedOpcodesBytesMax = 1024;

// The parameter data, before truncation to the allocation length; nothing: INVALID FIELD IN CDB.
// REQUIRES: kSupportedOpcodesBytesMax of room.
[[nodiscard]] std::optional<std::size_t> encode_supported_opcodes(const ReportOpcodesCdb& cdb, bool thin,
                                                                  std::span<std::byte> out);

}  // namespace weft::scsi
