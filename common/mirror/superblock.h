// SPDX-License-Identifier: Apache-2.0
// What every leg of a mirror says at its end of the volume and of all its legs: a page of 4 KiB, big-endian,
// byte by byte in docs/mirror.md. Pure: bytes in, bytes out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/uuid.h"
#include "common/mirror/layout.h"

namespace weft::mirror {

inline constexpr std::size_t kLegsMin =
    1;  // after a replacement was begun; a volume is made with two or more
inline constexpr std::size_t kLegsMax = 8;
inline constexpr std::size_t kNameBytesMax = 63;  // of the volume and of its owner

// A state of the membership. Whoever changes which legs are in sync makes a new one: the next number, and a
// random id that tells two of them apart which were made in ignorance of each other.
struct Epoch {
    std::uint64_t number = 0;
    std::uint64_t id = 0;

    friend bool operator==(const Epoch&, const Epoch&) = default;
};

enum class LegState : std::uint8_t {
    in_sync = 1,     // has everything that was acknowledged
    stale = 2,       // has missed writes, or may have
    rebuilding = 3,  // gets them back, and takes part in new writes
};
[[nodiscard]] std::string_view to_string(LegState state);

// What a leg may say at its end.
struct Claim {
    Epoch epoch;
    // The members that it calls in sync, bit n for member n. 0: not itself, or one of them has been replaced:
    // with it alone nobody can serve.
    std::uint8_t in_sync = 0;

    friend bool operator==(const Claim&, const Claim&) = default;
};

// One leg, as the others know it.
struct Member {
    static constexpr std::size_t kDoubtsMax = 4;

    Uuid uuid;
    LegState state = LegState::stale;
    // Not in sync: what it says itself; or one of `doubts`, which may have reached it though nobody knows.
    // What it lacks is in the map. One that comes back with another epoch has been elsewhere.
    Claim parted;
    std::vector<Claim> doubts;
    // Not in sync: it has nothing yet of what lies from region `copied` on.
    bool from_nothing = false;
    std::uint64_t copied = 0;

    friend bool operator==(const Member&, const Member&) = default;
};

struct Superblock {
    Uuid volume;
    std::string name;  // the volume's, for people
    Shape shape;
    std::uint64_t sequence = 0;  // of this leg's superblocks: the higher one of the two slots is valid
    Epoch epoch;
    Epoch previous;          // the one before; {} in the first
    bool clean = false;      // no write was on its way: what is dirty is what legs that are not in sync lack
    Uuid owner;              // the initiator that serves it, or did last
    std::string owner_name;  // for people
    std::uint64_t ownership = 0;  // grows with every change of owner
    std::size_t self = 0;         // which member this leg is
    std::vector<Member> members;

    friend bool operator==(const Superblock&, const Superblock&) = default;
};

using SuperblockPage = std::array<std::byte, kPageBytes>;

// Why it cannot be written; "" if it can.
[[nodiscard]] std::string fault_of(const Superblock& superblock);
// REQUIRES: no fault.
[[nodiscard]] SuperblockPage encode(const Superblock& superblock);

enum class SlotKind : std::uint8_t {
    blank,    // all zeros
    foreign,  // something else
    damaged,  // ours by its magic, but not whole
    newer,    // of a version that this weft does not know
    valid,
};

struct Slot {
    SlotKind kind = SlotKind::blank;
    Superblock superblock;  // if valid
    std::string problem;    // if damaged or newer, as a sentence
};

// REQUIRES: a page.
[[nodiscard]] Slot decode_superblock(std::span<const std::byte> page);

// What a leg says, of its two slots. One that is damaged beside a valid one is a write that was cut short:
// what it was to say was never relied on. Two of different volumes, or of the same sequence, are damage.
[[nodiscard]] Slot newest(Slot slot0, Slot slot1);

}  // namespace weft::mirror
