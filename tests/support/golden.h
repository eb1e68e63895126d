// SPDX-License-Identifier: Apache-2.0
// Golden bytes: text files of hexadecimal digits under tests/golden, '#' starts a comment.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace weft::test {

// The bytes of tests/golden/`name`. REQUIRES: WEFT_GOLDEN_DIR is defined by the test's meson.build.
inline std::vector<std::byte> golden(const std::string& name) {
    std::ifstream file(std::string(WEFT_GOLDEN_DIR) + "/" + name);
    EXPECT_TRUE(file.good()) << "no golden file " << name;
    std::vector<std::byte> bytes;
    std::string digits;
    for (std::string line; std::getline(file, line);) {
        for (const char c : line.substr(0, line.find('#'))) {
            if (std::isxdigit(static_cast<unsigned char>(c)) == 0) continue;
            digits += c;
            if (digits.size() < 2) continue;
            bytes.push_back(static_cast<std::byte>(std::stoi(digits, nullptr, 16)));
            digits.clear();
        }
    }
    EXPECT_TRUE(digits.empty()) << "an odd digit in " << name;
    return bytes;
}

}  // namespace weft::test
