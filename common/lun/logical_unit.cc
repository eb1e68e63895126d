// SPDX-License-Identifier: Apache-2.0
#include "common/lun/logical_unit.h"

#include <utility>

#include "common/scsi/mode.h"
#include "common/scsi/supported_opcodes.h"
#include "common/scsi/vpd.h"

namespace weft::lun {

using scsi::Opcode;
using scsi::SenseCode;
using scsi::SenseKey;

namespace {

// Answered whatever unit attention is pending (SAM-5 5.14).
bool bypasses_attention(Opcode opcode) {
    return opcode == Opcode::inquiry || opcode == Opcode::report_luns || opcode == Opcode::request_sense;
}

// NACA, bit 2 of the last byte of a CDB: auto contingent allegiance, which is not offered.
bool wants_aca(std::span<const std::byte> cdb, std::size_t length) {
    return (cdb[length - 1] & std::byte{0x04}) != std::byte{0};
}

constexpr std::uint64_t kFixedSenseBlocksMax = 1ULL << 32U;

}  // namespace

LogicalUnit::LogicalUnit(block::BlockDevice& device, Identity identity)
    : DeviceServer(device.executor()),
      device_(device),
      identity_(std::move(identity)),
      limits_(limits_of(device.geometry())) {
    WEFT_CHECK(device.geometry().blocks > 0);
    WEFT_CHECK(device.geometry().block_size <= Task::kParameterBytes);
}

// Fixed format cannot name a block beyond 2^32; what is used by default is what the control mode page says.
scsi::SenseFormat LogicalUnit::sense_format() const {
    return device_.geometry().blocks > kFixedSenseBlocksMax ? scsi::SenseFormat::descriptor
                                                            : scsi::SenseFormat::fixed;
}

void LogicalUnit::execute(Task& task, NexusUnit& nexus) {
    accept(task);
    const auto opcode = static_cast<Opcode>(task.cdb[0]);
    if (!bypasses_attention(opcode)) {
        const auto attention = nexus.take();
        if (attention != NexusUnit::Attention::none) {
            const auto sense = sense_of(attention);
            refuse(task, sense.key, sense.code);
            return;
        }
    }
    const auto support = scsi::find_supported(task.cdb, is_thin(device_.geometry()));
    if (support.command == nullptr) {
        refuse(task, SenseKey::illegal_request,
               support.opcode_known ? SenseCode::invalid_field_in_cdb : SenseCode::invalid_opcode);
        return;
    }
    if (wants_aca(task.cdb, support.command->cdb_bytes)) {
        refuse_field(task);
        return;
    }
    dispatch(task, nexus);
}

void LogicalUnit::dispatch(Task& task, NexusUnit& nexus) {
    switch (static_cast<Opcode>(task.cdb[0])) {
        case Opcode::test_unit_ready: end(task); return;
        case Opcode::request_sense: request_sense(task, nexus); return;
        case Opcode::inquiry: inquiry(task); return;
        case Opcode::report_luns: report_luns_to(task, nexus); return;
        case Opcode::read_capacity_10:
        case Opcode::service_action_in_16: read_capacity(task); return;
        case Opcode::mode_sense_6:
        case Opcode::mode_sense_10: mode_sense(task, nexus); return;
        case Opcode::start_stop_unit: start_stop(task); return;
        case Opcode::maintenance_in: report_opcodes(task); return;
        case Opcode::unmap: unmap(task, nexus); return;
        default: media(task, nexus); return;
    }
}

void LogicalUnit::refuse_field(Task& task) {
    refuse(task, SenseKey::illegal_request, SenseCode::invalid_field_in_cdb);
}

void LogicalUnit::on_parameters(Task& task, std::span<const std::byte> parameters) {
    if (static_cast<Opcode>(task.cdb[0]) == Opcode::unmap)
        unmap_extents(task, parameters);
    else
        write_pattern(task, parameters);
}

void LogicalUnit::inquiry(Task& task) {
    const auto cdb = scsi::decode_inquiry(task.cdb);
    if (!cdb || (!cdb->evpd && cdb->page != 0)) {
        refuse_field(task);
        return;
    }
    if (!cdb->evpd) {
        answer(task, encode_standard_inquiry(scsi::kPeripheralDisk, identity_.name, task.parameter),
               cdb->allocation);
        return;
    }
    const auto bytes = encode_vpd(cdb->page, device_.geometry(), identity_, task.parameter);
    if (bytes)
        answer(task, *bytes, cdb->allocation);
    else
        refuse_field(task);
}

void LogicalUnit::request_sense(Task& task, NexusUnit& nexus) { report_sense(task, sense_of(nexus.take())); }

void LogicalUnit::report_luns_to(Task& task, NexusUnit& nexus) {
    struct Empty final : LunInventory {
        [[nodiscard]] std::span<const scsi::Lun> luns() const override { return {}; }
    };
    nexus.withdraw(NexusUnit::Attention::luns_changed);
    if (nexus.luns != nullptr)
        report_luns(task, *nexus.luns);
    else
        report_luns(task, Empty{});
}

void LogicalUnit::read_capacity(Task& task) {
    const auto cdb = scsi::decode_read_capacity(task.cdb);
    if (!cdb) {
        refuse_field(task);
        return;
    }
    const auto capacity = capacity_of(device_.geometry());
    const bool ten = static_cast<Opcode>(task.cdb[0]) == Opcode::read_capacity_10;
    const std::size_t bytes = ten ? scsi::encode_capacity_10(capacity, task.parameter)
                                  : scsi::encode_capacity_16(capacity, task.parameter);
    answer(task, bytes, cdb->allocation);
}

void LogicalUnit::mode_sense(Task& task, const NexusUnit& nexus) {
    constexpr std::uint8_t kSavedValues = 3;
    const auto cdb = scsi::decode_mode_sense(task.cdb);
    if (!cdb || !scsi::has_mode_page(*cdb)) {
        refuse_field(task);
        return;
    }
    if (cdb->control == kSavedValues) {
        refuse(task, SenseKey::illegal_request, SenseCode::saving_not_supported);
        return;
    }
    const auto& geometry = device_.geometry();
    const scsi::ModeParameters parameters{
        .write_protected = !writable(nexus),
        .dpo_fua = true,
        .write_cache = geometry.volatile_cache,
        .descriptor_sense = sense_format() == scsi::SenseFormat::descriptor,
        .blocks = geometry.blocks,
        .block_size = geometry.block_size,
    };
    answer(task, scsi::encode_mode(*cdb, parameters, task.parameter), cdb->allocation);
}

void LogicalUnit::report_opcodes(Task& task) {
    const auto cdb = scsi::decode_report_opcodes(task.cdb);
    const auto bytes = cdb ? scsi::encode_supported_opcodes(*cdb, is_thin(device_.geometry()), task.parameter)
                           : std::nullopt;
    if (bytes)
        answer(task, *bytes, cdb->allocation);
    else
        refuse_field(task);
}

// Nothing spins. A stop promises that the cache is on the medium, and the unit goes on answering.
void LogicalUnit::start_stop(Task& task) {
    const auto cdb = scsi::decode_start_stop(task.cdb);
    if (!cdb || cdb->load_eject || cdb->power_condition != 0) {
        refuse_field(task);
        return;
    }
    if (cdb->start)
        end(task);
    else
        transfer(task, device_, {.kind = MediaPlan::Kind::flush});
}

}  // namespace weft::lun
