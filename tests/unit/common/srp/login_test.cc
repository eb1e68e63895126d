// SPDX-License-Identifier: Apache-2.0
#include "common/srp/login.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/golden.h"

namespace weft::srp {
namespace {

template <class Bytes>
std::vector<std::byte> vector_of(const Bytes& bytes) {
    return {bytes.begin(), bytes.end()};
}

LoginRequest linux_request() {
    LoginRequest request{.immediate_data = true, .immediate_offset = 68, .it_iu_length = 8260};
    const auto bytes = test::golden("srp/login_request_linux.hex");
    std::copy_n(bytes.begin() + 16, 16, request.initiator_port.begin());
    std::copy_n(bytes.begin() + 32, 16, request.target_port.begin());
    return request;
}

TEST(Login, request_of_linux) {
    const auto bytes = test::golden("srp/login_request_linux.hex");
    const auto request = decode_login_request(bytes);
    ASSERT_TRUE(request);
    EXPECT_EQ(*request, linux_request());
    EXPECT_FALSE(request->extension);
    EXPECT_EQ(vector_of(encode(*request)), bytes);
}

TEST(Login, request_with_extension) {
    LoginRequest request = linux_request();
    request.extension = Extension{};
    EXPECT_EQ(vector_of(encode(request)), test::golden("srp/login_request_weft.hex"));
    EXPECT_EQ(decode_login_request(encode(request)), request);
}

// Field by field, as docs/protocol.md has them.
TEST(Login, extension_of_the_request_byte_by_byte) {
    const auto bytes = test::golden("srp/login_request_weft.hex");
    ASSERT_EQ(bytes.size(), 56U);
    EXPECT_EQ(bytes[50], std::byte{'W'});
    EXPECT_EQ(bytes[51], std::byte{'F'});
    EXPECT_EQ(bytes[52], std::byte{1});
    const auto plain = test::golden("srp/login_request_linux.hex");
    EXPECT_TRUE(std::equal(plain.begin(), plain.begin() + 50, bytes.begin())) << "nothing else differs";
}

TEST(Login, response_of_weft) {
    const auto bytes = test::golden("srp/login_response_weft.hex");
    ASSERT_EQ(bytes.size(), 196U);
    const LoginResponse response{.tag = {{0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8}},
                                 .request_limit_delta = 128,
                                 .it_iu_length = 8260,
                                 .ti_iu_length = 256,
                                 .result = MultiChannelResult::terminated,
                                 .immediate_data = true,
                                 .extension = Extension{.version = 1, .features = 0}};
    EXPECT_EQ(decode_login_response(bytes), response);
    EXPECT_EQ(vector_of(encode(response)), bytes);
}

TEST(Login, request_with_damaged_extension_is_a_plain_peers) {
    LoginRequest request = linux_request();
    request.extension = Extension{.version = 3, .features = 0x1234};
    const RequestBytes good = encode(request);
    EXPECT_EQ(decode_login_request(good)->extension, request.extension);
    for (std::size_t i = 50; i < 56; ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            RequestBytes bad = good;
            bad[i] ^= std::byte{1} << bit;
            const auto decoded = decode_login_request(bad);
            ASSERT_TRUE(decoded);
            EXPECT_FALSE(decoded->extension) << i << "." << bit;
        }
    }
}

TEST(Login, request_refused) {
    RequestBytes bytes = encode(linux_request());
    EXPECT_FALSE(decode_login_request(std::span(bytes).first(55)));
    bytes[10] = std::byte{0x82};  // a reserved multi-channel action
    EXPECT_FALSE(decode_login_request(bytes));
    bytes = encode(linux_request());
    bytes[11] = std::byte{0x02};
    EXPECT_FALSE(decode_login_request(bytes));
}

TEST(Login, request_for_infiniband) {
    LoginRequest request = linux_request();
    request.tag = Tag::of(7);
    request.action = MultiChannelAction::keep;
    const auto bytes = encode_ib(request);
    EXPECT_EQ(bytes[0], std::byte{0});
    EXPECT_EQ(bytes[26], std::byte{0x81});
    EXPECT_EQ(decode_ib_login_request(bytes), request);
    EXPECT_FALSE(decode_ib_login_request(std::span(bytes).first(63)));
}

TEST(Login, response_of_linux) {
    const auto bytes = test::golden("srp/login_response_linux.hex");
    const auto response = decode_login_response(bytes);
    ASSERT_TRUE(response);
    EXPECT_EQ(
        *response,
        (LoginResponse{
            .request_limit_delta = 128, .it_iu_length = 8276, .ti_iu_length = 8276, .immediate_data = true}));
    const ResponseBytes encoded = encode(*response);
    EXPECT_EQ(vector_of(std::span(encoded).first(52)), bytes);
    for (const std::byte byte : std::span(encoded).subspan(52)) EXPECT_EQ(byte, std::byte{0});
}

TEST(Login, response_with_extension) {
    const LoginResponse response{.tag = Tag::of(1),
                                 .request_limit_delta = 64,
                                 .it_iu_length = 8260,
                                 .ti_iu_length = 1024,
                                 .result = MultiChannelResult::kept,
                                 .extension = Extension{.version = 1, .features = 0}};
    const ResponseBytes good = encode(response);
    EXPECT_EQ(decode_login_response(good), response);
    EXPECT_FALSE(decode_login_response(std::span(good).first(51)));
    EXPECT_FALSE(decode_login_response(std::span(good).first(195))->extension);
    for (std::size_t i = 52; i < 68; ++i) {
        ResponseBytes bad = good;
        bad[i] ^= std::byte{0x10};
        ASSERT_TRUE(decode_login_response(bad));
        EXPECT_FALSE(decode_login_response(bad)->extension) << i;
    }
}

TEST(Login, agreement_is_what_both_know) {
    EXPECT_EQ(agree({.version = 9, .features = 0xFFFF}),
              (Extension{.version = kExtensionVersion, .features = kFeaturesKnown}));
    EXPECT_TRUE(is_answer_to({.version = 1, .features = 0}, {.version = 1, .features = 5}));
    EXPECT_FALSE(is_answer_to({.version = 2, .features = 0}, {.version = 1, .features = 5}));
    EXPECT_FALSE(is_answer_to({.version = 1, .features = 2}, {.version = 1, .features = 5}));
}

TEST(Login, reject) {
    const auto bytes = test::golden("srp/login_reject.hex");
    const LoginReject reject{.reason = RejectReason::cannot_associate};
    EXPECT_EQ(vector_of(encode(reject)), bytes);
    EXPECT_EQ(decode_login_reject(bytes), reject);
    EXPECT_FALSE(decode_login_reject(std::span(bytes).first(31)));
    EXPECT_FALSE(decode_login_reject(test::golden("srp/login_response_linux.hex")));
    EXPECT_EQ(to_string(static_cast<RejectReason>(7)), "unknown reason");
}

}  // namespace
}  // namespace weft::srp
