// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/sense.h"

#include "common/core/big_endian.h"
#include "common/core/check.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

using block::IoOp;
using block::IoStatus;

constexpr std::uint8_t kFixedCurrent = 0x70;
constexpr std::uint8_t kFixedDeferred = 0x71;
constexpr std::uint8_t kDescriptorCurrent = 0x72;
constexpr std::uint8_t kDescriptorDeferred = 0x73;
constexpr std::uint8_t kValid = 0x80;

// SPC-4 4.5.3.
struct FixedSense {
    std::uint8_t response;  // bit 7: INFORMATION is valid
    std::uint8_t obsolete;
    std::uint8_t key;
    be32 information;
    std::uint8_t additional_length;
    be32 command_specific;
    be16 code;
    std::uint8_t field_replaceable_unit;
    std::array<std::uint8_t, 3> key_specific;
};
static_assert(sizeof(FixedSense) == 18 && alignof(FixedSense) == 1);
static_assert(offsetof(FixedSense, information) == 3 && offsetof(FixedSense, code) == 12);
constexpr std::size_t kFixedHeader = 8;  // up to the additional length

// SPC-4 4.5.2.
struct DescriptorSense {
    std::uint8_t response;
    std::uint8_t key;
    be16 code;
    std::array<std::uint8_t, 3> reserved;
    std::uint8_t additional_length;
};
static_assert(sizeof(DescriptorSense) == 8 && alignof(DescriptorSense) == 1);

struct InformationDescriptor {
    std::uint8_t type;  // 0
    std::uint8_t additional_length;
    std::uint8_t valid;
    std::uint8_t reserved;
    be64 information;
};
static_assert(sizeof(InformationDescriptor) == 12 && offsetof(InformationDescriptor, information) == 4);

SenseData encode_fixed(const Sense& sense) {
    FixedSense wire{};
    wire.response = sense.deferred ? kFixedDeferred : kFixedCurrent;
    wire.key = static_cast<std::uint8_t>(sense.key);
    wire.additional_length = sizeof(FixedSense) - kFixedHeader;
    wire.code = static_cast<std::uint16_t>(sense.code);
    if (sense.information && *sense.information <= 0xFFFFFFFFU) {
        wire.response |= kValid;
        wire.information = static_cast<std::uint32_t>(*sense.information);
    }
    SenseData out;
    out.length = static_cast<std::uint8_t>(store(wire, std::as_writable_bytes(std::span(out.bytes))));
    return out;
}

SenseData encode_descriptor(const Sense& sense) {
    DescriptorSense wire{};
    wire.response = sense.deferred ? kDescriptorDeferred : kDescriptorCurrent;
    wire.key = static_cast<std::uint8_t>(sense.key);
    wire.code = static_cast<std::uint16_t>(sense.code);
    wire.additional_length = sense.information ? sizeof(InformationDescriptor) : 0;
    SenseData out;
    const auto bytes = std::as_writable_bytes(std::span(out.bytes));
    std::size_t length = store(wire, bytes);
    if (sense.information) {
        const InformationDescriptor descriptor{.type = 0,
                                               .additional_length = sizeof(InformationDescriptor) - 2,
                                               .valid = kValid,
                                               .information = *sense.information};
        length += store(descriptor, bytes.subspan(length));
    }
    out.length = static_cast<std::uint8_t>(length);
    return out;
}

std::optional<Sense> decode_fixed(std::span<const std::byte> bytes, bool deferred) {
    constexpr std::size_t kKeyEnd = 3;
    if (bytes.size() < kKeyEnd) return std::nullopt;
    if (bytes.size() >= kFixedHeader) {
        const std::size_t length = kFixedHeader + std::to_integer<std::size_t>(bytes[kFixedHeader - 1]);
        if (bytes.size() > length) bytes = bytes.first(length);
    }
    const auto wire = load_short<FixedSense>(bytes);
    Sense sense{.key = static_cast<SenseKey>(wire.key & 0x0FU),
                .code = static_cast<SenseCode>(wire.code.value()),
                .deferred = deferred};
    if ((wire.response & kValid) != 0 && bytes.size() >= kFixedHeader - 1)
        sense.information = wire.information.value();
    return sense;
}

std::optional<Sense> decode_descriptors(std::span<const std::byte> bytes, bool deferred) {
    const auto wire = load<DescriptorSense>(bytes);
    if (!wire) return std::nullopt;
    Sense sense{.key = static_cast<SenseKey>(wire->key & 0x0FU),
                .code = static_cast<SenseCode>(wire->code.value()),
                .deferred = deferred};
    auto rest = bytes.subspan(sizeof(DescriptorSense));
    if (rest.size() > wire->additional_length) rest = rest.first(wire->additional_length);
    while (rest.size() >= 2) {
        const std::size_t length = 2 + std::to_integer<std::size_t>(rest[1]);
        if (length > rest.size()) break;
        const auto information = load<InformationDescriptor>(rest.first(length));
        if (information && information->type == 0 && (information->valid & kValid) != 0)
            sense.information = information->information.value();
        rest = rest.subspan(length);
    }
    return sense;
}

Ending check(SenseKey key, SenseCode code, std::optional<std::uint64_t> information = std::nullopt) {
    return {Status::check_condition, {.key = key, .code = code, .information = information}};
}

