// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/superblock.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/core/big_endian.h"
#include "common/core/check.h"
#include "common/core/crc32c.h"

namespace weft::mirror {

namespace {

constexpr std::array<char, 8> kMagic = {'W', 'E', 'F', 'T', 'M', 'I', 'R', '\0'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint16_t kCleanFlag = 1;
constexpr std::uint8_t kFromNothingFlag = 1;

struct WireEpoch {
    be64 number;
    be64 id;
};

struct WireMember {
    std::array<std::uint8_t, 16> uuid;
    std::uint8_t state;
    std::uint8_t flags;
    std::uint8_t doubts;
    std::uint8_t parted_in_sync;
    std::array<std::uint8_t, Member::kDoubtsMax> doubt_in_sync;
    WireEpoch parted;
    std::array<WireEpoch, Member::kDoubtsMax> doubt;
    be64 copied;
    std::array<std::uint8_t, 16> reserved;
};
static_assert(sizeof(WireMember) == 128);

struct Wire {
    std::array<char, 8> magic;
    be32 version;
    be32 crc;  // CRC-32C of the page with zeros here
    std::array<std::uint8_t, 16> volume;
    be64 sequence;
    WireEpoch epoch;
    be32 block_size;
    be32 region_bytes;
    be64 bytes;
    be64 ownership;
    std::array<std::uint8_t, 16> owner;
    std::uint8_t self;
    std::uint8_t members;
    be16 flags;
    WireEpoch previous;
    std::array<std::uint8_t, 12> reserved;
    std::array<char, kNameBytesMax + 1> name;  // ends with zeros
    std::array<char, kNameBytesMax + 1> owner_name;
    std::array<WireMember, kLegsMax> member;
};
static_assert(sizeof(Wire) == 256 + kLegsMax * 128);
static_assert(alignof(Wire) == 1 && sizeof(Wire) <= kPageBytes);

std::uint32_t crc_of(std::span<const std::byte> page) {
    constexpr std::size_t kAt = offsetof(Wire, crc);
    constexpr std::array<std::byte, sizeof(be32)> kZeros{};
    return crc32c(page.subspan(kAt + kZeros.size()), crc32c(kZeros, crc32c(page.first(kAt))));
}

WireEpoch to_wire(const Epoch& epoch) { return {.number = epoch.number, .id = epoch.id}; }
Epoch from_wire(const WireEpoch& epoch) { return {.number = epoch.number.value(), .id = epoch.id.value()}; }

void put(std::array<char, kNameBytesMax + 1>& room, const std::string& name) {
    std::copy(name.begin(), name.end(), room.begin());
}
std::string text_of(const std::array<char, kNameBytesMax + 1>& room) {
    return {room.begin(), std::find(room.begin(), room.end(), '\0')};
}

Slot damaged(std::string problem) { return {.kind = SlotKind::damaged, .problem = std::move(problem)}; }

Member from_wire(const WireMember& wire) {
    Member member;
    member.uuid.bytes = wire.uuid;
    member.state = static_cast<LegState>(wire.state);
    member.parted = {.epoch = from_wire(wire.parted), .in_sync = wire.parted_in_sync};
    for (std::size_t i = 0; i < wire.doubts; ++i)
        member.doubts.push_back({.epoch = from_wire(wire.doubt.at(i)), .in_sync = wire.doubt_in_sync.at(i)});
    member.from_nothing = (wire.flags & kFromNothingFlag) != 0;
    member.copied = wire.copied.value();
    return member;
}

std::string fault_of(const Member& member, const Shape& shape) {
    if (member.uuid == Uuid{}) return "has no UUID";
    switch (member.state) {
        case LegState::in_sync:
            if (member.parted != Claim{} || !member.doubts.empty() || member.from_nothing ||
                member.copied != 0)
                return "is in sync, but lacks something";
            break;
        case LegState::stale:
        case LegState::rebuilding: break;
        default: return "is in no known state";
    }
    if (member.doubts.size() > Member::kDoubtsMax) return "is in doubt too often";
    if (member.copied > shape.regions()) return "was copied beyond the end";
    return "";
}

}  // namespace

std::string_view to_string(LegState state) {
    switch (state) {
        case LegState::in_sync: return "in sync";
        case LegState::stale: return "stale";
        case LegState::rebuilding: return "rebuilding";
    }
    WEFT_UNREACHABLE("LegState");
}

std::string fault_of(const Superblock& superblock) {
    if (superblock.volume == Uuid{}) return "the volume has no UUID";
    if (auto fault = fault_of(superblock.shape); !fault.empty()) return fault;
    for (const std::string* name : {&superblock.name, &superblock.owner_name}) {
        if (name->size() > kNameBytesMax) return "a name is longer than 63 bytes";
        if (name->find('\0') != std::string::npos) return "a name has a zero byte";
    }
    if (superblock.sequence == 0 || superblock.epoch.number == 0) return "sequence or epoch 0";
    if (superblock.previous.number >= superblock.epoch.number) return "its epoch is not after the one before";
    const auto& members = superblock.members;
    if (members.size() < kLegsMin || members.size() > kLegsMax)
        return std::to_string(members.size()) + " legs: it takes 1 to 8";
    if (superblock.self >= members.size()) return "it is none of its legs";
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (auto fault = fault_of(members[i], superblock.shape); !fault.empty())
            return "leg " + std::to_string(i) + " " + fault;
        for (std::size_t other = 0; other < i; ++other) {
            if (members[other].uuid == members[i].uuid)
                return "legs " + std::to_string(other) + " and " + std::to_string(i) + " are one";
        }
    }
    return "";
}

SuperblockPage encode(const Superblock& superblock) {
    WEFT_CHECK(fault_of(superblock).empty());
    Wire wire{};
    wire.magic = kMagic;
    wire.version = kVersion;
    wire.volume = superblock.volume.bytes;
    wire.sequence = superblock.sequence;
    wire.epoch = to_wire(superblock.epoch);
    wire.previous = to_wire(superblock.previous);
    wire.block_size = superblock.shape.block_size;
    wire.region_bytes = superblock.shape.region_bytes;
    wire.bytes = superblock.shape.bytes;
    wire.ownership = superblock.ownership;
    wire.owner = superblock.owner.bytes;
    wire.self = static_cast<std::uint8_t>(superblock.self);
    wire.members = static_cast<std::uint8_t>(superblock.members.size());
    if (superblock.clean) wire.flags = kCleanFlag;
    put(wire.name, superblock.name);
    put(wire.owner_name, superblock.owner_name);
    for (std::size_t i = 0; i < superblock.members.size(); ++i) {
        const Member& member = superblock.members[i];
        WireMember& out = wire.member.at(i);
        out.uuid = member.uuid.bytes;
        out.state = static_cast<std::uint8_t>(member.state);
        if (member.from_nothing) out.flags = kFromNothingFlag;
        out.doubts = static_cast<std::uint8_t>(member.doubts.size());
        out.parted = to_wire(member.parted.epoch);
        out.parted_in_sync = member.parted.in_sync;
        for (std::size_t j = 0; j < member.doubts.size(); ++j) {
            out.doubt.at(j) = to_wire(member.doubts[j].epoch);
            out.doubt_in_sync.at(j) = member.doubts[j].in_sync;
        }
        out.copied = member.copied;
    }
    SuperblockPage page{};
    std::memcpy(page.data(), &wire, sizeof(wire));
    wire.crc = crc_of(page);
    std::memcpy(page.data(), &wire, sizeof(wire));
    return page;
}

Slot decode_superblock(std::span<const std::byte> page) {
    WEFT_CHECK(page.size() == kPageBytes);
    if (std::all_of(page.begin(), page.end(), [](std::byte byte) { return byte == std::byte{0}; })) return {};
    Wire wire;
    std::memcpy(&wire, page.data(), sizeof(wire));
    if (wire.magic != kMagic) return {.kind = SlotKind::foreign};
    // Where the CRC lies is the same in every version to come.
    if (wire.crc.value() != crc_of(page)) return damaged("its checksum is wrong");
    if (wire.version.value() != kVersion)
        return {.kind = SlotKind::newer,
                .problem = "it is of format version " + std::to_string(wire.version.value()) +
                           ", this weft knows " + std::to_string(kVersion)};
    Superblock superblock;
    superblock.volume.bytes = wire.volume;
    superblock.name = text_of(wire.name);
    superblock.shape = {.block_size = wire.block_size.value(),
                        .region_bytes = wire.region_bytes.value(),
                        .bytes = wire.bytes.value()};
    superblock.sequence = wire.sequence.value();
    superblock.epoch = from_wire(wire.epoch);
    superblock.previous = from_wire(wire.previous);
    superblock.clean = (wire.flags.value() & kCleanFlag) != 0;
    superblock.owner.bytes = wire.owner;
    superblock.owner_name = text_of(wire.owner_name);
    superblock.ownership = wire.ownership.value();
    superblock.self = wire.self;
    if (wire.members > kLegsMax) return damaged(std::to_string(wire.members) + " legs: it takes 1 to 8");
    for (std::size_t i = 0; i < wire.members; ++i) {
        if (wire.member.at(i).doubts > Member::kDoubtsMax)
            return damaged("leg " + std::to_string(i) + " is in doubt too often");
        superblock.members.push_back(from_wire(wire.member.at(i)));
    }
    if (auto fault = fault_of(superblock); !fault.empty()) return damaged(std::move(fault));
    return {.kind = SlotKind::valid, .superblock = std::move(superblock)};
}

Slot newest(Slot slot0, Slot slot1) {
    const bool valid0 = slot0.kind == SlotKind::valid;
    const bool valid1 = slot1.kind == SlotKind::valid;
    if (valid0 && valid1) {
        if (slot0.superblock.volume != slot1.superblock.volume)
            return damaged("its two superblocks are of different volumes");
        if (slot0.superblock.sequence == slot1.superblock.sequence)
            return damaged("its two superblocks have the same sequence");
        return slot0.superblock.sequence > slot1.superblock.sequence ? std::move(slot0) : std::move(slot1);
    }
    // One of a version to come may be the newer one of the two.
    if (slot0.kind == SlotKind::newer) return slot0;
    if (slot1.kind == SlotKind::newer) return slot1;
    if (valid0) return slot0;
    if (valid1) return slot1;
    if (slot0.kind == SlotKind::damaged) return slot0;
    if (slot1.kind == SlotKind::damaged) return slot1;
    return slot0.kind == SlotKind::foreign ? std::move(slot0) : std::move(slot1);
}

}  // namespace weft::mirror
