// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "common/config/parse.h"

namespace weft::config {
namespace {

constexpr const char* kWhole = R"(# every key there is
initiator:
  name: compute-1
  uuid: 7f3a1c52-6f0e-4d55-8a0b-1a2b3c4d5e6f
  reactors: 2
  poll_us: 20
  control: /run/weft/i.sock
  state_dir: /var/lib/weft-i
  log_level: warn
timers: {connect_timeout: 1s}
targets:
  - name: node-a
    port_id: 00112233445566778899aabbccddeeff
    paths:
      - {address: 192.0.2.1, port: 5556, source: 192.0.2.9, qps: 2}
      - {address: "fe80::1%eth0"}
  - name: node-b
    paths: [{address: 192.0.2.2}]
volumes:
  - name: data
    uuid: 0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a001
    queue_timeout: 5s
    on_loss: fail
    queue_depth: 64
    max_io: 128KiB
    device_id: 3
    read_only: true
    linear:
      - remote: {target: node-a, volume: data}
      - remote: {target: node-b, lun: 0}
      - file: {path: /srv/tail.img}
  - name: more
    linear: [{remote: {target: node-b, volume: 0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a00f}}]
)";

TEST(ParseInitiator, ReadsEveryKey) {
    const auto initiator = parse_initiator_text(kWhole, "i.yaml");
    ASSERT_TRUE(initiator) << initiator.error().what;
    EXPECT_EQ(initiator->name, "compute-1");
    EXPECT_TRUE(initiator->uuid);
    EXPECT_EQ(initiator->reactors, 2U);
    EXPECT_EQ(initiator->poll_us, 20U);
    EXPECT_EQ(initiator->control, "/run/weft/i.sock");
    EXPECT_EQ(initiator->state_dir, "/var/lib/weft-i");
    EXPECT_EQ(initiator->log_level, "warn");
    EXPECT_EQ(initiator->timers.connect_timeout, std::chrono::seconds{1});
    ASSERT_EQ(initiator->targets.size(), 2U);
    EXPECT_EQ(initiator->targets[0].port_id->at(15), std::byte{0xFF});
    ASSERT_EQ(initiator->targets[0].paths.size(), 2U);
    EXPECT_EQ(initiator->targets[0].paths[0].source, "192.0.2.9");
    EXPECT_EQ(initiator->targets[0].paths[0].qps, 2U);
    EXPECT_EQ(initiator->targets[0].paths[1].port, 5555);
    ASSERT_EQ(initiator->volumes.size(), 2U);
    const Volume& data = initiator->volumes[0];
    EXPECT_EQ(data.queue_timeout, std::chrono::seconds{5});
    EXPECT_EQ(data.on_loss, LossPolicy::fail);
    EXPECT_EQ(data.queue_depth, 64U);
    EXPECT_EQ(data.max_io_bytes, 128U << 10U);
    EXPECT_EQ(data.device_id, 3);
    EXPECT_TRUE(data.read_only);
    ASSERT_EQ(data.linear.size(), 3U);
    EXPECT_EQ(data.linear[0].kind, LegKind::remote);
    EXPECT_EQ(data.linear[0].volume, "data");
    EXPECT_EQ(data.linear[0].place.line, 29);
    EXPECT_FALSE(data.linear[0].lun);
    EXPECT_EQ(data.linear[1].lun, 0U);
    EXPECT_EQ(data.linear[2].kind, LegKind::file);
    EXPECT_EQ(data.linear[2].path, "/srv/tail.img");
    EXPECT_FALSE(initiator->volumes[1].device_id);
}

TEST(ParseInitiator, NeedsNoTargetsForLocalLegs) {
    const auto initiator = parse_initiator_text(
        "initiator: {name: i}\nvolumes: [{name: v, linear: [{file: {path: /d}}]}]\n", "i");
    ASSERT_TRUE(initiator) << initiator.error().what;
    EXPECT_TRUE(initiator->targets.empty());
}

struct Wrong {
    const char* name;
    const char* replace;
    const char* with;
    const char* finding;
};

class InitiatorFinding : public testing::TestWithParam<Wrong> {};

TEST_P(InitiatorFinding, IsTheOneLineReported) {
    std::string text = kWhole;
    const std::size_t at = text.find(GetParam().replace);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, std::string(GetParam().replace).size(), GetParam().with);
    const auto initiator = parse_initiator_text(text, "i.yaml");
    ASSERT_FALSE(initiator);
    EXPECT_EQ(initiator.error().what, GetParam().finding);
}

