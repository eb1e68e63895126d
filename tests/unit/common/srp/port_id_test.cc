// SPDX-License-Identifier: Apache-2.0
#include "common/srp/port_id.h"

#include <gtest/gtest.h>

namespace weft::srp {
namespace {

TEST(PortId, of_names) {
    EXPECT_EQ(port_id_of_target("store1"), port_id_of_target("store1"));
    EXPECT_NE(port_id_of_target("store1"), port_id_of_target("store2"));
    EXPECT_NE(port_id_of_target("a"), port_id_of_initiator("a"));
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(usable_for_target(port_id_of_target(std::to_string(i))));
}

TEST(PortId, of_uuid_is_the_uuid) {
    const auto uuid = Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
    ASSERT_TRUE(uuid);
    EXPECT_EQ(to_string(port_id_of_initiator(*uuid)), "00112233445566778899aabbccddeeff");
}

TEST(PortId, forbidden_organisations) {
    PortId id{};
    EXPECT_TRUE(usable_for_target(id));
    id[9] = std::byte{0x05};
    id[10] = std::byte{0xAD};
    EXPECT_FALSE(usable_for_target(id));
    id[9] = std::byte{0x1B};
    id[10] = std::byte{0x0D};
    EXPECT_FALSE(usable_for_target(id));
}

TEST(PortId, login_string_of_linux) {
    PortId id{};
    id[4] = std::byte{0xC0};
    id[15] = std::byte{0x02};
    EXPECT_EQ(target_login_string(id), "id_ext=00000000c0000000,ioc_guid=0000000000000002");
}

}  // namespace
}  // namespace weft::srp
