// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/mode.h"

#include <algorithm>
#include <array>

#include "common/core/big_endian.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

constexpr std::uint8_t kWriteProtect = 0x80;
constexpr std::uint8_t kDpoFua = 0x10;
constexpr std::uint8_t kWriteCacheEnable = 0x04;
constexpr std::uint8_t kDescriptorSense = 0x04;
constexpr std::uint8_t kSubpageFormat = 0x40;

struct Header6 {
    std::uint8_t length;  // bytes that follow it
    std::uint8_t medium_type;
    std::uint8_t device_specific;
    std::uint8_t descriptor_length;
};
static_assert(sizeof(Header6) == 4);

struct Header10 {
    be16 length;
    std::uint8_t medium_type;
    std::uint8_t device_specific;
    std::uint8_t long_lba;
    std::uint8_t reserved;
    be16 descriptor_length;
};
static_assert(sizeof(Header10) == 8 && offsetof(Header10, descriptor_length) == 6);

struct ShortDescriptor {
    be32 blocks;
    be32 block_size;  // 24 bits
};
static_assert(sizeof(ShortDescriptor) == 8);

struct LongDescriptor {
    be64 blocks;
    be32 reserved;
    be32 block_size;
};
static_assert(sizeof(LongDescriptor) == 16);

struct CachingPage {
    std::uint8_t page;
    std::uint8_t length;
    std::uint8_t flags;
    std::array<std::uint8_t, 17> rest;
};
static_assert(sizeof(CachingPage) == 20);

struct ControlPage {
    std::uint8_t page;
    std::uint8_t length;
    std::uint8_t flags;
    std::uint8_t queueing;  // QUEUE ALGORITHM MODIFIER bits 7:4: 1, unrestricted reordering
    std::uint8_t protection;
    std::uint8_t attributes;
    be16 obsolete;
    be16 busy_timeout;  // FFFFh: unlimited
    be16 self_test_time;
};
static_assert(sizeof(ControlPage) == 12);

bool wants(const ModeSenseCdb& cdb, std::uint8_t page) {
    return cdb.page == page || cdb.page == kModePageAll;
}

std::size_t encode_block_descriptor(const ModeSenseCdb& cdb, const ModeParameters& parameters,
                                    std::span<std::byte> out) {
    if (cdb.no_block_descriptor) return 0;
    if (cdb.long_lba)
        return store(LongDescriptor{.blocks = parameters.blocks, .block_size = parameters.block_size}, out);
    const auto blocks = std::min<std::uint64_t>(parameters.blocks, 0xFFFFFFFFU);
    return store(
        ShortDescriptor{.blocks = static_cast<std::uint32_t>(blocks), .block_size = parameters.block_size},
        out);
}

std::size_t encode_pages(const ModeSenseCdb& cdb, const ModeParameters& parameters,
                         std::span<std::byte> out) {
    const bool values = cdb.control != 1;  // changeable values: a mask of nothing
    std::size_t length = 0;
    if (wants(cdb, kModePageCaching)) {
        CachingPage page{.page = kModePageCaching, .length = sizeof(CachingPage) - 2};
        if (values && parameters.write_cache) page.flags = kWriteCacheEnable;
        length += store(page, out.subspan(length));
    }
    if (wants(cdb, kModePageControl)) {
        ControlPage page{.page = kModePageControl, .length = sizeof(ControlPage) - 2};
        if (values) {
            page.flags = parameters.descriptor_sense ? kDescriptorSense : 0;
            page.queueing = 0x10;
            page.busy_timeout = 0xFFFF;
        }
        length += store(page, out.subspan(length));
    }
    return length;
}

struct Body {
    std::uint8_t device_specific;
    std::span<const std::byte> pages;
};

// What follows the header and block descriptors.
template <class Header>
std::optional<Body> body_of(std::span<const std::byte> bytes, const Header& header, std::size_t length,
                            std::size_t descriptor_length) {
    const auto rest = bytes.first(std::min(bytes.size(), length)).subspan(std::min(sizeof(Header), length));
    return Body{header.device_specific, rest.subspan(std::min(descriptor_length, rest.size()))};
}

std::optional<Body> split(std::span<const std::byte> bytes, bool ten) {
    if (ten) {
        const auto header = load<Header10>(bytes);
        if (!header) return std::nullopt;
        const std::size_t length = std::max<std::size_t>(header->length.value() + 2U, sizeof(Header10));
        return body_of(bytes, *header, length, header->descriptor_length.value());
    }
    const auto header = load<Header6>(bytes);
    if (!header) return std::nullopt;
    const std::size_t length = std::max<std::size_t>(header->length + 1U, sizeof(Header6));
    return body_of(bytes, *header, length, header->descriptor_length);
}

}  // namespace

bool has_mode_page(const ModeSenseCdb& cdb) {
    if (cdb.subpage != 0 && cdb.subpage != kModeSubpageAll) return false;
    return wants(cdb, kModePageCaching) || wants(cdb, kModePageControl);
}

std::size_t encode_mode(const ModeSenseCdb& cdb, const ModeParameters& parameters, std::span<std::byte> out) {
    WEFT_CHECK(has_mode_page(cdb) && cdb.control != 3 && out.size() >= kModeBytesMax);
    const std::size_t header = cdb.ten ? sizeof(Header10) : sizeof(Header6);
    const std::size_t descriptor = encode_block_descriptor(cdb, parameters, out.subspan(header));
    const std::size_t pages = encode_pages(cdb, parameters, out.subspan(header + descriptor));
    const std::size_t length = header + descriptor + pages;
    const auto specific = static_cast<std::uint8_t>((parameters.write_protected ? kWriteProtect : 0U) |
                                                    (parameters.dpo_fua ? kDpoFua : 0U));
    if (cdb.ten) {
        store(Header10{.length = static_cast<std::uint16_t>(length - 2),
                       .device_specific = specific,
                       .long_lba = static_cast<std::uint8_t>(cdb.long_lba && descriptor != 0 ? 1U : 0U),
                       .descriptor_length = static_cast<std::uint16_t>(descriptor)},
              out);
    } else {
        store(Header6{.length = static_cast<std::uint8_t>(length - 1),
                      .device_specific = specific,
                      .descriptor_length = static_cast<std::uint8_t>(descriptor)},
              out);
    }
    return length;
}

std::optional<ModeState> decode_mode(std::span<const std::byte> bytes, bool ten) {
    const auto body = split(bytes, ten);
    if (!body) return std::nullopt;
    ModeState state{.write_protected = (body->device_specific & kWriteProtect) != 0,
                    .dpo_fua = (body->device_specific & kDpoFua) != 0};
    auto pages = body->pages;
    while (pages.size() >= 2) {
        const auto code = std::to_integer<unsigned>(pages[0]);
        std::size_t length = 2 + std::to_integer<std::size_t>(pages[1]);
        if ((code & kSubpageFormat) != 0) {
            if (pages.size() < 4) break;
            length =
                4 + (std::to_integer<std::size_t>(pages[2]) << 8U) + std::to_integer<std::size_t>(pages[3]);
        } else if ((code & 0x3FU) == kModePageCaching && pages.size() > 2 && length > 2) {
            state.write_cache = (std::to_integer<unsigned>(pages[2]) & kWriteCacheEnable) != 0;
        }
        if (length > pages.size()) break;
        pages = pages.subspan(length);
    }
    return state;
}

}  // namespace weft::scsi
