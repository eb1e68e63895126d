// SPDX-License-Identifier: Apache-2.0
// The commands of a logical unit that read or change the medium (SBC-3 5). All that may be refused is refused
// before anything moves.
#include <algorithm>

#include "common/lun/logical_unit.h"

namespace weft::lun {

using block::IoOp;
using scsi::MediaCdb;
using scsi::Opcode;
using scsi::SenseCode;
using scsi::SenseKey;
using Kind = MediaPlan::Kind;

namespace {

constexpr unsigned kCompareAll = 1;  // BYTCHK

bool changes_medium(Opcode opcode) {
    switch (opcode) {
        case Opcode::write_6:
        case Opcode::write_10:
        case Opcode::write_12:
        case Opcode::write_16:
        case Opcode::write_and_verify_10:
        case Opcode::write_and_verify_12:
        case Opcode::write_and_verify_16:
        case Opcode::write_same_10:
        case Opcode::write_same_16:
        case Opcode::unmap: return true;
        default: return false;
    }
}

bool all_zero(std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

bool LogicalUnit::writable(const NexusUnit& nexus) const {
    return !nexus.read_only && !device_.geometry().read_only;
}

bool LogicalUnit::check_range(Task& task, const MediaCdb& cdb, std::uint64_t blocks_max) {
    const std::uint64_t capacity = device_.geometry().blocks;
    if (cdb.blocks > capacity || cdb.lba > capacity - cdb.blocks) {
        refuse(task, SenseKey::illegal_request, SenseCode::lba_out_of_range);
        return false;
    }
    if (cdb.blocks > blocks_max) {
        refuse_field(task);
        return false;
    }
    return true;
}

bool LogicalUnit::check_data_out(Task& task, std::uint64_t bytes) {
    if (bytes <= task.data_out_length) return true;
    refuse_field(task);
    return false;
}

void LogicalUnit::media(Task& task, const NexusUnit& nexus) {
    const auto opcode = static_cast<Opcode>(task.cdb[0]);
    if (changes_medium(opcode) && !writable(nexus)) {
        refuse(task, SenseKey::data_protect, SenseCode::write_protected);
        return;
    }
    const auto cdb = scsi::decode_media(task.cdb);
    if (!cdb) {
        refuse_field(task);
        return;
    }
    switch (opcode) {
        case Opcode::read_6:
        case Opcode::read_10:
        case Opcode::read_12:
        case Opcode::read_16: read(task, *cdb); return;
        case Opcode::write_6:
        case Opcode::write_10:
        case Opcode::write_12:
        case Opcode::write_16: write(task, *cdb); return;
        case Opcode::verify_10:
        case Opcode::verify_12:
        case Opcode::verify_16: verify(task, *cdb); return;
        case Opcode::write_and_verify_10:
        case Opcode::write_and_verify_12:
        case Opcode::write_and_verify_16: write_and_verify(task, *cdb); return;
        case Opcode::synchronize_cache_10:
        case Opcode::synchronize_cache_16: synchronize_cache(task, *cdb); return;
        case Opcode::write_same_10: write_same(task, *cdb, false); return;
        case Opcode::write_same_16: write_same(task, *cdb, true); return;
        default: break;
    }
    WEFT_UNREACHABLE("a command in the table of supported ones that nobody serves");
}

void LogicalUnit::read(Task& task, const MediaCdb& cdb) {
    if (cdb.protect() != 0) {
        refuse_field(task);
        return;
    }
    if (!check_range(task, cdb, limits_.transfer_max)) return;
    const std::uint32_t block_size = device_.geometry().block_size;
    const std::uint64_t wanted = std::uint64_t{cdb.blocks} * block_size;
    const std::uint64_t bytes = std::min(wanted, task.data_in_length);
    task.data_in_excess = wanted - bytes;
    if (bytes == 0) {
        end(task);
        return;
    }
    // Blocks that nobody has room for are not read.
    transfer(task, device_,
             {.kind = Kind::read,
              .lba = cdb.lba,
              .blocks = (bytes + block_size - 1) / block_size,
              .deliver_bytes = bytes,
              .flush_first = cdb.fua() && device_.geometry().volatile_cache});
}

// Answers what is refused and what has nothing to do. True: the transfer is to be made.
bool LogicalUnit::wants_transfer(Task& task, const MediaCdb& cdb, bool fields_fine, bool data_out) {
    if (!fields_fine) {
        refuse_field(task);
        return false;
    }
    if (!check_range(task, cdb, limits_.transfer_max)) return false;
    if (data_out && !check_data_out(task, std::uint64_t{cdb.blocks} * device_.geometry().block_size))
        return false;
    if (cdb.blocks == 0) end(task);
    return cdb.blocks != 0;
}

void LogicalUnit::write(Task& task, const MediaCdb& cdb) {
    if (!wants_transfer(task, cdb, cdb.protect() == 0, true)) return;
    transfer(task, device_,
             {.kind = Kind::write,
              .lba = cdb.lba,
              .blocks = cdb.blocks,
              .fua = cdb.fua() && device_.geometry().volatile_cache});
}

void LogicalUnit::verify(Task& task, const MediaCdb& cdb) {
    const bool compares = cdb.byte_check() == kCompareAll;
    const bool fine = cdb.protect() == 0 && cdb.byte_check() <= kCompareAll;
    if (!wants_transfer(task, cdb, fine, compares)) return;
    transfer(task, device_,
             {.kind = compares ? Kind::compare : Kind::verify,
              .lba = cdb.lba,
              .blocks = cdb.blocks,
              .flush_first = device_.geometry().volatile_cache});
}

void LogicalUnit::write_and_verify(Task& task, const MediaCdb& cdb) {
    const bool fine = cdb.protect() == 0 && cdb.byte_check() <= kCompareAll;
    if (!wants_transfer(task, cdb, fine, true)) return;
    transfer(task, device_,
             {.kind = Kind::write_verify,
              .lba = cdb.lba,
              .blocks = cdb.blocks,
              .fua = device_.geometry().volatile_cache,
              .check_bytes = cdb.byte_check() == kCompareAll});
}

// The whole cache, whatever the range, and status afterwards, whatever IMMED says: more than is asked for.
void LogicalUnit::synchronize_cache(Task& task, const MediaCdb& cdb) {
    if (!check_range(task, cdb, device_.geometry().blocks)) return;
    transfer(task, device_, {.kind = Kind::flush});
}

void LogicalUnit::write_same(Task& task, const MediaCdb& cdb, bool sixteen) {
    const auto& geometry = device_.geometry();
    const bool has_data = !(sixteen && cdb.ndob());
    if (cdb.protect() != 0 || cdb.anchor() || (cdb.unmap() && !is_thin(geometry)) ||
        (!sixteen && cdb.ndob()) ||
        cdb.blocks == 0) {  // 0 blocks: "to the end", which WSNZ in VPD B0 rules out
        refuse_field(task);
        return;
    }
    if (!check_range(task, cdb, limits_.write_same_max)) return;
    if (!has_data) {
        write_pattern(task, {});
        return;
    }
    if (!check_data_out(task, geometry.block_size)) return;
    fetch_parameters(task, geometry.block_size);
}

// `pattern`: one block, or nothing for zeros. The CDB has been checked.
void LogicalUnit::write_pattern(Task& task, std::span<const std::byte> pattern) {
    const auto& geometry = device_.geometry();
    const auto cdb = scsi::decode_media(task.cdb);
    MediaPlan plan{.kind = Kind::ranges, .lba = cdb->lba, .blocks = cdb->blocks, .may_unmap = cdb->unmap()};
    const bool zeros = all_zero(pattern);
    if (zeros && cdb->unmap() && geometry.discard_zeroes) {
        plan.range_op = IoOp::discard;
        plan.range_blocks_max = geometry.discard_blocks_max;
    } else if (zeros && geometry.write_zeroes) {
        plan.range_op = IoOp::write_zeroes;
        plan.range_blocks_max = geometry.zero_blocks_max;
    } else {
        plan.kind = Kind::fill;
        plan.pattern = pattern;
    }
    transfer(task, device_, plan);
}

void LogicalUnit::unmap(Task& task, const NexusUnit& nexus) {
    if (!writable(nexus)) {
        refuse(task, SenseKey::data_protect, SenseCode::write_protected);
        return;
    }
    const auto cdb = scsi::decode_unmap(task.cdb);
    if (!cdb || cdb->anchor) {
        refuse_field(task);
        return;
    }
    if (cdb->parameter_length == 0) {
        end(task);
        return;
    }
    if (cdb->parameter_length < scsi::kUnmapHeaderBytes) {
        refuse(task, SenseKey::illegal_request, SenseCode::parameter_list_length);
        return;
    }
    if (!check_data_out(task, cdb->parameter_length)) return;
    fetch_parameters(task, std::min<std::uint32_t>(cdb->parameter_length, Task::kParameterBytes));
}

void LogicalUnit::unmap_extents(Task& task, std::span<const std::byte> parameters) {
    const auto cdb = scsi::decode_unmap(task.cdb);
    const auto list = scsi::UnmapList::decode(parameters, cdb->parameter_length);
    WEFT_CHECK(list);
    if (list->announced() > limits_.unmap_extents_max) {
        refuse(task, SenseKey::illegal_request, SenseCode::invalid_field_in_parameters);
        return;
    }
    const std::uint64_t capacity = device_.geometry().blocks;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto extent = list->at(i);
        if (extent.blocks > capacity || extent.lba > capacity - extent.blocks) {
            refuse(task, SenseKey::illegal_request, SenseCode::lba_out_of_range);
            return;
        }
        total += extent.blocks;
    }
    if (total > limits_.unmap_blocks_max) {
        refuse(task, SenseKey::illegal_request, SenseCode::invalid_field_in_parameters);
        return;
    }
    if (total == 0) {
        end(task);
        return;
    }
    transfer(task, device_,
             {.kind = Kind::ranges,
              .range_op = IoOp::discard,
              .range_blocks_max = device_.geometry().discard_blocks_max,
              .extents = list});
}

}  // namespace weft::lun