Verdict judge_illegal(SenseCode code) {
    switch (static_cast<std::uint16_t>(code) >> 8U) {
        case 0x20:
        case 0x24:
        case 0x26: return {IoStatus::not_supported, Retry::no};
        case 0x21: return {IoStatus::out_of_range, Retry::no};
        default: return {IoStatus::io_error, Retry::no};
    }
}

Verdict judge_aborted(SenseCode code) {
    if (code == SenseCode::communication_failure) return {IoStatus::connection_lost, Retry::at_once};
    if (code == SenseCode::communication_timeout) return {IoStatus::timed_out, Retry::at_once};
    switch (static_cast<std::uint16_t>(code) >> 8U) {
        case 0x10: return {IoStatus::data_corrupt, Retry::no};  // protection information does not match
        case 0x47: return {IoStatus::data_corrupt, Retry::at_once};
        default: return {IoStatus::io_error, Retry::at_once};
    }
}

Verdict judge_sense(const Sense& sense) {
    const auto code = static_cast<unsigned>(sense.code);
    // An earlier, acknowledged command failed: sending this one again would hide that.
    if (sense.deferred && sense.key != SenseKey::recovered_error) return {IoStatus::io_error, Retry::no};
    switch (sense.key) {
        case SenseKey::no_sense:
        case SenseKey::recovered_error: return {IoStatus::ok, Retry::no};
        case SenseKey::not_ready: {
            const bool passing = code == 0x0400 || code == 0x0401 || (code >= 0x0404 && code <= 0x040D);
            return {IoStatus::io_error, passing ? Retry::later : Retry::no};
        }
        case SenseKey::medium_error: return {IoStatus::medium_error, Retry::no};
        case SenseKey::illegal_request: return judge_illegal(sense.code);
        case SenseKey::unit_attention: return {IoStatus::io_error, Retry::at_once};
        case SenseKey::data_protect:
            if (sense.code == SenseCode::space_allocation_failed) return {IoStatus::no_space, Retry::no};
            return {code >> 8U == 0x27 ? IoStatus::read_only : IoStatus::io_error, Retry::no};
        case SenseKey::aborted_command: return judge_aborted(sense.code);
        case SenseKey::hardware_error:
        case SenseKey::blank_check:
        case SenseKey::miscompare: break;
    }
    return {IoStatus::io_error, Retry::no};  // also keys weft has no name for
}

}  // namespace

SenseData encode_sense(const Sense& sense, SenseFormat format) {
    return format == SenseFormat::fixed ? encode_fixed(sense) : encode_descriptor(sense);
}

std::optional<Sense> decode_sense(std::span<const std::byte> bytes) {
    if (bytes.empty()) return std::nullopt;
    switch (std::to_integer<std::uint8_t>(bytes[0]) & 0x7FU) {
        case kFixedCurrent: return decode_fixed(bytes, false);
        case kFixedDeferred: return decode_fixed(bytes, true);
        case kDescriptorCurrent: return decode_descriptors(bytes, false);
        case kDescriptorDeferred: return decode_descriptors(bytes, true);
        default: return std::nullopt;
    }
}

Ending ending_of(IoStatus status, IoOp op, std::optional<std::uint64_t> lba) {
    switch (status) {
        case IoStatus::ok: return {};
        case IoStatus::out_of_range: return check(SenseKey::illegal_request, SenseCode::lba_out_of_range);
        case IoStatus::not_supported:
            if (op == IoOp::flush || op == IoOp::read || op == IoOp::write)
                return check(SenseKey::hardware_error, SenseCode::internal_target_failure);
            return check(SenseKey::illegal_request, SenseCode::invalid_opcode);
        case IoStatus::read_only: return check(SenseKey::data_protect, SenseCode::write_protected);
        case IoStatus::medium_error:
            return check(SenseKey::medium_error,
                         op == IoOp::read ? SenseCode::unrecovered_read_error : SenseCode::write_error, lba);
        case IoStatus::no_space: return check(SenseKey::data_protect, SenseCode::space_allocation_failed);
        case IoStatus::io_error:
            return check(SenseKey::hardware_error, SenseCode::internal_target_failure, lba);
        case IoStatus::data_corrupt: return check(SenseKey::aborted_command, SenseCode::crc_error);
        // Not 2E/01-03: Linux gives those up at once. These it sends again a few times.
        case IoStatus::timed_out: return check(SenseKey::aborted_command, SenseCode::communication_timeout);
        case IoStatus::connection_lost:
            return check(SenseKey::aborted_command, SenseCode::communication_failure);
        case IoStatus::aborted: return check(SenseKey::aborted_command, SenseCode::io_process_terminated);
        case IoStatus::reservation_conflict: return {Status::reservation_conflict, {}};
    }
    WEFT_UNREACHABLE("IoStatus");
}

Verdict judge(Status status, const std::optional<Sense>& sense) {
    switch (status) {
        case Status::good:
        case Status::condition_met: return {IoStatus::ok, Retry::no};
        case Status::check_condition:
            if (!sense) return {IoStatus::io_error, Retry::at_once};
            return judge_sense(*sense);
        case Status::busy:
        case Status::task_set_full:
        case Status::aca_active: return {IoStatus::io_error, Retry::later};
        case Status::reservation_conflict: return {IoStatus::reservation_conflict, Retry::no};
        case Status::task_aborted: return {IoStatus::aborted, Retry::at_once};
    }
    return {IoStatus::io_error, Retry::no};
}

}  // namespace weft::scsi