const Wrong kWrong[] = {
    {"UnknownTarget", "target: node-a, volume", "target: node-x, volume",
     "i.yaml:29: volumes[0].linear[0].remote.target: there is no target \"node-x\"; did you mean "
     "\"node-a\"?"},
    {"UnknownTargetFarOff", "target: node-a, volume", "target: elsewhere, volume",
     "i.yaml:29: volumes[0].linear[0].remote.target: there is no target \"elsewhere\"; add it to targets, or "
     "name one "
     "that is there"},
    {"Mirror", "    linear: [{remote: {target: node-b, volume: 0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a00f}}]",
     "    mirror: [{file: {path: /a}}]",
     "i.yaml:33: volumes[1].mirror: a mirror is not in this version; use linear with one leg"},
    {"NoLegs", "    linear: [{remote: {target: node-b, volume: 0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a00f}}]",
     "    linear: []", "i.yaml:33: volumes[1].linear: the list is empty; add an item"},
    {"VolumeAndLun", "volume: data}", "volume: data, lun: 1}",
     "i.yaml:29: volumes[0].linear[0].remote.lun: stands beside volume; keep one of the two"},
    {"NeitherVolumeNorLun", ", volume: data}", "}",
     "i.yaml:29: volumes[0].linear[0].remote: none of volume, lun is there; add one of them"},
    {"SameLegTwice", "- remote: {target: node-b, lun: 0}", "- remote: {target: node-a, volume: data}",
     "i.yaml:30: volumes[0].linear[1]: the leg node-a volume data is taken already in line 29; use another"},
    {"MaxIoMisaligned", "max_io: 128KiB", "max_io: 5000",
     "i.yaml:25: volumes[0].max_io: 5000 is not allowed; use 4KiB..1MiB, multiple of 4KiB"},
    {"DeviceTwice", "  - name: more\n", "  - name: more\n    device_id: 3\n",
     "i.yaml:32: volumes[1].device_id: the device id 3 is taken already in line 20; use another"},
    {"TargetTwice", "name: node-b", "name: node-a",
     "i.yaml:17: targets[1].name: the target name node-a is taken already in line 12; use another\n"
     "i.yaml:30: volumes[0].linear[1].remote.target: there is no target \"node-b\"; did you mean "
     "\"node-a\"?\n"
     "i.yaml:33: volumes[1].linear[0].remote.target: there is no target \"node-b\"; did you mean "
     "\"node-a\"?"},
    {"LinkLocalWithoutInterface", "fe80::1%eth0", "fe80::1",
     "i.yaml:16: targets[0].paths[1].address: \"fe80::1\" is link-local; add the interface, such as "
     "fe80::1%eth0"},
    {"NameAny", "name: compute-1", "name: any",
     "i.yaml:3: initiator.name: \"any\" means everybody where targets grant access; choose another"},
    {"LinearMisspelt", "    linear: [{remote", "    linera: [{remote",
     "i.yaml:33: volumes[1]: unknown key \"linera\"; did you mean \"linear\"?"},
    {"NameMisspelt", "  - name: more\n", "  - nmae: more\n",
     "i.yaml:32: volumes[1]: unknown key \"nmae\"; did you mean \"name\"?"},
    {"LegMisspelt", "- remote: {target: node-b, lun: 0}", "- remte: {target: node-b, lun: 0}",
     "i.yaml:30: volumes[0].linear[1]: unknown key \"remte\"; did you mean \"remote\"?"},
    {"MissingBesideAnUnknown", "  - name: more\n", "  - colour: more\n",
     "i.yaml:32: volumes[1]: unknown key \"colour\"; the keys here are name, uuid, queue_timeout, on_loss, "
     "queue_depth, max_io, device_id, read_only, linear\n"
     "i.yaml:32: volumes[1].name: is missing; add it"},
    {"VolumeTwice", "  - name: more\n", "  - name: data\n",
     "i.yaml:32: volumes[1].name: the volume name data is taken already in line 20; use another"},
    {"LegNeither", "- file: {path: /srv/tail.img}", "- {}",
     "i.yaml:31: volumes[0].linear[2]: none of remote, file is there; add one of them"},
};
INSTANTIATE_TEST_SUITE_P(Each, InitiatorFinding, testing::ValuesIn(kWrong),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace weft::config
