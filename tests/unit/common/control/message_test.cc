// SPDX-License-Identifier: Apache-2.0
#include "common/control/message.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace weft::control {
namespace {

TEST(Message, ReadsARequest) {
    const Parsed parsed = parse_request(R"({"id":7,"method":"attach","params":{"name":"data"}})");
    ASSERT_FALSE(parsed.refusal);
    EXPECT_EQ(parsed.request.id, 7);
    EXPECT_EQ(parsed.request.method, "attach");
    EXPECT_EQ(parsed.request.params, Json({{"name", "data"}}));
    EXPECT_TRUE(parse_request(R"({"method":"x"})").request.params.is_object());
}

TEST(Message, RefusesEverythingElse) {
    const std::string deep = std::string(2000, '[') + std::string(2000, ']');
    for (const std::string& wrong :
         {std::string(), std::string("hello"), std::string("[]"), std::string("{}"),
          std::string(R"({"method":7})"), std::string(R"({"method":""})"),
          std::string(R"({"method":"x","params":[]})"), std::string(R"({"method":"x","id":{}})"),
          std::string(R"({"method":"x","id":1.5})"), std::string(R"({"method":"x","parms":{}})"),
          std::string("{\"method\":\"\xFF\"}"), std::string("\0{}", 3),
          R"({"method":"x","params":{"a":)" + deep + "}}", R"({"method":")" + std::string(65, 'm') + "\"}"}) {
        const Parsed parsed = parse_request(wrong);
        ASSERT_TRUE(parsed.refusal) << wrong.substr(0, 80);
        EXPECT_EQ(parsed.refusal->code, "bad_request") << wrong.substr(0, 80);
    }
    EXPECT_EQ(parse_request(std::string(kLineBytesMax + 1, ' ')).refusal->code, "too_large");
}

TEST(Message, KeepsTheIdOfARefusedRequest) {
    EXPECT_EQ(parse_request(R"({"id":"a","method":7})").request.id, "a");
}

TEST(Message, BracketsInStringsAreNoNesting) {
    EXPECT_FALSE(parse_request(R"({"method":"x","params":{"a":"\"[[[[[[[[[[[[[[[[[[[[[[[["}})").refusal);
}

TEST(Message, WritesOneLineWhateverTheText) {
    const std::string text = result_line(1, {{"t", "a\nb\xFF"}});
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    EXPECT_EQ(Json::parse(text)["result"]["t"], "a\nb\xEF\xBF\xBD");
    EXPECT_EQ(error_line(nullptr, {"failed", "why"}),
              "{\"error\":{\"code\":\"failed\",\"message\":\"why\"},\"id\":null}\n");
}

TEST(Message, NamesErrorsForPrograms) {
    EXPECT_EQ(refusal_of({"gone", ENOENT}).code, "not_found");
    EXPECT_EQ(refusal_of({"mounted", EBUSY}).code, "busy");
    EXPECT_EQ(refusal_of({"odd", 0}).code, "failed");
    EXPECT_EQ(refusal_of({"odd", 0}).message, "odd");
}

}  // namespace
}  // namespace weft::control
