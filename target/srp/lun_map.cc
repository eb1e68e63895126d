// SPDX-License-Identifier: Apache-2.0
#include "target/srp/lun_map.h"

#include <algorithm>

namespace weft::target {

LunMap::LunMap(Executor& executor, std::vector<Export> exports) : absent_(executor) {
    std::sort(exports.begin(), exports.end(),
              [](const Export& a, const Export& b) { return a.number < b.number; });
    for (const Export& item : exports) {
        WEFT_CHECK(item.unit != nullptr && item.number <= scsi::kLunMax);
        WEFT_CHECK(entries_.empty() || entries_.back()->number < item.number);
        auto entry = std::make_unique<Entry>();
        entry->number = item.number;
        entry->unit = item.unit;
        entry->rights = lun::NexusUnit(*this);
        entry->rights.read_only = item.read_only;
        entries_.push_back(std::move(entry));
        luns_.push_back({.number = static_cast<std::uint16_t>(item.number)});
    }
}

std::optional<std::uint32_t> LunMap::number_of(const srp::Lun& lun) {
    const auto decoded = scsi::decode_lun(lun);
    if (!decoded || decoded->report_luns) return std::nullopt;
    return decoded->number;
}

LunMap::Entry* LunMap::find(std::uint32_t number) {
    const auto found =
        std::lower_bound(entries_.begin(), entries_.end(), number,
                         [](const auto& entry, std::uint32_t value) { return entry->number < value; });
    return found != entries_.end() && (*found)->number == number ? found->get() : nullptr;
}

void LunMap::execute(lun::Task& task, const srp::Lun& lun) {
    const auto decoded = scsi::decode_lun(lun);
    Entry* entry = decoded && !decoded->report_luns ? find(decoded->number) : nullptr;
    if (entry != nullptr)
        entry->unit->execute(task, entry->rights);
    else
        absent_.execute(task, *this, decoded && decoded->report_luns);
}

std::size_t LunMap::scratch_bytes() const {
    std::size_t bytes = 0;
    for (const auto& entry : entries_) bytes = std::max(bytes, entry->unit->scratch_bytes());
    return bytes;
}

}  // namespace weft::target
