// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/inquiry.h"

#include <array>

#include "common/core/big_endian.h"
#include "common/scsi/text.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

struct InquiryData {
    std::uint8_t peripheral;
    std::uint8_t removable;  // bit 7
    std::uint8_t version;
    std::uint8_t format;  // 3:0 response data format: 2
    std::uint8_t additional_length;
    std::uint8_t flags5;  // 5:4 TPGS
    std::uint8_t flags6;
    std::uint8_t flags7;  // 1 CMDQUE
    std::array<std::uint8_t, 8> vendor;
    std::array<std::uint8_t, 16> product;
    std::array<std::uint8_t, 4> revision;
    std::array<std::uint8_t, 22> vendor_specific;
    std::array<be16, 8> standards;
    std::array<std::uint8_t, 22> reserved;
};
static_assert(sizeof(InquiryData) == kInquiryBytes && alignof(InquiryData) == 1);
static_assert(offsetof(InquiryData, vendor) == 8 && offsetof(InquiryData, standards) == 58);

constexpr std::size_t kLengthBase = 5;  // the additional length counts from here
constexpr std::uint8_t kCommandQueuing = 0x02;
// SAM-5, SRP, SPC-4, SBC-3: "no version claimed".
constexpr std::array<std::uint16_t, 4> kStandards = {0x00A0, 0x0940, 0x0460, 0x04C0};

}  // namespace

std::size_t encode_inquiry_data(const StandardInquiry& inquiry, std::span<std::byte> out) {
    InquiryData wire{.peripheral = inquiry.peripheral,
                     .removable = static_cast<std::uint8_t>(inquiry.removable ? 0x80U : 0U),
                     .version = inquiry.version,
                     .format = 2,
                     .additional_length = kInquiryBytes - kLengthBase,
                     .flags5 = static_cast<std::uint8_t>((inquiry.tpgs & 3U) << 4U),
                     .flags7 = kCommandQueuing};
    put_text(inquiry.vendor, wire.vendor);
    put_text(inquiry.product, wire.product);
    put_text(inquiry.revision, wire.revision);
    for (std::size_t i = 0; i < kStandards.size(); ++i) wire.standards[i] = kStandards[i];
    return store(wire, out);
}

std::optional<StandardInquiry> decode_inquiry_data(std::span<const std::byte> bytes) {
    if (bytes.size() < kInquiryBytesLeast) return std::nullopt;
    const auto wire = load_short<InquiryData>(bytes);
    return StandardInquiry{.peripheral = wire.peripheral,
                           .removable = (wire.removable & 0x80U) != 0,
                           .version = wire.version,
                           .tpgs = static_cast<std::uint8_t>((wire.flags5 >> 4U) & 3U),
                           .vendor = get_text(wire.vendor),
                           .product = get_text(wire.product),
                           .revision = get_text(wire.revision)};
}

}  // namespace weft::scsi
