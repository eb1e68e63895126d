// SPDX-License-Identifier: Apache-2.0
#include "common/srp/response.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/golden.h"

namespace weft::srp {
namespace {

std::vector<std::byte> encoded(const Response& response) {
    std::vector<std::byte> bytes(encoded_bytes(response));
    EXPECT_EQ(encode(bytes, response), bytes.size());
    return bytes;
}

TEST(Response, underflow) {
    const auto bytes = test::golden("srp/response_underflow.hex");
    const auto response = decode_response(bytes);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->request_limit_delta, 1);
    EXPECT_EQ(response->data_in, (Residual{.kind = Residual::Kind::under, .bytes = 0x9e}));
    EXPECT_EQ(response->data_out, Residual{});
    EXPECT_TRUE(response->sense.empty());
    EXPECT_FALSE(response->code);
    EXPECT_EQ(encoded(*response), bytes);
}

TEST(Response, sense) {
    const auto bytes = test::golden("srp/response_sense.hex");
    const auto response = decode_response(bytes);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 2);
    ASSERT_EQ(response->sense.size(), 18U);
    EXPECT_EQ(response->sense[12], std::byte{0x21});
    EXPECT_EQ(encoded(*response), bytes);
    EXPECT_FALSE(decode_response(std::span(bytes).first(bytes.size() - 1)));
}

TEST(Response, task_management) {
    const auto bytes = test::golden("srp/response_task_management.hex");
    const auto response = decode_response(bytes);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->code, ResponseCode::complete);
    EXPECT_EQ(response->request_limit_delta, 3);
    EXPECT_EQ(encoded(*response), bytes);
}

TEST(Response, every_kind_of_residual) {
    for (const auto out : {Residual::Kind::none, Residual::Kind::under, Residual::Kind::over}) {
        for (const auto in : {Residual::Kind::none, Residual::Kind::under, Residual::Kind::over}) {
            const std::uint32_t bytes_out = out == Residual::Kind::none ? 0 : 17;
            const std::uint32_t bytes_in = in == Residual::Kind::none ? 0 : 18;
            const auto bytes = encoded({.request_limit_delta = -3,
                                        .data_out = {.kind = out, .bytes = bytes_out},
                                        .data_in = {.kind = in, .bytes = bytes_in},
                                        .code = ResponseCode::failed});
            const auto response = decode_response(bytes);
            ASSERT_TRUE(response);
            EXPECT_EQ(response->request_limit_delta, -3);
            EXPECT_EQ(response->data_out.kind, out);
            EXPECT_EQ(response->data_in.kind, in);
            EXPECT_EQ(response->code, ResponseCode::failed);
        }
    }
}

TEST(Response, lengths_that_lie) {
    auto bytes = test::golden("srp/response_sense.hex");
    bytes[28] = std::byte{0xFF};  // a sense length that would overflow a 32-bit sum
    bytes[32] = std::byte{0xFF};
    EXPECT_FALSE(decode_response(bytes));
    bytes = test::golden("srp/response_task_management.hex");
    bytes[35] = std::byte{3};  // response data too short for a code
    EXPECT_FALSE(decode_response(bytes));
    for (std::size_t size = 0; size < 36; ++size) EXPECT_FALSE(decode_response(std::span(bytes).first(size)));
}

}  // namespace
}  // namespace weft::srp
