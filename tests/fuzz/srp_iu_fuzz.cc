// SPDX-License-Identifier: Apache-2.0
// Any bytes as an SRP IU. The first byte chooses where immediate data was agreed to lie; the rest is the IU.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/core/check.h"
#include "common/srp/command.h"
#include "common/srp/notice.h"
#include "common/srp/response.h"
#include "common/srp/task_management.h"

namespace weft::srp {
namespace {

bool inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// What was decoded can be walked from end to end without leaving what the descriptors say.
void walk(const DataBuffer& buffer, std::span<const std::byte> iu) {
    WEFT_CHECK(inside(buffer.list, iu) && inside(buffer.immediate, iu));
    if (buffer.format == BufferFormat::immediate) {
        WEFT_CHECK(buffer.immediate.size() == buffer.length);
        return;
    }
    if (buffer.format == BufferFormat::none || buffer.external()) return;
    DescriptorCursor cursor{DescriptorTable(buffer.list)};
    for (std::uint64_t offset = 0; offset < buffer.length;) {
        const auto most =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(buffer.length - offset, 0xFFFFFFFF));
        const MemoryDescriptor piece = cursor.at(offset, most);
        WEFT_CHECK(piece.length > 0 && piece.length <= most);
        WEFT_CHECK(piece.address + piece.length > piece.address);
        offset += piece.length;
    }
}

void check_response(const Response& response) {
    std::vector<std::byte> bytes(encoded_bytes(response));
    encode(bytes, response);
    const auto again = decode_response(bytes);
    WEFT_CHECK(again && again->tag == response.tag && again->data_in == response.data_in &&
               again->code == response.code && again->sense.size() == response.sense.size());
}

void run(std::span<const std::byte> input) {
    if (input.empty()) return;
    const auto immediate_offset = std::to_integer<std::size_t>(input.front());
    const auto iu = input.subspan(1);
    if (const auto command = decode_command(iu, immediate_offset)) {
        WEFT_CHECK(inside(command->cdb, iu) && command->cdb.size() >= kCdbBytes);
        walk(command->data_out, iu);
        walk(command->data_in, iu);
    }
    if (const auto response = decode_response(iu)) check_response(*response);
    if (const auto request = decode_task_management(iu))
        WEFT_CHECK(decode_task_management(encode(*request)) == request);
    if (const auto notice = decode_notice(iu)) WEFT_CHECK(decode_notice(encode(*notice)) == notice);
    if (const auto event = decode_event_request(iu)) WEFT_CHECK(inside(event->sense, iu));
}

}  // namespace
}  // namespace weft::srp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    weft::srp::run(std::as_bytes(std::span(bytes, size)));
    return 0;
}
