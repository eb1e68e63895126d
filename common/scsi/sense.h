// SPDX-License-Identifier: Apache-2.0
// SCSI status and sense data (SAM-5 5.3, SPC-4 4.5), and what they mean as a block::IoStatus and back.
// Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/block/io_request.h"
#include "common/block/io_status.h"

namespace weft::scsi {

enum class Status : std::uint8_t {
    good = 0x00,
    check_condition = 0x02,
    condition_met = 0x04,
    busy = 0x08,
    reservation_conflict = 0x18,
    task_set_full = 0x28,
    aca_active = 0x30,
    task_aborted = 0x40,
};

enum class SenseKey : std::uint8_t {
    no_sense = 0x0,
    recovered_error = 0x1,
    not_ready = 0x2,
    medium_error = 0x3,
    hardware_error = 0x4,
    illegal_request = 0x5,
    unit_attention = 0x6,
    data_protect = 0x7,
    blank_check = 0x8,
    aborted_command = 0xB,
    miscompare = 0xE,
};

// Sense data as it goes on the wire; length 0: none.
struct SenseData {
    static constexpr std::size_t kBytesMax = 32;
    std::array<std::uint8_t, kBytesMax> bytes{};
    std::uint8_t length = 0;

    [[nodiscard]] std::span<const std::byte> span() const {
        return std::as_bytes(std::span(bytes.data(), length));
    }
};

// Additional sense code and qualifier (SPC-4 table 55): ASC in the high byte, ASCQ in the low byte.
enum class SenseCode : std::uint16_t {
    none = 0x0000,
    io_process_terminated = 0x0006,
    becoming_ready = 0x0401,
    communication_failure = 0x0800,
    communication_timeout = 0x0801,
    write_error = 0x0C00,
    unrecovered_read_error = 0x1100,
    parameter_list_length = 0x1A00,
    miscompare = 0x1D00,
    invalid_opcode = 0x2000,
    lba_out_of_range = 0x2100,
    invalid_field_in_cdb = 0x2400,
    unit_not_supported = 0x2500,
    invalid_field_in_parameters = 0x2600,
    write_protected = 0x2700,
    space_allocation_failed = 0x2707,
    power_on = 0x2900,
    device_reset = 0x2903,
    nexus_loss = 0x2907,
    capacity_changed = 0x2A09,
    cleared_by_other = 0x2F00,
    saving_not_supported = 0x3900,
    inquiry_changed = 0x3F03,
    luns_changed = 0x3F0E,
    internal_target_failure = 0x4400,
    crc_error = 0x4705,
    data_phase_error = 0x4B00,
};

// What sense data says.
struct Sense {
    SenseKey key = SenseKey::no_sense;
    SenseCode code = SenseCode::none;
    std::optional<std::uint64_t> information = std::nullopt;  // the LBA, for medium errors
    bool deferred = false;                                    // about an earlier command

    friend bool operator==(const Sense&, const Sense&) = default;
};

enum class SenseFormat : std::uint8_t { fixed, descriptor };

// Fixed format is 18 bytes and holds INFORMATION up to 2^32 - 1 (larger: left out, VALID = 0); descriptor
// format is 8 bytes, 20 with INFORMATION.
[[nodiscard]] SenseData encode_sense(const Sense& sense, SenseFormat format = SenseFormat::fixed);
// Either format; nothing if it is too short for a sense key or the response code is unknown.
[[nodiscard]] std::optional<Sense> decode_sense(std::span<const std::byte> bytes);

// How a command ends when the device below ended so. `lba`: the first block that failed, if known.
// A failed flush never gets a sense that initiators take for "has no cache, so all is well" (5/20, 3A/00).
struct Ending {
    Status status = Status::good;
    Sense sense;  // meaningful with check_condition only
};
[[nodiscard]] Ending ending_of(block::IoStatus status, block::IoOp op,
                               std::optional<std::uint64_t> lba = std::nullopt);

// What an initiator makes of a command's end: the status for the submitter once retries are used up, and
// whether the same command may be sent again.
enum class Retry : std::uint8_t {
    no,
    at_once,  // the command was not executed or failed in passing
    later,    // busy, becoming ready: after a delay
};
struct Verdict {
    block::IoStatus status = block::IoStatus::ok;
    Retry retry = Retry::no;
};
[[nodiscard]] Verdict judge(Status status, const std::optional<Sense>& sense);

}  // namespace weft::scsi
