// SPDX-License-Identifier: Apache-2.0
// Who may do what with a volume: the list of its initiators.
#include "target/volume.h"

#include <gtest/gtest.h>

#include <optional>
#include <string_view>
#include <vector>

#include "common/srp/port_id.h"

namespace weft::target {
namespace {

using config::AccessRight;
using config::Grant;

constexpr const char* kUuid = "00112233-4455-6677-8899-aabbccddeeff";
constexpr const char* kDigits = "00112233445566778899aabbccddeeff";

srp::PortId port_of_kUuid() {
    srp::PortId id;
    for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(i * 0x11);
    return id;
}

class Grants : public testing::Test {
  protected:
    // What `initiator` may do where the list is `grants`; nothing: it does not see the volume.
    static std::optional<AccessRight> right(std::vector<Grant> grants, const srp::PortId& initiator) {
        const config::Target target{.name = "t"};
        config::ExportedVolume config{.name = "v", .backend = config::BackendKind::null, .size = 4096};
        config.initiators = std::move(grants);
        const auto volume = Volume::open(target, config);
        EXPECT_TRUE(volume.has_value());
        const Grant* grant = (*volume)->grant_for(initiator);
        if (grant == nullptr) return std::nullopt;
        return grant->access;
    }
    const srp::PortId node1_ = srp::port_id_of_initiator("node1");
    const srp::PortId node2_ = srp::port_id_of_initiator("node2");
};

TEST_F(Grants, an_initiator_is_known_by_its_name) {
    EXPECT_EQ(initiator_port("node1"), node1_);
    EXPECT_NE(initiator_port("node1"), initiator_port("Node1"));
    EXPECT_EQ(right({{.initiator = "node1"}}, node1_), AccessRight::rw);
    EXPECT_EQ(right({{.initiator = "node1", .access = AccessRight::ro}}, node1_), AccessRight::ro);
    EXPECT_EQ(right({{.initiator = "node1"}}, node2_), std::nullopt);
}

TEST_F(Grants, an_initiator_is_known_by_its_uuid) {
    EXPECT_EQ(initiator_port(kUuid), port_of_kUuid());
    EXPECT_EQ(initiator_port("00112233-4455-6677-8899-AABBCCDDEEFF"), port_of_kUuid());
    EXPECT_EQ(right({{.initiator = kUuid}}, port_of_kUuid()), AccessRight::rw);
    EXPECT_EQ(right({{.initiator = kUuid, .access = AccessRight::ro}}, port_of_kUuid()), AccessRight::ro);
    EXPECT_EQ(right({{.initiator = kUuid}}, node1_), std::nullopt);
}

TEST_F(Grants, an_initiator_is_known_by_the_digits_of_its_port) {
    EXPECT_EQ(initiator_port(kDigits), port_of_kUuid());
    EXPECT_EQ(initiator_port("00112233445566778899AABBCCDDEEFF"), port_of_kUuid());
    EXPECT_EQ(right({{.initiator = kDigits}}, port_of_kUuid()), AccessRight::rw);
    EXPECT_EQ(right({{.initiator = kDigits, .access = AccessRight::ro}}, port_of_kUuid()), AccessRight::ro);
    EXPECT_EQ(right({{.initiator = kDigits}}, node1_), std::nullopt);
    // Of a stock initiator, whose port is no UUID: every byte counts.
    srp::PortId linux{};
    linux[8] = std::byte{0x50};
    linux[15] = std::byte{0x56};
    EXPECT_EQ(initiator_port("00000000000000005000000000000056"), linux);
}

TEST_F(Grants, what_only_looks_like_a_port_is_a_name) {
    for (const char* name : {"00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0",
                             "00112233445566778899aabbccddeefg"})
        EXPECT_EQ(initiator_port(name), srp::port_id_of_initiator(std::string_view(name))) << name;
}

TEST_F(Grants, any_is_for_whom_no_item_names) {
    const Grant any{.initiator = "any", .access = AccessRight::ro};
    const Grant named{.initiator = "node1", .access = AccessRight::rw};
    for (const auto& grants : {std::vector{any, named}, std::vector{named, any}}) {
        EXPECT_EQ(right(grants, node1_), AccessRight::rw);
        EXPECT_EQ(right(grants, node2_), AccessRight::ro);
    }
    const Grant everybody{.initiator = "any", .access = AccessRight::rw};
    const Grant reader{.initiator = kDigits, .access = AccessRight::ro};
    for (const auto& grants : {std::vector{everybody, reader}, std::vector{reader, everybody}}) {
        EXPECT_EQ(right(grants, port_of_kUuid()), AccessRight::ro) << "a narrower right is not widened";
        EXPECT_EQ(right(grants, node1_), AccessRight::rw);
    }
    EXPECT_EQ(right({any}, srp::port_id_of_initiator("any")), AccessRight::ro) << "one that is called so";
}

TEST_F(Grants, the_first_of_two_that_mean_one_initiator_counts) {
    const Grant first{.initiator = kUuid, .access = AccessRight::ro};
    const Grant second{.initiator = kDigits, .access = AccessRight::rw};
    EXPECT_EQ(right({first, second}, port_of_kUuid()), AccessRight::ro);
    EXPECT_EQ(right({second, first}, port_of_kUuid()), AccessRight::rw);
}

TEST_F(Grants, without_an_item_nobody_sees_the_volume) {
    EXPECT_EQ(right({}, node1_), std::nullopt);
    EXPECT_EQ(right({}, srp::PortId{}), std::nullopt);
}

}  // namespace
}  // namespace weft::target
