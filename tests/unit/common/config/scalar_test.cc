// SPDX-License-Identifier: Apache-2.0
#include "common/config/scalar.h"

#include <gtest/gtest.h>

#include "common/config/suggestion.h"

namespace weft::config {
namespace {

using std::chrono::milliseconds;

TEST(Scalar, SizesAreBytesOrBinaryUnits) {
    EXPECT_EQ(parse_size("0"), 0U);
    EXPECT_EQ(parse_size("4096"), 4096U);
    EXPECT_EQ(parse_size("4KiB"), 4096U);
    EXPECT_EQ(parse_size("3 MiB"), 3U << 20U);
    EXPECT_EQ(parse_size("16777215TiB"), 16777215ULL << 40U);
    for (const char* wrong : {"", "KiB", "1.5GiB", "1GB", "1G", "1gib", "-1", "+1", "0x10", "1 ",
                              "16777216TiB", "18446744073709551616", "1KiB1"})
        EXPECT_FALSE(parse_size(wrong)) << wrong;
}

TEST(Scalar, DurationsHaveUnits) {
    EXPECT_EQ(parse_duration("0"), milliseconds{0});
    EXPECT_EQ(parse_duration("200ms"), milliseconds{200});
    EXPECT_EQ(parse_duration("30s"), milliseconds{30000});
    EXPECT_EQ(parse_duration("2m"), milliseconds{120000});
    EXPECT_EQ(parse_duration("1h"), milliseconds{3600000});
    for (const char* wrong : {"", "s", "200", "1.5s", "1us", "-1s", "99999999999999h", "1d"})
        EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Scalar, WhatIsFormattedReadsBack) {
    for (const std::uint64_t size : {0ULL, 1ULL, 512ULL, 4096ULL, 1ULL << 20U, 3ULL << 40U, ~0ULL})
        EXPECT_EQ(parse_size(format_size(size)), size);
    for (const milliseconds duration :
         {milliseconds{0}, milliseconds{1}, milliseconds{1500}, milliseconds{60000}})
        EXPECT_EQ(parse_duration(format_duration(duration)), duration);
}

TEST(Scalar, Addresses) {
    for (const char* good : {"10.0.0.1", "::1", "2001:db8::7", "fe80::1%eth0"})
        EXPECT_TRUE(parse_address(good)) << good;
    for (const char* wrong : {"", "10.0.0", "10.0.0.256", "localhost", "10.0.0.1%eth0", "fe80::1", "fe80::1%",
                              "2001:db8::7%eth0", "10.0.0.1:5555", "*"})
        EXPECT_FALSE(parse_address(wrong)) << wrong;
}

TEST(Scalar, Names) {
    for (const char* good : {"a", "node-1", "1", "A.b_c-d"}) EXPECT_TRUE(parse_name(good, 48)) << good;
    for (const char* wrong : {"", ".", "..", "-a", "a/b", "a b", "\xC3\xA4"})
        EXPECT_FALSE(parse_name(wrong, 48)) << wrong;
    EXPECT_TRUE(parse_name(std::string(48, 'a'), 48));
    EXPECT_FALSE(parse_name(std::string(49, 'a'), 48));
}

TEST(Scalar, Paths) {
    EXPECT_TRUE(parse_absolute_path("/dev/sdb", 107));
    for (const char* wrong : {"", "a", "./a", "~/a", "/", "/a/", "/a/../b", "/a/.."})
        EXPECT_FALSE(parse_absolute_path(wrong, 107)) << wrong;
    EXPECT_FALSE(parse_absolute_path("/" + std::string(107, 'a'), 107));
}

TEST(Suggestion, FindsTypingErrorsAndOtherSpellings) {
    const std::vector<std::string> known = {"queue_timeout", "queue_depth", "lun", "name"};
    EXPECT_EQ(nearest("queueTimeout", known), "queue_timeout");
    EXPECT_EQ(nearest("queue-depht", known), "queue_depth");
    EXPECT_EQ(nearest("luns", known), "lun");
    EXPECT_EQ(nearest("nmae", known), "name");
    EXPECT_EQ(nearest("colour", known), std::nullopt);
    EXPECT_EQ(nearest("", known), std::nullopt);
}

}  // namespace
}  // namespace weft::config
