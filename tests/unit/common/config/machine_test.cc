// SPDX-License-Identifier: Apache-2.0
// Only findings that do not depend on the machine the test runs on.
#include "common/config/machine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/core/unique_fd.h"

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

// As the daemon has it: files alone are in blocks of 4096, beside a remote leg they take that one's.
TEST_F(Machine, LegsAreInBlocksOfTheVolume) {
    const std::string path = directory_ + "/sectors";
    std::ofstream(path) << std::string(std::size_t{3} * 512, 'x');
    Initiator initiator;
    initiator.volumes = {{.linear = {{.place = {"i.yaml", 9}, .kind = LegKind::file, .path = path}}}};
    const auto alone = machine_findings(initiator);
    EXPECT_TRUE(contains(
        alone, "i.yaml:9: " + path + " has 1536 bytes, not a multiple of the block size 4096; resize it"));
    EXPECT_FALSE(contains(alone, "block_size"));
    initiator.volumes[0].linear.push_back({.place = {"i.yaml", 10}, .kind = LegKind::remote});
    EXPECT_FALSE(contains(machine_findings(initiator), "i.yaml:9"));
    std::ofstream(path) << std::string(1537, 'x');
    EXPECT_TRUE(contains(machine_findings(initiator), "not a multiple of the block size 512"));
}

TEST_F(Machine, LooksForOtherUsersOfAFile) {
    const std::string path = directory_ + "/file";
    const std::string used = path + " is in use by another process";
    const UniqueFd other(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_FALSE(contains(findings(path, 0), used));
    ASSERT_EQ(::flock(other.get(), LOCK_SH | LOCK_NB), 0);
    EXPECT_TRUE(contains(findings(path, 0), "t.yaml:7: " + used));
    Target reader;
    reader.volumes = {{.backend = BackendKind::file, .path = path, .read_only = true}};
    EXPECT_FALSE(contains(machine_findings(reader), used));
    ASSERT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
    EXPECT_TRUE(contains(machine_findings(reader), used));
    ASSERT_EQ(::flock(other.get(), LOCK_UN), 0);
    EXPECT_FALSE(contains(findings(path, 0), used));
}

TEST_F(Machine, LooksForARunningDaemon) {
    const std::string path = directory_ + "/file";
    const UniqueFd lock(::open((directory_ + "/sock.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::flock(file.get(), LOCK_EX | LOCK_NB), 0);
    Target target;
    target.place = {"t.yaml", 1};
    target.control = directory_ + "/sock";
    target.volumes = {{.backend = BackendKind::file, .path = path}};
    Initiator initiator;
    initiator.place = {"i.yaml", 1};
    initiator.control = target.control;
    EXPECT_FALSE(contains(machine_findings(target), "already running"));
    EXPECT_TRUE(contains(machine_findings(target), "in use"));
    ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
    const std::string running = "already running: another daemon serves " + target.control;
    EXPECT_TRUE(contains(machine_findings(target), "t.yaml:1: " + running));
    EXPECT_TRUE(contains(machine_findings(initiator), "i.yaml:1: " + running));
    EXPECT_FALSE(contains(machine_findings(target), "in use")) << "its own files";
}

}  // namespace
}  // namespace weft::config
