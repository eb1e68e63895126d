// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/intent_log.h"

#include <algorithm>
#include <utility>

#include "common/core/check.h"

namespace weft::mirror {

IntentLog::IntentLog(IntentLogOwner& owner, DirtyMap& map, const Shape& shape, const Uuid& volume,
                     const Segment& room, std::vector<std::uint64_t> sequences)
    : owner_(owner),
      map_(map),
      shape_(shape),
      volume_(volume),
      room_(room),
      sequences_(std::move(sequences)),
      to_save_(map.pages()) {
    WEFT_CHECK(room.length == kPageBytes && sequences_.size() == map.pages());
}

IntentLog::~IntentLog() { WEFT_CHECK(idle()); }

void IntentLog::set_legs(std::vector<LegMedia*> legs) {
    legs_ = std::move(legs);
    next();
}

bool IntentLog::is_durable(const Intent& intent) const {
    for (std::uint64_t region = intent.first; region <= intent.last; ++region) {
        if (map_.at(region) != RegionState::dirty) return false;
    }
    return true;
}

bool IntentLog::require(Intent& intent) {
    WEFT_CHECK(intent.first <= intent.last && intent.last < map_.regions());
    if (is_durable(intent)) return true;
    waiting_.push_back(intent);
    next();
    return false;
}

void IntentLog::withdraw(Intent& intent) {
    if (intent.linked()) waiting_.remove(intent);
}

void IntentLog::save(std::uint64_t page) {
    if (!to_save_.at(page)) ++saves_;
    to_save_[page] = true;
    next();
}

void IntentLog::next() {
    if (outstanding_ > 0 || releasing_) return;
    if (std::all_of(legs_.begin(), legs_.end(), [](const LegMedia* leg) { return leg == nullptr; })) return;
    if (!waiting_.empty()) {
        std::uint64_t region = waiting_.front().first;
        while (map_.at(region) == RegionState::dirty) ++region;  // it would not wait if all were
        begin(DirtyMap::page_of(region));
    } else if (saves_ > 0) {
        begin(
            static_cast<std::uint64_t>(std::find(to_save_.begin(), to_save_.end(), true) - to_save_.begin()));
    }
}

// What is waited for in that page.
template <class Visit>
void IntentLog::for_each_awaited(std::uint64_t page, Visit visit) {
    waiting_.for_each([&](const Intent& intent) {
        for (std::uint64_t region = intent.first; region <= intent.last; ++region) {
            if (DirtyMap::page_of(region) == page) visit(region);
        }
    });
}

void IntentLog::begin(std::uint64_t page) {
    for_each_awaited(page, [this](std::uint64_t region) {
        if (map_.at(region) != RegionState::dirty) map_.set(region, RegionState::intended);
    });
    if (to_save_[page]) --saves_;
    to_save_[page] = false;
    page_ = page;
    taken_ = false;
    ++pages_written_;
    const std::uint64_t sequence = ++sequences_[page];
    map_.encode(page, volume_, sequence, reinterpret_cast<MapPage&>(*room_.base));
    for (const LegMedia* leg : legs_) outstanding_ += leg != nullptr ? 1 : 0;
    for (std::size_t i = 0; i < legs_.size(); ++i) {
        if (legs_[i] == nullptr) continue;
        legs_[i]->write_page(shape_, page, sequence, room_,
                             [this, i](bool durably) { on_answer(i, durably); });
    }
}

void IntentLog::on_answer(std::size_t leg, bool durably) {
    WEFT_CHECK(outstanding_ > 0);
    taken_ = taken_ || durably;
    if (!durably) owner_.on_page_failed(leg);
    if (--outstanding_ == 0) finish();
}

void IntentLog::finish() {
    releasing_ = true;
    // If nobody took it, it is not known what they have: it is written again.
    for_each_awaited(page_, [this](std::uint64_t region) {
        if (taken_ && map_.at(region) == RegionState::intended) map_.set(region, RegionState::dirty);
    });
    for (bool again = taken_; again;) {
        Intent* ready = nullptr;
        waiting_.for_each([&](Intent& intent) {
            if (ready == nullptr && is_durable(intent)) ready = &intent;
        });
        again = ready != nullptr;
        if (!again) continue;
        waiting_.remove(*ready);
        ready->on_durable();
    }
    releasing_ = false;
    next();
    if (saved()) owner_.on_pages_saved();
}

}  // namespace weft::mirror
