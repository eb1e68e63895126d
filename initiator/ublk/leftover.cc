// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/leftover.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "common/core/log.h"

namespace weft::ublk {

namespace {

// Numbers of all ublk devices, by their nodes.
std::vector<std::uint32_t> all_numbers(const Places& places) {
    constexpr std::string_view kPrefix = "ublkc";
    std::vector<std::uint32_t> numbers;
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(places.dev, code)) {
        const std::string name = entry.path().filename().string();
        if (name.compare(0, kPrefix.size(), kPrefix) != 0) continue;
        std::uint32_t number = 0;
        const char* end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, number);
        if (parsed.ec == std::errc() && parsed.ptr == end) numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

// A record that cannot be read is no obstacle: the kernel's own word decides.
std::optional<Record> record_of_this_boot(const RecordFile& file, const std::string& boot) {
    auto record = file.load();
    if (!record) {
        log::warn("{}; going on without it", record.error().what);
        return std::nullopt;
    }
    if (!*record || (*record)->boot != boot) return std::nullopt;
    return std::move(**record);
}

}  // namespace

std::uint64_t tag_of(const Uuid& uuid) {
    std::uint64_t head = 0;
    std::uint64_t tail = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        head = head << 8U | static_cast<std::uint64_t>(uuid.bytes[i]);
        tail = tail << 8U | static_cast<std::uint64_t>(uuid.bytes[8 + i]);
    }
    if (head == tail) return ~head != 0 ? ~head : 1;
    return head ^ tail;
}

Result<std::optional<Leftover>> find_leftover(Control& control, const RecordFile& file, const Uuid& uuid,
                                              const Places& places) {
    const std::string boot = boot_id(places);
    const auto record = record_of_this_boot(file, boot);
    std::optional<Leftover> found;
    for (const std::uint32_t number : all_numbers(places)) {
        auto device = control.find(number);
        if (!device) return Failure(std::move(device).error());
        if (!*device || (*device)->server_tag != tag_of(uuid)) continue;
        if ((*device)->state == abi::kDead || found) {
            log::warn("removing ublk device {}, which a daemon left half made", number);
            if (auto gone = clear_away(control, number); !gone) return Failure(std::move(gone).error());
            continue;
        }
        found = Leftover{**device, {}};
        if (record && record->number == number && record->going)
            found->not_to_take_over = "a forced stop had begun";
        else if (file.recovery_marked(number, boot) && !control.kernel().recovery_restartable())
            found->not_to_take_over = "a take-over was cut short, and this kernel may crash at a second one";
    }
    return found;
}

Result<void> clear_away(Control& control, std::uint32_t number) {
    if (auto stopped = control.stop(number); !stopped) return stopped;
    const auto gone = control.remove(number);
    if (!gone) return Failure(gone.error());
    if (!*gone) log::warn("ublk device {} is still open; it goes when its last user closes it", number);
    return {};
}

}  // namespace weft::ublk
