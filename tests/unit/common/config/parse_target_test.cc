// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "common/config/parse.h"

namespace weft::config {
namespace {

constexpr const char* kWhole = R"(# every key there is
target:
  name: node-a
  uuid: 7f3a1c52-6f0e-4d55-8a0b-1a2b3c4d5e6f
  port_id: 00112233445566778899aabbccddeeff
  reactors: 4
  poll_us: 50
  control: /run/weft/a.sock
  log_level: debug
listeners:
  - address: 192.0.2.1
    port: 5556
    device: mlx5_0
  - address: "*"
limits:
  request_limit: 64
  nexuses: 8
  channels_per_nexus: 4
  nexus_buffer: 32MiB
timers:
  connect_timeout: 2s
  reconnect_min: 100ms
  reconnect_max: 5s
  heartbeat: 0
  heartbeat_misses: 3
  command_timeout: 1m
  scale: 0.5
volumes:
  - name: data
    uuid: 0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a001
    lun: 7
    block_size: 512
    read_only: true
    file:
      path: /srv/weft/data.img
      size: 1GiB
      write_cache: false
    initiators:
      - any
      - id: compute-1
        access: ro
  - name: scratch
    memory: {size: 64MiB}
    initiators: [compute-1, 0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a0ff, 00112233445566778899aabbccddeef0]
  - name: hole
    null: {size: 1TiB}
    initiators: [any]
)";

TEST(ParseTarget, ReadsEveryKey) {
    const auto target = parse_target_text(kWhole, "t.yaml");
    ASSERT_TRUE(target) << target.error().what;
    EXPECT_EQ(target->name, "node-a");
    EXPECT_EQ(target->uuid->to_string(), "7f3a1c52-6f0e-4d55-8a0b-1a2b3c4d5e6f");
    EXPECT_EQ(target->port_id->at(1), std::byte{0x11});
    EXPECT_EQ(target->reactors, 4U);
    EXPECT_EQ(target->poll_us, 50U);
    EXPECT_EQ(target->control, "/run/weft/a.sock");
    EXPECT_EQ(target->log_level, "debug");
    ASSERT_EQ(target->listeners.size(), 2U);
    EXPECT_EQ(target->listeners[0].port, 5556);
    EXPECT_EQ(target->listeners[0].device, "mlx5_0");
    EXPECT_EQ(target->listeners[0].place.line, 11);
    EXPECT_EQ(target->listeners[1].address, "*");
    EXPECT_EQ(target->listeners[1].port, 5555);
    EXPECT_EQ(target->limits.request_limit, 64U);
    EXPECT_EQ(target->limits.nexuses, 8U);
    EXPECT_EQ(target->limits.channels_per_nexus, 4U);
    EXPECT_EQ(target->limits.nexus_buffer_bytes, 32U << 20U);
    EXPECT_EQ(target->timers.connect_timeout, std::chrono::seconds{2});
    EXPECT_EQ(target->timers.heartbeat.count(), 0);
    EXPECT_EQ(target->timers.heartbeat_misses, 3U);
    EXPECT_EQ(target->timers.command_timeout, std::chrono::minutes{1});
    EXPECT_DOUBLE_EQ(target->timers.scale, 0.5);
    ASSERT_EQ(target->volumes.size(), 3U);
    const ExportedVolume& data = target->volumes[0];
    EXPECT_EQ(data.lun, 7U);
    EXPECT_EQ(data.block_size, 512U);
    EXPECT_TRUE(data.read_only);
    EXPECT_EQ(data.backend, BackendKind::file);
    EXPECT_EQ(data.path, "/srv/weft/data.img");
    EXPECT_EQ(data.size, 1U << 30U);
    EXPECT_FALSE(data.write_cache);
    ASSERT_EQ(data.initiators.size(), 2U);
    EXPECT_EQ(data.initiators[0].initiator, "any");
    EXPECT_EQ(data.initiators[0].access, AccessRight::rw);
    EXPECT_EQ(data.initiators[1].initiator, "compute-1");
    EXPECT_EQ(data.initiators[1].access, AccessRight::ro);
    EXPECT_EQ(target->volumes[1].backend, BackendKind::memory);
    EXPECT_EQ(target->volumes[1].lun, 1U);
    EXPECT_EQ(target->volumes[1].initiators.size(), 3U);
    EXPECT_EQ(target->volumes[2].backend, BackendKind::null);
    EXPECT_EQ(target->volumes[2].lun, 2U);
}

TEST(ParseTarget, AnchorsAndAliasesStandForTheirValue) {
    const auto target = parse_target_text(R"(
target: {name: a}
listeners: [{address: "*"}]
volumes:
  - {name: one, memory: &size {size: 1MiB}, initiators: &all [any]}
  - {name: two, memory: *size, initiators: *all}
)",
                                          "t");
    ASSERT_TRUE(target) << target.error().what;
    EXPECT_EQ(target->volumes[1].size, 1U << 20U);
    EXPECT_EQ(target->volumes[1].initiators.size(), 1U);
}

