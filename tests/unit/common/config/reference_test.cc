// SPDX-License-Identifier: Apache-2.0
// What people read agrees with what the parser does: docs/topology.md and configs/.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/config/memory_budget.h"
#include "common/config/parse.h"

namespace weft::config {
namespace {

std::string source(const std::string& path) {
    const char* root = std::getenv("WEFT_SOURCE");
    EXPECT_NE(root, nullptr) << "run by meson, which names the source tree";
    return std::string(root == nullptr ? "." : root) + "/" + path;
}

std::string read(const std::string& path) {
    std::ifstream file(source(path));
    EXPECT_TRUE(file) << path;
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// "| `key` | type | default | range |" of each row between one heading and the next.
std::vector<std::string> documented(const std::string& heading) {
    std::istringstream text(read("docs/topology.md"));
    std::vector<std::string> rows;
    bool inside = false;
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("## ")) inside = line == heading;
        if (!inside || !line.starts_with("| `")) continue;
        std::size_t end = 0;
        for (int bar = 0; bar < 5; ++bar) end = line.find('|', end + (bar == 0 ? 0 : 1));
        EXPECT_GT(line.size(), end + 4) << "no meaning: " << line;
        rows.push_back(line.substr(0, end + 1));
    }
    return rows;
}

std::vector<std::string> known(FileKind kind) {
    std::vector<std::string> rows;
    const auto cell = [](const std::string& text) {
        return text.empty() ? std::string(" |") : " " + text + " |";
    };
    for (const KeyReference& key : known_keys(kind))
        rows.push_back("| `" + key.key + "` |" + cell(key.type) + cell(key.fallback) + cell(key.range));
    return rows;
}

TEST(Reference, DocumentsEveryKeyOfATargetFile) {
    EXPECT_EQ(documented("## Target file"), known(FileKind::target));
}

TEST(Reference, DocumentsEveryKeyOfAnInitiatorFile) {
    EXPECT_EQ(documented("## Initiator file"), known(FileKind::initiator));
}

TEST(Reference, ShowsTheExamplesAsTheyAre) {
    const std::string text = read("docs/topology.md");
    EXPECT_NE(text.find("```yaml\n" + read("configs/target.example.yaml") + "```"), std::string::npos);
    EXPECT_NE(text.find("```yaml\n" + read("configs/initiator.example.yaml") + "```"), std::string::npos);
}

TEST(Reference, EveryExampleIsGood) {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(source("configs"))) {
        if (entry.path().extension() != ".yaml") continue;
        const std::string path = entry.path();
        const auto text = read_file(path);
        ASSERT_TRUE(text) << text.error().what;
        const auto kind = kind_of_text(*text, path);
        ASSERT_TRUE(kind) << kind.error().what;
        if (*kind == FileKind::target) {
            const auto target = parse_target(path);
            EXPECT_TRUE(target) << target.error().what;
        } else {
            const auto initiator = parse_initiator(path);
            EXPECT_TRUE(initiator) << initiator.error().what;
        }
        ++files;
    }
    EXPECT_GE(files, 5U);
}

TEST(MemoryBudget, IsTheSumOfItsHolders) {
    const auto initiator = parse_initiator_text(R"(
initiator: {name: i}
targets: [{name: t, paths: [{address: 192.0.2.1, qps: 2}, {address: 192.0.2.2}]}]
volumes:
  - {name: a, queue_depth: 16, max_io: 128KiB, linear: [{remote: {target: t, lun: 0}}]}
  - {name: b, linear: [{remote: {target: t, lun: 1}}]}
)",
                                                "i");
    ASSERT_TRUE(initiator) << initiator.error().what;
    const MemoryBudget budget = memory_budget(*initiator, {.initiator_channel = 1000});
    ASSERT_EQ(budget.shares.size(), 3U);
    EXPECT_EQ(budget.shares[0].bytes, 16U * (128U << 10U));
    EXPECT_EQ(budget.shares[1].bytes, 128U * (512U << 10U));
    EXPECT_EQ(budget.shares[2].bytes, 3000U);
    EXPECT_EQ(budget.total, budget.shares[0].bytes + budget.shares[1].bytes + budget.shares[2].bytes);
}

TEST(MemoryBudget, CountsEveryNexusOfATarget) {
    Target target;
    target.limits = {
        .request_limit = 10, .nexuses = 3, .channels_per_nexus = 2, .nexus_buffer_bytes = 1 << 20};
    target.volumes = {{.backend = BackendKind::memory, .size = 4096 * 100},
                      {.backend = BackendKind::null, .size = std::uint64_t{1} << 50U}};
    const MemoryBudget budget = memory_budget(target, {.target_credit = 100});
    EXPECT_EQ(budget.total, 409'600U + 3 * (1U << 20U) + 3 * 2 * 10 * 100 + 3 * 100 * 8);
    // No more channels than its reactors take.
    EXPECT_EQ(budget.total - memory_budget(target, {.target_credit = 100, .target_channels = 5}).total,
              10 * 100U);
    target.limits.nexus_buffer_bytes = ~std::uint64_t{0};
    EXPECT_EQ(memory_budget(target).total, ~std::uint64_t{0});
}

}  // namespace
}  // namespace weft::config
