// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/lun.h"

#include <algorithm>
#include <cstring>

#include "common/core/big_endian.h"
#include "common/core/check.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

constexpr std::uint8_t kFlatSpace = 0x40;
constexpr std::uint8_t kWellKnown = 0xC1;

struct ReportLunsHeader {
    be32 list_length;
    be32 reserved;
};
static_assert(sizeof(ReportLunsHeader) == kReportLunsHeader);

}  // namespace

std::optional<Lun> decode_lun(const LunBytes& bytes) {
    const bool one_level =
        std::all_of(bytes.begin() + 2, bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
    if (!one_level) return std::nullopt;
    const auto high = std::to_integer<unsigned>(bytes[0]);
    const auto low = std::to_integer<unsigned>(bytes[1]);
    if (high == kWellKnown) return low == 1 ? std::optional(Lun{.report_luns = true}) : std::nullopt;
    if (high >> 6U > 1) return std::nullopt;
    return Lun{.number = static_cast<std::uint16_t>((high & 0x3FU) << 8U | low)};
}

LunBytes encode_lun(Lun lun) {
    LunBytes bytes{};
    if (lun.report_luns) {
        bytes[0] = std::byte{kWellKnown};
        bytes[1] = std::byte{1};
        return bytes;
    }
    WEFT_CHECK(lun.number <= kLunMax);
    const unsigned method = lun.number < 256 ? 0U : kFlatSpace;
    bytes[0] = static_cast<std::byte>(method | lun.number >> 8U);
    bytes[1] = static_cast<std::byte>(lun.number & 0xFFU);
    return bytes;
}

std::size_t encode_report_luns(std::span<const Lun> luns, std::span<std::byte> out) {
    const ReportLunsHeader header{.list_length = static_cast<std::uint32_t>(luns.size() * sizeof(LunBytes))};
    std::size_t length = store(header, out);
    for (const Lun& lun : luns) {
        if (out.size() - length < sizeof(LunBytes)) break;
        length += store(encode_lun(lun), out.subspan(length));
    }
    return length;
}

std::optional<LunList> decode_report_luns_list(std::span<const std::byte> bytes) {
    const auto header = load<ReportLunsHeader>(bytes);
    if (!header || header->list_length.value() % sizeof(LunBytes) != 0) return std::nullopt;
    const std::size_t announced = header->list_length.value() / sizeof(LunBytes);
    const auto entries = bytes.subspan(sizeof(ReportLunsHeader));
    LunList list;
    list.bytes_needed = sizeof(ReportLunsHeader) + header->list_length.value();
    list.luns.resize(std::min(announced, entries.size() / sizeof(LunBytes)));
    for (std::size_t i = 0; i < list.luns.size(); ++i)
        std::memcpy(list.luns[i].data(), entries.data() + i * sizeof(LunBytes), sizeof(LunBytes));
    list.complete = list.luns.size() == announced;
    return list;
}

}  // namespace weft::scsi
