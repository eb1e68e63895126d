// SPDX-License-Identifier: Apache-2.0
// Only findings that do not depend on the machine the test runs on.
#include "common/config/machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::config {
namespace {

bool contains(const std::vector<std::string>& lines, const std::string& text) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

class Machine : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/weft-machine-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
        std::ofstream(directory_ + "/file") << std::string(8192, 'x');
        std::ofstream(directory_ + "/empty");
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    [[nodiscard]] std::vector<std::string> findings(const std::string& path, std::uint64_t size) const {
        Target target;
        target.volumes = {{.place = {"t.yaml", 7}, .backend = BackendKind::file, .path = path, .size = size}};
        return machine_findings(target);
    }
    std::string directory_;
};

TEST_F(Machine, LooksAtBackingFiles) {
    EXPECT_FALSE(contains(findings(directory_ + "/file", 0), "t.yaml:7"));
    EXPECT_FALSE(contains(findings(directory_ + "/file", 8192), "t.yaml:7"));
    EXPECT_FALSE(contains(findings(directory_ + "/new", 8192), "t.yaml:7"));
    EXPECT_TRUE(contains(findings(directory_ + "/file", 4096),
                         "t.yaml:7: " + directory_ + "/file has 8192 bytes, not 4096"));
    EXPECT_TRUE(contains(findings(directory_ + "/empty", 0), "t.yaml:7: " + directory_ + "/empty is empty"));
    EXPECT_TRUE(
        contains(findings(directory_ + "/new", 0), "t.yaml:7: " + directory_ + "/new cannot be opened"));
    EXPECT_TRUE(contains(findings(directory_ + "/none/new", 4096), "cannot be created"));
    EXPECT_TRUE(
        contains(findings("/dev/null", 0), "t.yaml:7: /dev/null is neither a file nor a block device"));
}

TEST_F(Machine, LooksAtAddressesAndDevices) {
    Target target;
    target.listeners = {{.place = {"t.yaml", 1}, .address = "127.0.0.1"},
                        {.place = {"t.yaml", 2}, .address = "192.0.2.77"},
                        {.place = {"t.yaml", 3}, .address = "*", .device = "no_such_device"}};
    const auto lines = machine_findings(target);
    EXPECT_FALSE(contains(lines, "t.yaml:1"));
    EXPECT_TRUE(contains(lines, "t.yaml:2: no interface has the address 192.0.2.77"));
    EXPECT_TRUE(contains(lines, "t.yaml:3: there is no RDMA device no_such_device"));
}

TEST_F(Machine, LooksAtLegsAndSources) {
    Initiator initiator;
    initiator.targets = {
        {.paths = {{.place = {"i.yaml", 4}, .address = "192.0.2.1", .source = "192.0.2.77"}}}};
    initiator.volumes = {
        {.linear = {{.place = {"i.yaml", 9}, .kind = LegKind::file, .path = directory_ + "/gone"}}}};
    const auto lines = machine_findings(initiator);
    EXPECT_TRUE(contains(lines, "i.yaml:4: no interface has the source address"));
    EXPECT_TRUE(contains(lines, "i.yaml:9: " + directory_ + "/gone cannot be opened"));
}

}  // namespace
}  // namespace weft::config
