// SPDX-License-Identifier: Apache-2.0
#include "tools/weftctl/quantity.h"

#include <gtest/gtest.h>

#include "tools/weftctl/table.h"

namespace weft::ctl {
namespace {

TEST(Quantity, ReadsWell) {
    EXPECT_EQ(bytes_text(0), "0 B");
    EXPECT_EQ(bytes_text(1023), "1023 B");
    EXPECT_EQ(bytes_text(1536), "1.5 KiB");
    EXPECT_EQ(bytes_text(1ULL << 30U), "1 GiB");
    EXPECT_EQ(bytes_text(~0ULL), "16 EiB");
    EXPECT_EQ(age_text(230), "230ms");
    EXPECT_EQ(age_text(4250), "4.2s");
    EXPECT_EQ(age_text(192'000), "3m12s");
    EXPECT_EQ(age_text(7'500'000), "2h05m");
    EXPECT_EQ(age_text(273'600'000), "3d4h");
    EXPECT_EQ(rate_text(0), "0");
    EXPECT_EQ(rate_text(12'345), "12.3k");
    EXPECT_EQ(rate_text(1'234'567), "1.23M");
    EXPECT_EQ(throughput_text(0), "0");
    EXPECT_EQ(throughput_text(12'345'678), "12.3");
    EXPECT_EQ(throughput_text(1'234'567'890), "1235");
    EXPECT_EQ(printable("a\033[2Jb"), "a?[2Jb");
}

TEST(Table, AlignsItsColumns) {
    Table table({"NAME", ">SIZE", "STATE"});
    table.add({"a", "1", "ready"});
    table.add({"longer", "1000"});
    EXPECT_EQ(table.text(1), " NAME    SIZE  STATE\n a          1  ready\n longer  1000  -\n");
}

}  // namespace
}  // namespace weft::ctl
