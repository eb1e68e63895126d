// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "common/core/big_endian.h"
#include "common/core/region.h"
#include "common/core/result.h"
#include "common/core/slab.h"
#include "common/core/unique_fd.h"
#include "common/core/uuid.h"

namespace weft {
namespace {

TEST(BigEndianTest, has_the_bytes_of_the_wire) {
    struct Wire {
        std::uint8_t pad = 0;
        be16 a = std::uint16_t{0x0102};
        be32 b = 0x03040506U;
        be64 c = 0x0708090A0B0C0D0EU;
    };
    static_assert(sizeof(Wire) == 15);
    const Wire wire;
    std::array<std::uint8_t, 15> bytes{};
    std::memcpy(bytes.data(), &wire, sizeof wire);
    for (std::size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], i);
    EXPECT_EQ(wire.a.value(), 0x0102U);
    EXPECT_EQ(wire.b.value(), 0x03040506U);
    EXPECT_EQ(wire.c.value(), 0x0708090A0B0C0D0EU);
    be32 changed;
    EXPECT_EQ(changed.value(), 0U);
    changed = 0xFFFFFFFFU;
    EXPECT_EQ(changed.value(), 0xFFFFFFFFU);
    EXPECT_EQ(BigEndian<std::uint8_t>(std::uint8_t{200}).value(), 200U);
    static_assert(be64(std::uint64_t{5}).value() == 5);
}

TEST(UuidTest, is_written_and_read) {
    const std::string text = "00112233-4455-6677-8899-aabbccddeeff";
    const auto uuid = Uuid::parse(text);
    ASSERT_TRUE(uuid);
    EXPECT_EQ(uuid->bytes[1], 0x11);
    EXPECT_EQ(uuid->bytes[15], 0xFF);
    EXPECT_EQ(uuid->to_string(), text);
    EXPECT_EQ(Uuid::parse("00112233-4455-6677-8899-AABBCCDDEEFF"), uuid);
    for (const char* wrong :
         {"", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefff",
          "00112233x4455-6677-8899-aabbccddeeff", "0011223g-4455-6677-8899-aabbccddeeff",
          "-0112233-4455-6677-8899-aabbccddeeff", "{0112233-4455-6677-8899-aabbccddeef}"})
        EXPECT_FALSE(Uuid::parse(wrong)) << wrong;
}

TEST(UuidTest, random_and_named_ones_say_so) {
    std::set<Uuid> seen;
    for (int i = 0; i < 1000; ++i) {
        const Uuid uuid = Uuid::random();
        EXPECT_EQ(uuid.bytes[6] >> 4U, 4U);
        EXPECT_EQ(uuid.bytes[8] >> 6U, 2U);
        EXPECT_EQ(Uuid::parse(uuid.to_string()), uuid);
        seen.insert(uuid);
    }
    EXPECT_EQ(seen.size(), 1000U);
    const Uuid named = Uuid::from_name("node", "volume");
    EXPECT_EQ(named.bytes[6] >> 4U, 8U);
    EXPECT_EQ(named, Uuid::from_name("node", "volume"));
    EXPECT_NE(named, Uuid::from_name("node", "volume2"));
    EXPECT_NE(named, Uuid::from_name("nodev", "olume"));
    EXPECT_NE(named, Uuid::from_name("volume", "node"));
    // Volumes keep their identity over versions: this value must never change.
    EXPECT_EQ(named.to_string(), "439a17a6-6388-8b58-9877-cd9a63a524c4");
}

// An observer that knows what the directory must have told it.
struct Mirror final : RegionObserver {
    void on_region_added(const Region& region) override {
        EXPECT_FALSE(regions.contains(region.id));
        regions[region.id] = region;
    }
    void on_region_removed(RegionId id) override { EXPECT_EQ(regions.erase(id), 1U); }
    std::map<RegionId, Region> regions;
};

TEST(RegionDirectoryTest, observers_know_what_is_in_it) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 chance(seed);
        std::vector<std::byte> memory(4096);
        RegionDirectory directory;
        Mirror early;
        directory.observe(early);
        std::map<RegionId, std::byte*> oracle;
        for (int step = 0; step < 200; ++step) {
            if (oracle.empty() || chance() % 3 != 0) {
                std::byte* base = memory.data() + chance() % 4000;
                const RegionId id = directory.add(base, 1 + chance() % 96);
                ASSERT_FALSE(oracle.contains(id));
                oracle[id] = base;
            } else {
                const auto victim =
                    std::next(oracle.begin(), static_cast<std::ptrdiff_t>(chance() % oracle.size()));
                directory.remove(victim->first);
                oracle.erase(victim);
            }
            Mirror late;
            directory.observe(late);
            ASSERT_EQ(early.regions.size(), oracle.size());
            ASSERT_EQ(late.regions.size(), oracle.size());
            for (const auto& [id, base] : oracle) {
                ASSERT_EQ(directory.at(id).base, base);
                ASSERT_EQ(early.regions[id].base, base);
                ASSERT_EQ(late.regions[id].base, base);
            }
            directory.ignore(late);
        }
        directory.ignore(early);
    }
}

TEST(SlabTest, is_zeroed_aligned_and_can_be_moved) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{5000}, std::size_t{3} << 20U}) {
        auto slab = Slab::allocate(bytes);
        ASSERT_TRUE(slab);
        ASSERT_GE(slab->size(), bytes);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slab->data()) % 4096, 0U);
        EXPECT_TRUE(std::all_of(slab->data(), slab->data() + slab->size(),
                                [](std::byte b) { return b == std::byte{0}; }));
        std::byte* const base = slab->data();
        Slab other = std::move(*slab);
        EXPECT_EQ(other.data(), base);
        EXPECT_EQ(slab->data(), nullptr);
        *slab = std::move(other);
        EXPECT_EQ(slab->data(), base);
        slab->data()[slab->size() - 1] = std::byte{1};
    }
    const auto refused = Slab::allocate(std::size_t{1} << 60U);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ENOMEM);
}

TEST(UniqueFdTest, closes_once) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    UniqueFd reader(ends[0]);
    {
        UniqueFd writer(ends[1]);
        UniqueFd moved(std::move(writer));
        EXPECT_FALSE(writer);
        EXPECT_EQ(moved.get(), ends[1]);
    }
    char byte = 0;
    EXPECT_EQ(::read(reader.get(), &byte, 1), 0);  // no writer left
    const int fd = reader.release();
    EXPECT_FALSE(reader);
    EXPECT_EQ(::close(fd), 0);
}

TEST(ResultTest, an_error_names_the_errno) {
    const Result<int> failed = fail_errno("cannot open x", ENOENT);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().what, "cannot open x: No such file or directory");
    EXPECT_EQ(failed.error().code, ENOENT);
}

}  // namespace
}  // namespace weft
