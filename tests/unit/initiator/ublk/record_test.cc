// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/record.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "initiator/ublk/leftover.h"

namespace weft::ublk {
namespace {

Record some() {
    Record record;
    record.name = "vol.0";
    record.uuid = Uuid::from_name("test", "vol.0");
    record.boot = "b00t";
    record.number = 7;
    record.queue_depth = 128;
    record.io_bytes_max = 524288;
    record.block_size = 4096;
    record.blocks = 123456789012;
    record.flags = 0x58;
    record.going = true;
    return record;
}

// Devices of others have the tag 0: none of ours may.
TEST(Leftover, is_known_by_a_tag_that_is_never_zero) {
    for (const char* text : {"00000000-0000-0000-0000-000000000000", "11111111-1111-1111-1111-111111111111",
                             "ffffffff-ffff-ffff-ffff-ffffffffffff", "01234567-89ab-cdef-0123-456789abcdef"})
        EXPECT_NE(tag_of(Uuid::parse(text).value()), 0U) << text;
    EXPECT_NE(tag_of(Uuid::from_name("test", "a")), tag_of(Uuid::from_name("test", "b")));
}

TEST(Record, survives_its_text) {
    const auto again = Record::parse(some().to_text());
    ASSERT_TRUE(again) << again.error().what;
    EXPECT_EQ(*again, some());
}

TEST(Record, cut_anywhere_is_no_record) {
    const std::string text = some().to_text();
    for (std::size_t length = 0; length < text.size(); ++length)
        EXPECT_FALSE(Record::parse(text.substr(0, length))) << length;
}

TEST(Record, unexpected_lines_are_errors) {
    const std::string text = some().to_text();
    EXPECT_FALSE(Record::parse(text + "more=1\n"));
    EXPECT_FALSE(Record::parse(text + "number=7\n")) << "twice";
    EXPECT_FALSE(Record::parse(text + "\n"));
    EXPECT_FALSE(Record::parse("weft-ublk 2" + text.substr(11)));
    std::string other = text;
    other.replace(other.find("number=7"), 8, "number=x");
    EXPECT_FALSE(Record::parse(other));
    other.replace(other.find("number=x"), 8, "number=99999999999");
    EXPECT_FALSE(Record::parse(other));
}

class RecordFileTest : public testing::Test {
  protected:
    RecordFileTest() {
        char name[] = "/tmp/record_test.XXXXXX";
        root_ = ::mkdtemp(name);
    }
    ~RecordFileTest() override { std::filesystem::remove_all(root_); }
    std::string root_;
};

TEST_F(RecordFileTest, keeps_one_record_and_removes_all_of_it) {
    const RecordFile file(root_ + "/a/b", "vol.0");
    auto lock = file.lock(0s);
    ASSERT_TRUE(lock) << lock.error().what;
    EXPECT_EQ(*file.load(), std::nullopt);
    ASSERT_TRUE(file.save(some()));
    Record other = some();
    other.number = 8;
    ASSERT_TRUE(file.save(other));
    EXPECT_EQ(**file.load(), other);
    ASSERT_TRUE(file.mark_recovery(8, "b00t"));
    ASSERT_TRUE(file.remove());
    EXPECT_TRUE(std::filesystem::is_empty(root_ + "/a/b"));
    EXPECT_TRUE(file.remove()) << "of nothing";
}

TEST_F(RecordFileTest, a_damaged_record_is_an_error) {
    const RecordFile file(root_, "v");
    std::ofstream(file.path()) << "weft-ublk 1\nname=v\n";
    EXPECT_FALSE(file.load());
}

TEST_F(RecordFileTest, the_mark_is_of_one_device_and_boot) {
    const RecordFile file(root_, "v");
    EXPECT_FALSE(file.recovery_marked(3, "b"));
    ASSERT_TRUE(file.mark_recovery(3, "b"));
    EXPECT_TRUE(file.recovery_marked(3, "b"));
    EXPECT_FALSE(file.recovery_marked(4, "b"));
    EXPECT_FALSE(file.recovery_marked(3, "c"));
    ASSERT_TRUE(file.clear_recovery());
    EXPECT_FALSE(file.recovery_marked(3, "b"));
    EXPECT_TRUE(file.clear_recovery());
}

TEST_F(RecordFileTest, one_process_at_a_time) {
    const RecordFile file(root_, "v");
    const RecordFile other(root_, "w");
    auto first = file.lock(0s);
    ASSERT_TRUE(first);
    const auto second = file.lock(0s);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EBUSY);
    EXPECT_TRUE(other.lock(0s));
    ASSERT_TRUE(file.remove());
    EXPECT_TRUE(file.lock(0s)) << "a new file";
    first->reset();
    EXPECT_TRUE(file.lock(0s));
}

}  // namespace
}  // namespace weft::ublk
