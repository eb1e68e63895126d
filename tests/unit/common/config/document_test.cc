// SPDX-License-Identifier: Apache-2.0
#include "common/config/document.h"

#include <gtest/gtest.h>

#include <string>

#include "common/config/parse.h"

namespace weft::config {
namespace {

std::string failure(std::string_view text) {
    const auto document = Document::parse(text, "f");
    return document ? "none" : document.error().what;
}

TEST(Document, KeepsDuplicatesAndLines) {
    const auto document = Document::parse("a: 1\na: 2\n", "f");
    ASSERT_TRUE(document);
    ASSERT_EQ(document->root().children.size(), 4U);
    EXPECT_EQ(document->at(document->root().children[2]).line, 2);
}

TEST(Document, RefusesWhatIsNotOneBoundedTree) {
    EXPECT_EQ(failure(""), "f:1: the file is empty; configs/ has examples to start from");
    EXPECT_EQ(failure("# only a comment\n"), "f:1: the file is empty; configs/ has examples to start from");
    EXPECT_EQ(failure("a: &x [*x]"), "f:1: this alias contains itself; write the value out");
    EXPECT_EQ(failure("a: *x"), "f:1: this alias names no anchor; define it above with &");
    EXPECT_EQ(failure("[a]: 1"), "f:1: a key must be a plain word; a list or map cannot be one");
    EXPECT_EQ(failure(std::string(5000, '[')), "f:1: the line is longer than 4096 bytes; break it");
    EXPECT_EQ(failure("a: " + std::string(13, '[') + std::string(13, ']')),
              "f:1: nested more than 12 deep; nothing in this file is");
    EXPECT_NE(failure("a: [1, 2"), "none");
    EXPECT_NE(failure("a: {b: 1"), "none");
    EXPECT_NE(failure("a: 'x"), "none");
    std::string many = "a:\n";
    for (std::size_t i = 0; i <= kNodesMax; ++i) many += " - 1\n";
    EXPECT_NE(failure(many).find("more than 100000 values"), std::string::npos);
    EXPECT_NE(failure(std::string(kFileBytesMax + 1, '#')).find("larger than"), std::string::npos);
}

TEST(Document, SharesAliasesInsteadOfCopyingThem) {
    // Each line would double the tree if it were copied: 2^10 values at the end, a dozen nodes here.
    std::string text = "a0: &a0 x\n";
    for (int i = 1; i <= 10; ++i)
        text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
                ", *a" + std::to_string(i - 1) + "]\n";
    EXPECT_EQ(failure(text), "none");
}

TEST(Document, TellsTheKindsOfFileApart) {
    EXPECT_EQ(kind_of_text("target: {}", "f").value(), FileKind::target);
    EXPECT_EQ(kind_of_text("initiator: {}", "f").value(), FileKind::initiator);
    EXPECT_FALSE(kind_of_text("target: {}\ninitiator: {}", "f"));
    EXPECT_FALSE(kind_of_text("volumes: []", "f"));
}

TEST(ReadFile, ReportsWhatCannotBeRead) {
    const auto missing = parse_target("/nonexistent/weft.yaml");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ENOENT);
    EXPECT_EQ(missing.error().what,
              "/nonexistent/weft.yaml:0: cannot be read (No such file or directory); check the name and the "
              "permissions");
    EXPECT_EQ(parse_target("/").error().code, EISDIR);
    EXPECT_EQ(parse_target("/dev/zero").error().code, EFBIG);
}

}  // namespace
}  // namespace weft::config
