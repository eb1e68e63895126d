// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file of either kind.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/config/parse.h"
#include "common/core/check.h"

namespace weft::config {
namespace {

// A refusal is a bounded number of lines, each of which names the file and a line.
void check_error(const Error& error) {
    std::size_t lines = 0;
    for (std::string_view rest = error.what; !rest.empty(); ++lines) {
        WEFT_CHECK(rest.starts_with("f:"));
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos) {
            rest = {};
        } else {
            WEFT_CHECK(end + 1 < rest.size());
            rest.remove_prefix(end + 1);
        }
    }
    WEFT_CHECK(lines > 0 && lines <= kErrorsMax);
}

void run(std::string_view text) {
    if (const auto target = parse_target_text(text, "f")) {
        WEFT_CHECK(!target->name.empty() && !target->listeners.empty() && !target->volumes.empty());
        for (const ExportedVolume& volume : target->volumes) WEFT_CHECK(volume.size % volume.block_size == 0);
    } else {
        check_error(target.error());
    }
    if (const auto initiator = parse_initiator_text(text, "f")) {
        for (const Volume& volume : initiator->volumes) WEFT_CHECK(!volume.linear.empty());
    } else {
        check_error(initiator.error());
    }
    (void)kind_of_text(text, "f");
}

}  // namespace
}  // namespace weft::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    weft::config::run({reinterpret_cast<const char*>(bytes), size});
    return 0;
}
