// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/designator.h"

#include <algorithm>
#include <cstring>

#include "common/core/big_endian.h"
#include "common/scsi/text.h"
#include "common/scsi/vpd.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

constexpr std::uint8_t kProtocolSrp = 4;
constexpr std::uint8_t kProtocolValid = 0x80;  // PIV
constexpr std::size_t kVendorBytes = 8;
constexpr std::size_t kNameBytesMax = 200;
constexpr std::uint64_t kCompany = 0x025746;

struct DesignatorHeader {
    std::uint8_t protocol_and_code_set;
    std::uint8_t type;  // 7 PIV, 5:4 association, 3:0 type
    std::uint8_t reserved;
    std::uint8_t length;
};
static_assert(sizeof(DesignatorHeader) == 4);

struct UuidDesignator {
    std::uint8_t uuid_type;  // 7:4, 1: RFC 4122
    std::uint8_t reserved;
    std::array<std::uint8_t, 16> uuid;
};
static_assert(sizeof(UuidDesignator) == 18);

std::uint64_t read_64(std::span<const std::uint8_t> bytes) {
    return load<be64>(std::as_bytes(bytes))->value();
}

std::size_t append(const Designator& designator, std::span<std::byte> out) {
    const unsigned type = (designator.protocol ? kProtocolValid : 0U) |
                          static_cast<unsigned>(designator.association) << 4U |
                          static_cast<unsigned>(designator.type);
    const unsigned code_set = static_cast<unsigned>(designator.protocol.value_or(0)) << 4U |
                              static_cast<unsigned>(designator.code_set);
    const DesignatorHeader header{.protocol_and_code_set = static_cast<std::uint8_t>(code_set),
                                  .type = static_cast<std::uint8_t>(type),
                                  .length = static_cast<std::uint8_t>(designator.bytes.size())};
    WEFT_CHECK(designator.bytes.size() <= 0xFF && sizeof(header) + designator.bytes.size() <= out.size());
    const std::size_t length = store(header, out);
    std::memcpy(out.data() + length, designator.bytes.data(), designator.bytes.size());
    return length + designator.bytes.size();
}

Designator of_unit(DesignatorType type, CodeSet code_set, std::span<const std::byte> bytes) {
    return {.type = type,
            .association = DesignatorAssociation::logical_unit,
            .code_set = code_set,
            .protocol = std::nullopt,
            .bytes = bytes};
}

Designator of_port(DesignatorType type, std::span<const std::byte> bytes) {
    return {.type = type,
            .association = DesignatorAssociation::target_port,
            .code_set = CodeSet::binary,
            .protocol = kProtocolSrp,
            .bytes = bytes};
}

}  // namespace

std::array<std::uint8_t, 16> naa_of(const Uuid& uuid) {
    // 4 bits 6, 24 bits company, 36 bits from the first half of the UUID (folded, so that UUIDs that differ
    // in a few digits anywhere stay different), 64 bits: its second half.
    const std::uint64_t first = read_64(std::span(uuid.bytes).first(8));
    const std::uint64_t folded = (first ^ first >> 36U) & 0xFFFFFFFFFU;
    const be64 head = 6ULL << 60U | kCompany << 36U | folded;
    std::array<std::uint8_t, 16> naa{};
    std::memcpy(naa.data(), &head, sizeof(head));
    std::copy(uuid.bytes.begin() + 8, uuid.bytes.end(), naa.begin() + 8);
    return naa;
}

std::size_t encode_identification(const VolumeIdentity& identity, std::span<std::byte> out) {
    WEFT_CHECK(out.size() >= kVpdBytesMax);
    std::size_t length = kVpdHeaderBytes;
    const auto add = [&](const Designator& designator) { length += append(designator, out.subspan(length)); };

    const auto naa = naa_of(identity.uuid);
    add(of_unit(DesignatorType::naa, CodeSet::binary, std::as_bytes(std::span(naa))));

    const UuidDesignator uuid{.uuid_type = 0x10, .uuid = identity.uuid.bytes};
    add(of_unit(DesignatorType::uuid, CodeSet::binary, std::as_bytes(std::span(&uuid, 1))));

    std::array<std::uint8_t, kVendorBytes + kNameBytesMax> t10;
    const std::size_t name_bytes = std::min(identity.name.size(), kNameBytesMax);
    put_text(kVendor, std::span(t10).first(kVendorBytes));
    put_text(identity.name, std::span(t10).subspan(kVendorBytes, name_bytes));
    add(of_unit(DesignatorType::t10_vendor_id, CodeSet::ascii,
                std::as_bytes(std::span(t10).first(kVendorBytes + name_bytes))));

    const be32 relative_port = 1U;
    add(of_port(DesignatorType::relative_target_port, std::as_bytes(std::span(&relative_port, 1))));
    add(of_port(DesignatorType::eui_64, identity.target_port));

    encode_vpd_header(kVpdIdentification, length - kVpdHeaderBytes, out);
    return length;
}

std::optional<std::vector<Designator>> decode_identification(std::span<const std::byte> bytes) {
    const auto body = vpd_body(kVpdIdentification, bytes);
    if (!body) return std::nullopt;
    std::vector<Designator> designators;
    auto rest = *body;
    while (const auto header = load<DesignatorHeader>(rest)) {
        rest = rest.subspan(sizeof(DesignatorHeader));
        if (header->length > rest.size()) break;
        Designator designator{.type = static_cast<DesignatorType>(header->type & 0x0FU),
                              .association = static_cast<DesignatorAssociation>((header->type >> 4U) & 3U),
                              .code_set = static_cast<CodeSet>(header->protocol_and_code_set & 0x0FU),
                              .protocol = std::nullopt,
                              .bytes = rest.first(header->length)};
        if ((header->type & kProtocolValid) != 0)
            designator.protocol = static_cast<std::uint8_t>(header->protocol_and_code_set >> 4U);
        designators.push_back(designator);
        rest = rest.subspan(header->length);
    }
    return designators;
}

std::optional<WeftVolume> find_weft_volume(std::span<const Designator> designators) {
    std::optional<std::string> name;
    std::optional<Uuid> uuid;
    for (const Designator& designator : designators) {
        if (designator.association != DesignatorAssociation::logical_unit) continue;
        if (designator.type == DesignatorType::t10_vendor_id && designator.bytes.size() > kVendorBytes) {
            std::array<std::uint8_t, 0xFF> text{};
            std::memcpy(text.data(), designator.bytes.data(), designator.bytes.size());
            if (get_text(std::span(text).first(kVendorBytes)) != kVendor) continue;
            name = get_text(std::span(text).subspan(kVendorBytes, designator.bytes.size() - kVendorBytes));
        }
        if (designator.type == DesignatorType::uuid) {
            const auto wire = load<UuidDesignator>(designator.bytes);
            if (wire && wire->uuid_type >> 4U == 1) uuid = Uuid{wire->uuid};
        }
    }
    if (!name || !uuid) return std::nullopt;
    return WeftVolume{*name, *uuid};
}

}  // namespace weft::scsi
