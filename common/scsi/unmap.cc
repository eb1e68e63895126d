// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/unmap.h"

#include <algorithm>

#include "common/core/big_endian.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

struct UnmapHeader {
    be16 following;         // bytes after this field
    be16 descriptor_bytes;  // bytes of block descriptors
    be32 reserved;
};
static_assert(sizeof(UnmapHeader) == kUnmapHeaderBytes);

struct UnmapDescriptor {
    be64 lba;
    be32 blocks;
    be32 reserved;
};
static_assert(sizeof(UnmapDescriptor) == kUnmapExtentBytes);

}  // namespace

std::size_t encode_unmap_list(std::span<const UnmapExtent> extents, std::span<std::byte> out) {
    const std::size_t total = unmap_list_bytes(extents.size());
    WEFT_CHECK(total <= out.size() && total <= 0xFFFF);
    std::size_t length =
        store(UnmapHeader{.following = static_cast<std::uint16_t>(total - 2),
                          .descriptor_bytes = static_cast<std::uint16_t>(total - kUnmapHeaderBytes)},
              out);
    for (const UnmapExtent& extent : extents)
        length += store(UnmapDescriptor{.lba = extent.lba, .blocks = extent.blocks}, out.subspan(length));
    return length;
}

std::optional<UnmapList> UnmapList::decode(std::span<const std::byte> bytes, std::size_t list_length) {
    const auto header = load<UnmapHeader>(bytes);
    if (!header || list_length < kUnmapHeaderBytes) return std::nullopt;
    const std::size_t whole =
        std::min<std::size_t>(header->descriptor_bytes.value(), list_length - kUnmapHeaderBytes);
    const auto rest = bytes.subspan(kUnmapHeaderBytes);
    const std::size_t here = std::min(whole, rest.size());
    return UnmapList(rest.first(here - here % kUnmapExtentBytes), whole / kUnmapExtentBytes);
}

UnmapExtent UnmapList::at(std::size_t index) const {
    WEFT_CHECK(index < size());
    const auto wire = load<UnmapDescriptor>(extents_.subspan(index * kUnmapExtentBytes));
    return {wire->lba.value(), wire->blocks.value()};
}

}  // namespace weft::scsi
