// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/address.h"

#include <gtest/gtest.h>

namespace weft::verbs {
namespace {

std::string round_trip(const std::string& text, std::uint16_t port) {
    auto address = parse_address(text, port);
    return address ? to_string(*address->get()) : address.error().what;
}

TEST(Address, ShowsWhatItParsed) {
    EXPECT_EQ(round_trip("10.77.0.1", 5555), "10.77.0.1:5555");
    EXPECT_EQ(round_trip("fd00::1", 1), "[fd00::1]:1");
    EXPECT_EQ(round_trip("::ffff:10.0.0.9", 65535), "10.0.0.9:65535");
}

TEST(Address, DoesNotLookUpNames) {
    for (const char* text : {"localhost", "storage-1", "", "10.0.0.1:5555", "[::1]"}) {
        EXPECT_FALSE(parse_address(text, 1)) << text;
    }
    EXPECT_NE(parse_address("storage-1", 1).error().what.find("storage-1"), std::string::npos);
}

TEST(Address, AnyIsOfEitherFamily) {
    EXPECT_EQ(to_string(*any_address(AF_INET6, 7).get()), "[::]:7");
    EXPECT_EQ(to_string(*any_address(AF_INET, 7).get()), "0.0.0.0:7");
}

}  // namespace
}  // namespace weft::verbs