struct Wrong {
    const char* name;
    const char* replace;  // this text of kWhole
    const char* with;     // by this one
    const char* finding;  // is reported, as the only one
};

std::string replaced(const char* from, const char* to) {
    std::string text = kWhole;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, std::string(from).size(), to);
}

class TargetFinding : public testing::TestWithParam<Wrong> {};

TEST_P(TargetFinding, IsTheOneLineReported) {
    const auto target = parse_target_text(replaced(GetParam().replace, GetParam().with), "t.yaml");
    ASSERT_FALSE(target);
    EXPECT_EQ(target.error().what, GetParam().finding);
}

const Wrong kWrong[] = {
    {"UnknownKeyWithNeighbour", "reactors: 4", "reactor: 4",
     "t.yaml:6: target: unknown key \"reactor\"; did you mean \"reactors\"?"},
    {"UnknownKeyInOtherSpelling", "read_only: true", "readOnly: true",
     "t.yaml:33: volumes[0]: unknown key \"readOnly\"; did you mean \"read_only\"?"},
    {"UnknownKeyWithoutNeighbour", "    device: mlx5_0", "    colour: red",
     "t.yaml:13: listeners[0]: unknown key \"colour\"; the keys here are address, port, device"},
    {"UnknownTopKey", "limits:", "limit:", "t.yaml:15: unknown key \"limit\"; did you mean \"limits\"?"},
    {"DuplicateKey", "poll_us: 50", "reactors: 5",
     "t.yaml:7: target: the key \"reactors\" stands here again (first in line 6); keep one"},
    {"MissingName", "  name: node-a\n", "", "t.yaml:3: target.name: is missing; add it"},
    {"NotAnInteger", "reactors: 4", "reactors: four",
     "t.yaml:6: target.reactors: \"four\" is not a whole number; write decimal digits (1..64)"},
    {"QuotedInteger", "reactors: 4", "reactors: \"4\"",
     "t.yaml:6: target.reactors: is text because of its quotes; remove them"},
    {"NegativeInteger", "reactors: 4", "reactors: -4",
     "t.yaml:6: target.reactors: \"-4\" is not a whole number; write decimal digits (1..64)"},
    {"OutOfRange", "reactors: 4", "reactors: 65", "t.yaml:6: target.reactors: 65 is not allowed; use 1..64"},
    {"PortOutOfRange", "port: 5556", "port: 65536",
     "t.yaml:12: listeners[0].port: 65536 is not allowed; use 1..65535"},
    {"FarTooLarge", "port: 5556", "port: 99999999999999999999",
     "t.yaml:12: listeners[0].port: \"99999999999999999999\" is far too large; use a smaller number "
     "(1..65535)"},
    {"ListWhereValueBelongs", "reactors: 4", "reactors: [4]",
     "t.yaml:6: target.reactors: holds a list; it must be a single value"},
    {"ValueWhereMapBelongs", "null: {size: 1TiB}", "null: 1TiB",
     "t.yaml:46: volumes[2].null: holds a single value; it must be a map of keys"},
    {"ValueWhereListBelongs", "    initiators: [any]", "    initiators: any",
     "t.yaml:47: volumes[2].initiators: holds a single value; it must be a list (each item after a '-')"},
    {"NoValue", "log_level: debug", "log_level:",
     "t.yaml:9: target.log_level: has no value; give it one, or remove the key for the default"},
    {"WordNotKnown", "log_level: debug", "log_level: debg",
     "t.yaml:9: target.log_level: \"debg\" is not one of trace, debug, info, warn, error; did you mean "
     "debug?"},
    {"FlagNotKnown", "read_only: true", "read_only: yes",
     "t.yaml:33: volumes[0].read_only: \"yes\" is neither; write true or false"},
    {"BlockSize", "block_size: 512", "block_size: 1024",
     "t.yaml:32: volumes[0].block_size: \"1024\" is not one of 512, 4096; use one of them"},
    {"SizeUnit", "size: 64MiB", "size: 64MB",
     "t.yaml:43: volumes[1].memory.size: \"64MB\" is not a size; write bytes, or a whole number with KiB, "
     "MiB, GiB or "
     "TiB, such as 512MiB"},
    {"SizeNotOfBlocks", "size: 64MiB", "size: 10000",
     "t.yaml:43: volumes[1].memory.size: 10000 is not a multiple of the block size 4096; write 12KiB"},
    {"SizeMissing", "memory: {size: 64MiB}", "memory: {}",
     "t.yaml:43: volumes[1].memory.size: is missing; add it"},
    {"SizeZero", "size: 64MiB", "size: 0",
     "t.yaml:43: volumes[1].memory.size: 0 is not allowed; use 512..1048576TiB"},
    {"DurationWithoutUnit", "heartbeat: 0", "heartbeat: 200",
     "t.yaml:24: timers.heartbeat: \"200\" has no unit; write ms, s, m or h after it, such as 200ms"},
    {"DurationOutOfRange", "heartbeat: 0", "heartbeat: 2m",
     "t.yaml:24: timers.heartbeat: 2m is not allowed; use 0..1m"},
    {"DurationsInDisorder", "reconnect_max: 5s", "reconnect_max: 50ms",
     "t.yaml:23: timers.reconnect_max: 50ms is less than reconnect_min (100ms); make it at least that"},
    {"Scale", "scale: 0.5", "scale: 0", "t.yaml:27: timers.scale: 0 is not allowed; use 0.1..100"},
    {"ScaleNotFinite", "scale: 0.5", "scale: .inf",
     "t.yaml:27: timers.scale: \".inf\" is not a number; write one such as 0.5"},
    {"Uuid", "7f3a1c52-6f0e", "7f3a1c526f0e",
     "t.yaml:4: target.uuid: \"7f3a1c526f0e-4d55-8a0b-1a2b3c4d5e6f\" is not a UUID; write 8-4-4-4-12 "
     "hexadecimal digits, as "
     "uuidgen prints them"},
    {"PortId", "00112233445566778899aabbccddeeff", "0011",
     "t.yaml:5: target.port_id: \"0011\" is not a port id; write exactly 32 hexadecimal digits"},
    {"RelativePath", "path: /srv/weft/data.img", "path: data.img",
     "t.yaml:35: volumes[0].file.path: \"data.img\" is not absolute; write the whole path, from /"},
    {"HostName", "address: 192.0.2.1", "address: node-a.example",
     "t.yaml:11: listeners[0].address: \"node-a.example\" is not an address; write a numeric IPv4 or IPv6 "
     "address (names "
     "are not resolved)"},
    {"DuplicateVolumeName", "name: scratch", "name: data",
     "t.yaml:42: volumes[1].name: the volume name data is taken already in line 29; use another"},
    {"DuplicateLun", "lun: 7", "lun: 2",
     "t.yaml:45: volumes[2].lun: the lun 2 is taken already in line 29; use another"},
    {"DuplicateListener", "  - address: \"*\"", "  - {address: 192.0.2.1, port: 5556}",
     "t.yaml:14: listeners[1]: the address and port 192.0.2.1 5556 is taken already in line 11; use another"},
    {"ListenerCovered", "port: 5556", "port: 5555",
     "t.yaml:11: listeners[0]: \"*\" in line 14 listens on port 5555 of every address already; remove one of "
     "the two"},
    {"DuplicateGrant", "- id: compute-1", "- id: any",
     "t.yaml:40: volumes[0].initiators[1].id: the initiator any is taken already in line 39; use another"},
    {"GrantNotAName", "initiators: [any]", "initiators: [a b]",
     "t.yaml:47: volumes[2].initiators[0]: \"a b\" is not a name; use 1 to 48 of A-Z a-z 0-9 . _ -, first a "
     "letter or "
     "digit; or write a UUID, a port id (32 hexadecimal digits) or any"},
    {"NobodyMaySee", "initiators: [any]", "initiators: []",
     "t.yaml:47: volumes[2].initiators: the list is empty; add an item"},
    {"TwoBackends", "    null: {size: 1TiB}", "    null: {size: 1TiB}\n    memory: {size: 1MiB}",
     "t.yaml:46: volumes[2].null: stands beside memory; keep one of the two"},
    {"NoBackend", "    null: {size: 1TiB}\n", "",
     "t.yaml:45: volumes[2]: none of file, memory, null is there; add one of them"},
    {"NameThatIsAnIdentifier", "name: scratch", "name: 0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a0ff",
     "t.yaml:42: volumes[1].name: \"0b5fb1f4-5c1c-4a6a-9f57-c1a9c4d7a0ff\" reads as an identifier, not as a "
     "name; "
     "choose another"},
    {"MergeKey", "poll_us: 50", "<<: 50",
     "t.yaml:7: target: unknown key \"<<\"; merge keys are not supported; write the keys out"},
    {"Tab", "  poll_us: 50", "\tpoll_us: 50", "t.yaml:7: a tab indents this line; indent with spaces"},
    {"Indentation", "  poll_us: 50", "   poll_us: 50",
     "t.yaml:7: a ':' where no key can be; check the indentation, and quote values that contain ': '"},
    {"Tag", "reactors: 4", "reactors: !!int 4",
     "t.yaml:6: the tag tag:yaml.org,2002:int has no meaning here; remove it"},
    {"ControlCharacter", "node-a", "node\x01", "t.yaml:3: control character 0x01; remove it"},
    {"NotUtf8", "node-a", "node\xFF", "t.yaml:3: not UTF-8 text; save the file as UTF-8"},
    {"TwoDocuments", "limits:", "---\nlimits:",
     "t.yaml:15: a second document starts here; keep one document per file and remove the '---'"},
};
INSTANTIATE_TEST_SUITE_P(Each, TargetFinding, testing::ValuesIn(kWrong),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(ParseTarget, ReportsAllFindingsInOrderOfLines) {
    const auto target = parse_target_text(R"(target: {name: a, reactors: 0}
listeners: [{address: nowhere}]
volumes:
  - {name: v, memory: {size: 1}, initiators: [any]}
)",
                                          "t");
    ASSERT_FALSE(target);
    std::vector<std::string> starts;
    for (std::size_t at = 0; at != std::string::npos;) {
        starts.push_back(target.error().what.substr(at, 4));
        at = target.error().what.find('\n', at);
        if (at != std::string::npos) ++at;
    }
    EXPECT_EQ(starts, (std::vector<std::string>{"t:1:", "t:2:", "t:4:"}));
}

TEST(ParseTarget, BoundsTheNumberOfLines) {
    std::string text = "target: {name: a}\nlisteners: [{address: \"*\"}]\nvolumes:\n";
    for (int i = 0; i < 50; ++i) text += "  - {}\n";
    const auto target = parse_target_text(text, "t");
    ASSERT_FALSE(target);
    EXPECT_EQ(std::count(target.error().what.begin(), target.error().what.end(), '\n'), 19);
    EXPECT_NE(target.error().what.find("131 more errors"), std::string::npos) << target.error().what;
}

}  // namespace
}  // namespace weft::config
