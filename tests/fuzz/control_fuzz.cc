// SPDX-License-Identifier: Apache-2.0
// Any bytes as a line of the control socket.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/control/message.h"
#include "common/core/check.h"

namespace weft::control {
namespace {

void run(std::string_view bytes) {
    const Parsed parsed = parse_request(bytes);
    std::string answer;
    if (parsed.refusal) {
        WEFT_CHECK(!parsed.refusal->code.empty());
        answer = error_line(parsed.request.id, *parsed.refusal);
    } else {
        WEFT_CHECK(!parsed.request.method.empty() && parsed.request.params.is_object());
        answer = result_line(parsed.request.id, parsed.request.params);
    }
    WEFT_CHECK(answer.find('\n') == answer.size() - 1);
    WEFT_CHECK(Json::accept(answer));
}

}  // namespace
}  // namespace weft::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    weft::control::run({reinterpret_cast<const char*>(bytes), size});
    return 0;
}
