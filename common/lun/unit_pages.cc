// SPDX-License-Identifier: Apache-2.0
#include "common/lun/unit_pages.h"

#include <algorithm>
#include <array>
#include <bit>

#include "common/lun/task.h"
#include "common/scsi/designator.h"
#include "common/scsi/unmap.h"
#include "common/scsi/vpd.h"

namespace weft::lun {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
// Bounds the time one command takes, well below the 30 s after which Linux aborts it.
constexpr std::uint64_t kTransferBytesMax = 32 * kMiB;
constexpr std::uint64_t kZeroBytesMax = 256 * kMiB;  // zeroing that the device can do by itself
constexpr std::uint64_t kUnmapBytesMax = 4096 * kMiB;
constexpr std::uint64_t kOptimalBytes = kPieceBytesMax;
constexpr std::size_t kProductBytes = 16;
constexpr std::string_view kProduct = "volume";
constexpr std::string_view kRevision = "0001";
constexpr std::array kPages = {scsi::kVpdSupportedPages, scsi::kVpdSerialNumber,    scsi::kVpdIdentification,
                               scsi::kVpdBlockLimits,    scsi::kVpdCharacteristics, scsi::kVpdProvisioning,
                               scsi::kVpdEpoch};
constexpr std::uint16_t kNotRotating = 1;
constexpr std::uint16_t kSomeRotationRate = 7200;  // "rotates, who knows how fast" has no code of its own
constexpr std::uint8_t kThin = 2;

scsi::BlockLimits block_limits_of(const block::Geometry& geometry) {
    const UnitLimits limits = limits_of(geometry);
    const std::uint64_t optimal =
        geometry.optimal_blocks != 0 ? geometry.optimal_blocks : kOptimalBytes / geometry.block_size;
    scsi::BlockLimits page{
        .write_same_nonzero = true,
        .optimal_granularity = static_cast<std::uint16_t>(
            std::min<std::uint32_t>(geometry.physical_block_size / geometry.block_size, 0xFFFFU)),
        .transfer_max = limits.transfer_max,
        .transfer_optimal = static_cast<std::uint32_t>(std::min<std::uint64_t>(optimal, limits.transfer_max)),
        .write_same_max = limits.write_same_max};
    if (is_thin(geometry)) {
        page.unmap_blocks_max = static_cast<std::uint32_t>(limits.unmap_blocks_max);
        page.unmap_extents_max = limits.unmap_extents_max;
        page.unmap_granularity = geometry.discard_granularity;
        page.unmap_alignment = 0;
    }
    return page;
}

scsi::Provisioning provisioning_of(const block::Geometry& geometry) {
    if (!is_thin(geometry)) return {};
    return {.unmap = true,
            .write_same_16 = true,
            .write_same_10 = true,
            .read_zeroes = static_cast<std::uint8_t>(geometry.discard_zeroes ? 1U : 0U),
            .type = kThin};
}

}  // namespace

bool is_thin(const block::Geometry& geometry) { return geometry.discard_granularity != 0; }

UnitLimits limits_of(const block::Geometry& geometry) {
    const std::uint64_t block = geometry.block_size;
    const bool zeroes_itself = geometry.write_zeroes || (is_thin(geometry) && geometry.discard_zeroes);
    UnitLimits limits{.transfer_max = static_cast<std::uint32_t>(kTransferBytesMax / block),
                      .write_same_max = (zeroes_itself ? kZeroBytesMax : kTransferBytesMax) / block};
    if (is_thin(geometry)) {
        limits.unmap_blocks_max = kUnmapBytesMax / block;
        limits.unmap_extents_max =
            (Task::kParameterBytes - scsi::kUnmapHeaderBytes) / scsi::kUnmapExtentBytes;
    }
    return limits;
}

scsi::Capacity capacity_of(const block::Geometry& geometry) {
    const auto ratio = geometry.physical_block_size / geometry.block_size;
    return {.blocks = geometry.blocks,
            .block_size = geometry.block_size,
            .physical_exponent = static_cast<std::uint8_t>(std::countr_zero(ratio)),
            .thin = is_thin(geometry),
            .unmapped_zeroes = is_thin(geometry) && geometry.discard_zeroes};
}

std::size_t encode_standard_inquiry(std::uint8_t peripheral, std::string_view name,
                                    std::span<std::byte> out) {
    const bool fits = !name.empty() && name.size() <= kProductBytes;
    return scsi::encode_inquiry_data({.peripheral = peripheral,
                                      .vendor = std::string(scsi::kVendor),
                                      .product = std::string(fits ? name : kProduct),
                                      .revision = std::string(kRevision)},
                                     out);
}

std::optional<std::size_t> encode_vpd(std::uint8_t page, const block::Geometry& geometry,
                                      const Identity& identity, std::span<std::byte> out) {
    switch (page) {
        case scsi::kVpdSupportedPages: {
            const std::size_t hidden = identity.epoch.known() ? 0 : 1;
            return scsi::encode_supported_pages(std::span(kPages).first(kPages.size() - hidden), out);
        }
        case scsi::kVpdSerialNumber: return scsi::encode_serial_number(identity.uuid.to_string(), out);
        case scsi::kVpdIdentification:
            return scsi::encode_identification(
                {.uuid = identity.uuid, .name = identity.name, .target_port = identity.target_port}, out);
        case scsi::kVpdBlockLimits: return scsi::encode_block_limits(block_limits_of(geometry), out);
        case scsi::kVpdCharacteristics:
            return scsi::encode_characteristics(
                {.rotation_rate = geometry.rotational ? kSomeRotationRate : kNotRotating}, out);
        case scsi::kVpdProvisioning: return scsi::encode_provisioning(provisioning_of(geometry), out);
        case scsi::kVpdEpoch:
            if (!identity.epoch.known()) return std::nullopt;
            return scsi::encode_epoch(identity.epoch, out);
        default: return std::nullopt;
    }
}

}  // namespace weft::lun
