// SPDX-License-Identifier: Apache-2.0
#include "initiator/leg_record.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::initiator {
namespace {

const std::vector<LegRecord> kLegs{
    {"unit:6025746a", 4096, 1000, *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff")},
    {"file:/srv/b.img", 4096, 50}};

class LegRecordFile : public testing::Test {
  public:
    LegRecordFile() {
        std::string name = (std::filesystem::temp_directory_path() / "weft-legs-XXXXXX").string();
        directory_ = ::mkdtemp(name.data());
    }
    ~LegRecordFile() override { std::filesystem::remove_all(directory_); }
    std::string directory_;
};

TEST(LegRecord, TextGoesBothWays) {
    EXPECT_EQ(to_text(kLegs),
              "weft-legs 2\nunit:6025746a 4096 1000 00112233-4455-6677-8899-aabbccddeeff\n"
              "file:/srv/b.img 4096 50 00000000-0000-0000-0000-000000000000\n");
    EXPECT_EQ(parse_leg_records(to_text(kLegs)).value(), kLegs);
}

TEST(LegRecord, TheFirstVersionHadNoEpochs) {
    const auto legs = parse_leg_records("weft-legs 1\nfile:/srv/b.img 4096 50\n");
    ASSERT_TRUE(legs);
    EXPECT_EQ(*legs, std::vector<LegRecord>{kLegs[1]});
}

TEST(LegRecord, OtherTextIsRefused) {
    EXPECT_FALSE(parse_leg_records(""));
    EXPECT_FALSE(parse_leg_records("weft-legs 3\n"));
    EXPECT_FALSE(parse_leg_records("weft-legs 1\nunit:a 4096\n"));
    EXPECT_FALSE(parse_leg_records("weft-legs 1\nunit:a 4096 7 8\n"));
    EXPECT_FALSE(parse_leg_records("weft-legs 1\nunit:a x 7\n"));
    EXPECT_FALSE(parse_leg_records("weft-legs 2\nunit:a 4096 7\n"));
    EXPECT_FALSE(parse_leg_records("weft-legs 2\nunit:a 4096 7 8\n"));
}

TEST(LegRecord, OnlyTheEndMayGrow) {
    EXPECT_EQ(changed_for_the_worse(kLegs, kLegs), "");
    auto now = kLegs;
    now[1].blocks = 51;
    EXPECT_EQ(changed_for_the_worse(kLegs, now), "");
    now.push_back({"unit:c", 4096, 7});
    EXPECT_NE(changed_for_the_worse(kLegs, now), "") << "the new leg would not start where it would later";
    now[1].blocks = 50;
    EXPECT_EQ(changed_for_the_worse(kLegs, now), "");
    now[0].blocks = 1001;
    EXPECT_NE(changed_for_the_worse(kLegs, now), "");
}

TEST(LegRecord, ShrunkSwappedOrMissingLegsAreNoticed) {
    auto now = kLegs;
    now[0].blocks = 999;
    EXPECT_NE(changed_for_the_worse(kLegs, now).find("smaller than it was"), std::string::npos);
    now = kLegs;
    std::swap(now[0], now[1]);
    EXPECT_NE(changed_for_the_worse(kLegs, now).find("another medium"), std::string::npos);
    now = {kLegs[0]};
    EXPECT_NE(changed_for_the_worse(kLegs, now), "");
    now = kLegs;
    now[1].block_size = 512;
    EXPECT_NE(changed_for_the_worse(kLegs, now), "");
}

// A loss that no user of the volume was told of must not be forgotten; one that nobody knew of cannot be
// told.
TEST(LegRecord, TheKnownEpochStaysUntilItsEndIsTold) {
    auto before = kLegs;
    before[0].epoch = Uuid::from_name("boot", "1");
    auto now = kLegs;
    now[0].epoch = Uuid::from_name("boot", "2");
    now[1].epoch = Uuid::from_name("boot", "3");
    now.push_back({"unit:c", 4096, 7, Uuid::from_name("boot", "4")});
    keep_epochs(before, now);
    EXPECT_EQ(now[0].epoch, before[0].epoch);
    EXPECT_EQ(now[1].epoch, Uuid::from_name("boot", "3"));
    EXPECT_EQ(now[2].epoch, Uuid::from_name("boot", "4"));
}

TEST_F(LegRecordFile, IsKept) {
    const std::string path = directory_ + "/data.legs";
    EXPECT_FALSE(load_leg_records(path).value().has_value());
    ASSERT_TRUE(save_leg_records(path, kLegs));
    EXPECT_EQ(load_leg_records(path).value(), kLegs);
}

TEST_F(LegRecordFile, ADamagedFileIsNamed) {
    const std::string path = directory_ + "/data.legs";
    std::ofstream(path) << "nonsense\n";
    const auto loaded = load_leg_records(path);
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().what.find(path), std::string::npos);
}

}  // namespace
}  // namespace weft::initiator
