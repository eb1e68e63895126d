// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/vpd.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/core/big_endian.h"
#include "common/scsi/inquiry.h"
#include "common/scsi/text.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

struct Header {
    std::uint8_t peripheral;
    std::uint8_t page;
    be16 length;
};
static_assert(sizeof(Header) == kVpdHeaderBytes);

// Bodies: the page from its byte 4 on.
struct LimitsBody {
    std::uint8_t flags;  // 0 WSNZ
    std::uint8_t compare_and_write_max;
    be16 optimal_granularity;
    be32 transfer_max;
    be32 transfer_optimal;
    be32 prefetch_max;
    be32 unmap_blocks_max;
    be32 unmap_extents_max;
    be32 unmap_granularity;
    be32 unmap_alignment;  // 31 UGAVALID
    be64 write_same_max;
    std::array<std::uint8_t, 20> atomic;
};
static_assert(sizeof(LimitsBody) == 0x3C && alignof(LimitsBody) == 1);
static_assert(offsetof(LimitsBody, transfer_max) + kVpdHeaderBytes == 8);
static_assert(offsetof(LimitsBody, unmap_blocks_max) + kVpdHeaderBytes == 20);
static_assert(offsetof(LimitsBody, write_same_max) + kVpdHeaderBytes == 36);
constexpr std::uint32_t kAlignmentValid = 0x80000000U;

struct CharacteristicsBody {
    be16 rotation_rate;
    std::uint8_t product_type;
    std::uint8_t form_factor;
    std::uint8_t flags;  // 5:4 ZONED
    std::array<std::uint8_t, 55> reserved;
};
static_assert(sizeof(CharacteristicsBody) == 0x3C);

struct ProvisioningBody {
    std::uint8_t threshold_exponent;
    std::uint8_t flags;  // 7 LBPU, 6 LBPWS, 5 LBPWS10, 4:2 LBPRZ
    std::uint8_t type;   // 2:0
    std::uint8_t reserved;
};
static_assert(sizeof(ProvisioningBody) == 4);

struct EpochBody {
    be16 mark;
    std::uint8_t version;
    std::uint8_t flags;  // 0 everything is lost when it ends
    std::array<std::uint8_t, 16> id;
};
static_assert(sizeof(EpochBody) == 20);
constexpr std::uint16_t kEpochMark = 0x5746;  // "WF"
constexpr std::uint8_t kEpochVersion = 1;

template <class Body>
std::size_t encode_page(std::uint8_t page, const Body& body, std::span<std::byte> out) {
    const std::size_t header = encode_vpd_header(page, sizeof(Body), out);
    return header + store(body, out.subspan(header));
}

}  // namespace

std::size_t encode_vpd_header(std::uint8_t page, std::size_t length, std::span<std::byte> out) {
    WEFT_CHECK(length <= 0xFFFF);
    return store(
        Header{.peripheral = kPeripheralDisk, .page = page, .length = static_cast<std::uint16_t>(length)},
        out);
}

std::optional<std::span<const std::byte>> vpd_body(std::uint8_t page, std::span<const std::byte> bytes) {
    const auto header = load<Header>(bytes);
    if (!header || header->page != page) return std::nullopt;
    const auto rest = bytes.subspan(sizeof(Header));
    return rest.first(std::min<std::size_t>(rest.size(), header->length.value()));
}

std::size_t encode_supported_pages(std::span<const std::uint8_t> pages, std::span<std::byte> out) {
    WEFT_CHECK(kVpdHeaderBytes + pages.size() <= out.size());
    const std::size_t header = encode_vpd_header(kVpdSupportedPages, pages.size(), out);
    if (!pages.empty()) std::memcpy(out.data() + header, pages.data(), pages.size());
    return header + pages.size();
}

std::optional<std::vector<std::uint8_t>> decode_supported_pages(std::span<const std::byte> bytes) {
    const auto body = vpd_body(kVpdSupportedPages, bytes);
    if (!body) return std::nullopt;
    std::vector<std::uint8_t> pages;
    pages.reserve(body->size());
    for (const std::byte page : *body) pages.push_back(std::to_integer<std::uint8_t>(page));
    return pages;
}

std::size_t encode_serial_number(std::string_view serial, std::span<std::byte> out) {
    constexpr std::size_t kSerialMax = 255;
    std::array<std::uint8_t, kSerialMax> text;
    const std::size_t length = std::min(serial.size(), text.size());
    put_text(serial, std::span(text).first(length));
    WEFT_CHECK(kVpdHeaderBytes + length <= out.size());
    const std::size_t header = encode_vpd_header(kVpdSerialNumber, length, out);
    std::memcpy(out.data() + header, text.data(), length);
    return header + length;
}

std::optional<std::string> decode_serial_number(std::span<const std::byte> bytes) {
    const auto body = vpd_body(kVpdSerialNumber, bytes);
    if (!body) return std::nullopt;
    std::array<std::uint8_t, kVpdBytesMax> text;
    const std::size_t length = std::min(body->size(), text.size());
    if (length != 0) std::memcpy(text.data(), body->data(), length);
    return get_text(std::span(text).first(length));
}

