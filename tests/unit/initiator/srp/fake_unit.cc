// SPDX-License-Identifier: Apache-2.0
// What the fake target's unit says and does, and the oracle of its medium.
#include <algorithm>
#include <cstring>

#include "common/scsi/capacity.h"
#include "common/scsi/designator.h"
#include "common/scsi/inquiry.h"
#include "common/scsi/lun.h"
#include "common/scsi/mode.h"
#include "common/scsi/unmap.h"
#include "common/scsi/vpd.h"
#include "tests/unit/initiator/srp/fake_channel.h"

namespace weft::test {

std::optional<std::vector<std::byte>> FakeTarget::inquire(const scsi::Cdb& cdb) {
    const auto request = scsi::decode_inquiry(cdb);
    std::vector<std::byte> out(scsi::kVpdBytesMax);
    std::size_t length = 0;
    const bool weft = !habits_.name.empty();
    if (!request->evpd) {
        scsi::StandardInquiry inquiry;
        inquiry.peripheral = habits_.has_unit ? scsi::kPeripheralDisk : scsi::kPeripheralNone;
        inquiry.vendor = weft ? "WEFT" : "LIO-ORG";
        length = scsi::encode_inquiry_data(inquiry, out);
    } else {
        static constexpr std::uint8_t kPages[] = {0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2};
        switch (request->page) {
            case 0x00: length = scsi::encode_supported_pages(kPages, out); break;
            case 0x80: length = scsi::encode_serial_number(habits_.uuid.to_string(), out); break;
            case 0x83:
                if (!weft) return std::nullopt;
                length = scsi::encode_identification({habits_.uuid, habits_.name, {}}, out);
                break;
            case 0xB0: {
                scsi::BlockLimits limits;
                limits.unmap_blocks_max = habits_.unmap_max;
                limits.unmap_extents_max = 1;
                limits.write_same_max = habits_.write_same_max;
                limits.transfer_max = static_cast<std::uint32_t>(kDataBytes / habits_.block_size);
                length = scsi::encode_block_limits(limits, out);
                break;
            }
            case 0xB1: length = scsi::encode_characteristics({.rotation_rate = 1}, out); break;
            case 0xB2:
                length = scsi::encode_provisioning(
                    {.unmap = true, .write_same_16 = true, .read_zeroes = 1, .type = 2}, out);
                break;
            default: return std::nullopt;
        }
    }
    out.resize(std::min<std::size_t>(length, request->allocation));
    return out;
}

void FakeTarget::execute(const TaskPtr& task) {
    const auto opcode = static_cast<scsi::Opcode>(std::to_integer<std::uint8_t>(task->cdb[0]));
    opcodes.push_back(static_cast<std::uint8_t>(opcode));
    const auto illegal = [&] {
        answer(task, {}, scsi::Status::check_condition,
               scsi::Sense{scsi::SenseKey::illegal_request, scsi::SenseCode::invalid_field_in_cdb});
    };
    std::vector<std::byte> out(256);
    switch (opcode) {
        case scsi::Opcode::inquiry:
            if (auto page = inquire(task->cdb))
                answer(task, std::move(*page));
            else
                illegal();
            return;
        case scsi::Opcode::report_luns: {
            std::vector<scsi::Lun> luns;
            if (habits_.has_unit) luns.push_back({.number = static_cast<std::uint16_t>(habits_.lun)});
            out.resize(scsi::encode_report_luns(luns, out));
            answer(task, out);
            return;
        }
        case scsi::Opcode::service_action_in_16: {
            scsi::Capacity capacity{.blocks = habits_.blocks,
                                    .block_size = habits_.block_size,
                                    .thin = true,
                                    .unmapped_zeroes = true};
            out.resize(scsi::encode_capacity_16(capacity, out));
            answer(task, out);
            return;
        }
        case scsi::Opcode::mode_sense_6: {
            const auto mode = scsi::decode_mode_sense(task->cdb);
            out.resize(scsi::encode_mode(*mode,
                                         {.dpo_fua = habits_.fua,
                                          .write_cache = habits_.write_cache,
                                          .blocks = habits_.blocks,
                                          .block_size = habits_.block_size},
                                         out));
            answer(task, out);
            return;
        }
        default: break;
    }
    if (!habits_.senses.empty()) {
        const scsi::Sense sense = habits_.senses.front();
        habits_.senses.pop_front();
        answer(task, {}, scsi::Status::check_condition, sense);
        return;
    }
    if (!habits_.statuses.empty()) {
        const scsi::Status status = habits_.statuses.front();
        habits_.statuses.pop_front();
        answer(task, {}, status);
        return;
    }
    task->started = true;
    world_.after(world_.random().between(habits_.backend_min, habits_.backend_max), &node_,
                 [this, task] { media(task); });
}

void Medium::land(sim::World& world, std::uint64_t lba, std::span<const std::byte> data, std::size_t block) {
    for (std::size_t at = 0; at < data.size(); at += block, ++lba) {
        std::uint64_t version = 0;
        std::memcpy(&version, data.data() + at, sizeof version);
        std::uint64_t& newest = landed[lba];
        if (version < newest) {
            ++ghosts;
            world.trace("ghost: block " + std::to_string(lba) + " version " + std::to_string(version) +
                        " after " + std::to_string(newest));
        }
        newest = version;
        std::memcpy(bytes.data() + lba * block, data.data() + at, block);
    }
}

void FakeTarget::media(const TaskPtr& task) {
    const auto opcode = static_cast<scsi::Opcode>(std::to_integer<std::uint8_t>(task->cdb[0]));
    const auto cdb = scsi::decode_media(task->cdb);
    const std::uint64_t block = habits_.block_size;
    switch (opcode) {
        case scsi::Opcode::read_10:
        case scsi::Opcode::read_16: {
            WEFT_CHECK(cdb->lba + cdb->blocks <= habits_.blocks);
            const std::byte* at = medium_.bytes.data() + cdb->lba * block;
            answer(task, std::vector<std::byte>(at, at + cdb->blocks * block - habits_.short_by));
            return;
        }
        case scsi::Opcode::write_10:
        case scsi::Opcode::write_16:
            WEFT_CHECK(cdb->lba + cdb->blocks <= habits_.blocks && task->data.size() == cdb->blocks * block);
            if (cdb->fua()) ++fua_writes;
            medium_.land(world_, cdb->lba, task->data, block);
            break;
        case scsi::Opcode::synchronize_cache_10:
        case scsi::Opcode::synchronize_cache_16: ++flushes; break;
        case scsi::Opcode::unmap: {
            const auto list = scsi::UnmapList::decode(task->data, task->data.size());
            WEFT_CHECK(list && list->size() == 1 && list->at(0).blocks <= habits_.unmap_max);
            std::fill_n(medium_.bytes.begin() + static_cast<std::ptrdiff_t>(list->at(0).lba * block),
                        list->at(0).blocks * block, std::byte{0});
            break;
        }
        case scsi::Opcode::write_same_16: {
            WEFT_CHECK(cdb->blocks <= habits_.write_same_max);
            if (cdb->ndob()) ++ndob;
            const bool zero = std::all_of(task->data.begin(), task->data.end(),
                                          [](std::byte b) { return b == std::byte{0}; });
            WEFT_CHECK(zero && task->data.size() == (cdb->ndob() ? 0 : block));
            std::fill_n(medium_.bytes.begin() + static_cast<std::ptrdiff_t>(cdb->lba * block),
                        cdb->blocks * block, std::byte{0});
            break;
        }
        default:
            answer(task, {}, scsi::Status::check_condition,
                   scsi::Sense{scsi::SenseKey::illegal_request, scsi::SenseCode::invalid_opcode});
            return;
    }
    answer(task, {});
}

}  // namespace weft::test
