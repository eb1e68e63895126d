// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/capacity.h"

#include <array>

#include "common/core/big_endian.h"
#include "common/scsi/wire.h"

namespace weft::scsi {

namespace {

struct Capacity10 {
    be32 last_lba;
    be32 block_size;
};
static_assert(sizeof(Capacity10) == kCapacity10Bytes);

struct Capacity16 {
    be64 last_lba;
    be32 block_size;
    std::uint8_t protection;
    std::uint8_t exponents;  // 3:0 logical blocks per physical block
    be16 provisioning;       // 15 LBPME, 14 LBPRZ, 13:0 lowest aligned LBA
    std::array<std::uint8_t, 16> reserved;
};
static_assert(sizeof(Capacity16) == kCapacity16Bytes && offsetof(Capacity16, provisioning) == 14);

// Up to here a READ CAPACITY(16) answer says all there is to know.
constexpr std::size_t kCapacity16Least = 16;

}  // namespace

std::size_t encode_capacity_10(const Capacity& capacity, std::span<std::byte> out) {
    WEFT_CHECK(capacity.blocks > 0);
    const std::uint64_t last = capacity.blocks - 1;
    return store(Capacity10{.last_lba = last > 0xFFFFFFFFU ? 0xFFFFFFFFU : static_cast<std::uint32_t>(last),
                            .block_size = capacity.block_size},
                 out);
}

std::size_t encode_capacity_16(const Capacity& capacity, std::span<std::byte> out) {
    WEFT_CHECK(capacity.blocks > 0);
    const unsigned provisioning = (capacity.thin ? 0x8000U : 0U) | (capacity.unmapped_zeroes ? 0x4000U : 0U) |
                                  (capacity.lowest_aligned & 0x3FFFU);
    return store(Capacity16{.last_lba = capacity.blocks - 1,
                            .block_size = capacity.block_size,
                            .exponents = static_cast<std::uint8_t>(capacity.physical_exponent & 0x0FU),
                            .provisioning = static_cast<std::uint16_t>(provisioning)},
                 out);
}

std::optional<Capacity> decode_capacity_10(std::span<const std::byte> bytes) {
    const auto wire = load<Capacity10>(bytes);
    if (!wire || wire->block_size.value() == 0) return std::nullopt;
    const std::uint64_t last = wire->last_lba.value();
    return Capacity{
        .blocks = last + 1, .block_size = wire->block_size.value(), .beyond_32_bits = last == 0xFFFFFFFFU};
}

std::optional<Capacity> decode_capacity_16(std::span<const std::byte> bytes) {
    if (bytes.size() < kCapacity16Least) return std::nullopt;
    const auto wire = load_short<Capacity16>(bytes);
    const std::uint64_t last = wire.last_lba.value();
    if (wire.block_size.value() == 0 || last == ~std::uint64_t{0}) return std::nullopt;
    const unsigned provisioning = wire.provisioning.value();
    return Capacity{.blocks = last + 1,
                    .block_size = wire.block_size.value(),
                    .physical_exponent = static_cast<std::uint8_t>(wire.exponents & 0x0FU),
                    .thin = (provisioning & 0x8000U) != 0,
                    .unmapped_zeroes = (provisioning & 0x4000U) != 0,
                    .lowest_aligned = static_cast<std::uint16_t>(provisioning & 0x3FFFU)};
}

}  // namespace weft::scsi