std::size_t encode_block_limits(const BlockLimits& limits, std::span<std::byte> out) {
    const std::uint32_t alignment =
        limits.unmap_alignment ? kAlignmentValid | (*limits.unmap_alignment & ~kAlignmentValid) : 0;
    return encode_page(kVpdBlockLimits,
                       LimitsBody{.flags = static_cast<std::uint8_t>(limits.write_same_nonzero ? 1U : 0U),
                                  .optimal_granularity = limits.optimal_granularity,
                                  .transfer_max = limits.transfer_max,
                                  .transfer_optimal = limits.transfer_optimal,
                                  .unmap_blocks_max = limits.unmap_blocks_max,
                                  .unmap_extents_max = limits.unmap_extents_max,
                                  .unmap_granularity = limits.unmap_granularity,
                                  .unmap_alignment = alignment,
                                  .write_same_max = limits.write_same_max},
                       out);
}

std::optional<BlockLimits> decode_block_limits(std::span<const std::byte> bytes) {
    const auto body = vpd_body(kVpdBlockLimits, bytes);
    if (!body) return std::nullopt;
    const auto wire = load_short<LimitsBody>(*body);
    BlockLimits limits{.write_same_nonzero = (wire.flags & 1U) != 0,
                       .optimal_granularity = wire.optimal_granularity.value(),
                       .transfer_max = wire.transfer_max.value(),
                       .transfer_optimal = wire.transfer_optimal.value(),
                       .unmap_blocks_max = wire.unmap_blocks_max.value(),
                       .unmap_extents_max = wire.unmap_extents_max.value(),
                       .unmap_granularity = wire.unmap_granularity.value(),
                       .write_same_max = wire.write_same_max.value()};
    const std::uint32_t alignment = wire.unmap_alignment.value();
    if ((alignment & kAlignmentValid) != 0) limits.unmap_alignment = alignment & ~kAlignmentValid;
    return limits;
}

std::size_t encode_characteristics(const Characteristics& characteristics, std::span<std::byte> out) {
    return encode_page(
        kVpdCharacteristics,
        CharacteristicsBody{.rotation_rate = characteristics.rotation_rate,
                            .flags = static_cast<std::uint8_t>((characteristics.zoned & 3U) << 4U)},
        out);
}

std::optional<Characteristics> decode_characteristics(std::span<const std::byte> bytes) {
    const auto body = vpd_body(kVpdCharacteristics, bytes);
    if (!body) return std::nullopt;
    const auto wire = load_short<CharacteristicsBody>(*body);
    return Characteristics{.rotation_rate = wire.rotation_rate.value(),
                           .zoned = static_cast<std::uint8_t>((wire.flags >> 4U) & 3U)};
}

std::size_t encode_provisioning(const Provisioning& provisioning, std::span<std::byte> out) {
    const unsigned flags = (provisioning.unmap ? 0x80U : 0U) | (provisioning.write_same_16 ? 0x40U : 0U) |
                           (provisioning.write_same_10 ? 0x20U : 0U) | (provisioning.read_zeroes & 7U) << 2U;
    return encode_page(kVpdProvisioning,
                       ProvisioningBody{.flags = static_cast<std::uint8_t>(flags),
                                        .type = static_cast<std::uint8_t>(provisioning.type & 7U)},
                       out);
}

std::optional<Provisioning> decode_provisioning(std::span<const std::byte> bytes) {
    const auto body = vpd_body(kVpdProvisioning, bytes);
    if (!body) return std::nullopt;
    const auto wire = load_short<ProvisioningBody>(*body);
    return Provisioning{.unmap = (wire.flags & 0x80U) != 0,
                        .write_same_16 = (wire.flags & 0x40U) != 0,
                        .write_same_10 = (wire.flags & 0x20U) != 0,
                        .read_zeroes = static_cast<std::uint8_t>((wire.flags >> 2U) & 7U),
                        .type = static_cast<std::uint8_t>(wire.type & 7U)};
}

std::size_t encode_epoch(const Epoch& epoch, std::span<std::byte> out) {
    return encode_page(kVpdEpoch,
                       EpochBody{.mark = kEpochMark,
                                 .version = kEpochVersion,
                                 .flags = static_cast<std::uint8_t>(epoch.whole ? 1U : 0U),
                                 .id = epoch.id.bytes},
                       out);
}

std::optional<Epoch> decode_epoch(std::span<const std::byte> bytes) {
    const auto body = vpd_body(kVpdEpoch, bytes);
    if (!body) return std::nullopt;
    const auto wire = load<EpochBody>(*body);
    if (!wire || wire->mark.value() != kEpochMark || wire->version != kEpochVersion) return std::nullopt;
    return Epoch{.id = Uuid{wire->id}, .whole = (wire->flags & 1U) != 0};
}

}  // namespace weft::scsi
