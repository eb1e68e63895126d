// SPDX-License-Identifier: Apache-2.0
#include "common/srp/notice.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/srp/task_management.h"
#include "tests/support/golden.h"

namespace weft::srp {
namespace {

template <class Bytes>
std::vector<std::byte> vector_of(const Bytes& bytes) {
    return {bytes.begin(), bytes.end()};
}

TEST(TaskManagement, abort_of_linux) {
    const auto bytes = test::golden("srp/task_management_abort.hex");
    const auto request = decode_task_management(bytes);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->tag, (Tag{{1, 0, 0, 0x80, 0, 0, 0, 0}}));
    EXPECT_EQ(request->function, TaskFunction::abort_task);
    EXPECT_EQ(request->task, (Tag{{0x18, 0, 0, 0, 0, 0, 0, 0}}));
    EXPECT_EQ(vector_of(encode(*request)), bytes);
    EXPECT_FALSE(decode_task_management(std::span(bytes).first(47)));
}

TEST(Notice, credit_request) {
    const auto bytes = test::golden("srp/credit_request.hex");
    const Notice notice{
        .opcode = Opcode::credit_request, .tag = {{7, 0, 0, 0, 0, 0, 0, 0}}, .request_limit_delta = 2};
    EXPECT_EQ(decode_notice(bytes), notice);
    EXPECT_EQ(vector_of(encode(notice)), bytes);
    EXPECT_FALSE(decode_notice(std::span(bytes).first(15)));
}

struct Golden {
    const char* name;
    Notice notice;
};

class NoticeGolden : public testing::TestWithParam<Golden> {};

TEST_P(NoticeGolden, both_ways) {
    const auto bytes = test::golden(std::string("srp/") + GetParam().name + ".hex");
    ASSERT_EQ(bytes.size(), 16U);
    EXPECT_EQ(decode_notice(bytes), GetParam().notice);
    EXPECT_EQ(vector_of(encode(GetParam().notice)), bytes);
}

const Golden kGolden[] = {
    {"credit_request",
     {.opcode = Opcode::credit_request, .tag = {{7, 0, 0, 0, 0, 0, 0, 0}}, .request_limit_delta = 2}},
    {"credit_response", {.opcode = Opcode::credit_response, .tag = {{7, 0, 0, 0, 0, 0, 0, 0}}}},
    {"event_response",
     {.opcode = Opcode::event_response, .tag = {{0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11}}}},
    {"initiator_logout", {.opcode = Opcode::initiator_logout, .tag = {{1, 2, 3, 4, 5, 6, 7, 8}}}},
    {"target_logout",
     {.opcode = Opcode::target_logout,
      .tag = {{1, 2, 3, 4, 5, 6, 7, 8}},
      .reason = LogoutReason::multi_channel_action}},
};
INSTANTIATE_TEST_SUITE_P(Each, NoticeGolden, testing::ValuesIn(kGolden),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Notice, event_request_golden) {
    const auto bytes = test::golden("srp/event_request.hex");
    ASSERT_EQ(bytes.size(), 54U);
    const auto event = decode_event_request(bytes);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->tag, (Tag{{0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11}}));
    EXPECT_EQ(event->request_limit_delta, 1);
    EXPECT_EQ(event->lun, (Lun{std::byte{0}, std::byte{5}}));
    EXPECT_EQ(vector_of(event->sense), vector_of(std::span(bytes).subspan(36)));
    std::vector<std::byte> encoded(bytes.size(), std::byte{0xFF});
    EXPECT_EQ(encode(encoded, *event), bytes.size());
    EXPECT_EQ(encoded, bytes);
}

TEST(Notice, every_kind) {
    for (const auto opcode : {Opcode::credit_request, Opcode::credit_response, Opcode::event_response,
                              Opcode::initiator_logout, Opcode::target_logout}) {
        Notice notice{.opcode = opcode, .tag = Tag::of(0x1122334455667788)};
        if (opcode == Opcode::credit_request) notice.request_limit_delta = -1;
        if (opcode == Opcode::target_logout) notice.reason = LogoutReason::multi_channel_action;
        EXPECT_EQ(decode_notice(encode(notice)), notice);
    }
    auto bytes = encode(Notice{.opcode = Opcode::credit_request});
    bytes[0] = std::byte{0x02};
    EXPECT_FALSE(decode_notice(bytes));
}

TEST(Notice, event_request) {
    const std::vector<std::byte> sense(18, std::byte{0x70});
    std::vector<std::byte> bytes(kEventRequestBytes + sense.size());
    EXPECT_EQ(encode(bytes, EventRequest{.tag = Tag::of(3), .request_limit_delta = 1, .sense = sense}), 54U);
    const auto event = decode_event_request(bytes);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->sense.size(), 18U);
    EXPECT_EQ(event->tag, Tag::of(3));
    EXPECT_FALSE(decode_event_request(std::span(bytes).first(35)));
    const auto cut = decode_event_request(std::span(bytes).first(53));
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->tag, Tag::of(3));
    EXPECT_EQ(cut->request_limit_delta, 1);
    EXPECT_TRUE(cut->sense.empty()) << "shorter than it says";
}

}  // namespace
}  // namespace weft::srp
