// SPDX-License-Identifier: Apache-2.0
// Any bytes as the private data of a connection message.
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/core/check.h"
#include "common/srp/login.h"

namespace weft::srp {
namespace {

void run(std::span<const std::byte> bytes) {
    if (const auto request = decode_login_request(bytes)) {
        WEFT_CHECK(decode_login_request(encode(*request)) == request);
        if (request->extension) WEFT_CHECK(is_answer_to(agree(*request->extension), *request->extension));
    }
    if (const auto request = decode_ib_login_request(bytes))
        WEFT_CHECK(decode_ib_login_request(encode_ib(*request)) == request);
    if (const auto response = decode_login_response(bytes))
        WEFT_CHECK(decode_login_response(encode(*response)) == response);
    if (const auto reject = decode_login_reject(bytes)) {
        WEFT_CHECK(decode_login_reject(encode(*reject)) == reject);
        WEFT_CHECK(!to_string(reject->reason).empty());
    }
}

}  // namespace
}  // namespace weft::srp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    weft::srp::run(std::as_bytes(std::span(bytes, size)));
    return 0;
}
