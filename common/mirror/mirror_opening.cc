// SPDX-License-Identifier: Apache-2.0
#include "common/mirror/mirror_opening.h"

#include <algorithm>
#include <utility>

#include "common/core/check.h"

namespace weft::mirror {

MirrorOpening::MirrorOpening(std::vector<std::unique_ptr<LegMedia>> legs, const Segment& room, Done done)
    : legs_(std::move(legs)), room_(room), done_(std::move(done)), slots_(legs_.size()) {}

void MirrorOpening::start() {
    outstanding_ = legs_.size();
    for (std::size_t i = 0; i < legs_.size(); ++i)
        legs_[i]->read_superblock([this, i](std::optional<Slot> slot) { on_read(i, std::move(slot)); });
}

void MirrorOpening::on_read(std::size_t leg, std::optional<Slot> slot) {
    slots_[leg] = std::move(slot);
    if (--outstanding_ > 0) return;
    outcome_.assembly = assemble(slots_);
    Assembly& assembly = outcome_.assembly;
    if (assembly.complete && slots_[*assembly.base]->superblock.members.size() != legs_.size()) {
        assembly.complete = false;
        assembly.why = "the volume has " + std::to_string(slots_[*assembly.base]->superblock.members.size()) +
                       " legs, " + std::to_string(legs_.size()) + " are given";
    }
    if (!assembly.complete) return finish(false);
    place();
    read_maps();
}

// Each leg to its member; those that are away or nobody yet to the members that are left.
void MirrorOpening::place() {
    const Superblock& base = slots_[*outcome_.assembly.base]->superblock;
    std::vector<MirrorParts::Leg> placed(legs_.size());
    for (std::size_t i = 0; i < legs_.size(); ++i) {
        const LegVerdict& verdict = outcome_.assembly.legs[i];
        if (!verdict.member) continue;
        MirrorParts::Leg& leg = placed[*verdict.member];
        leg.media = std::move(legs_[i]);
        leg.here = true;
        if (verdict.verdict == Verdict::in_sync) leg.says = slots_[i]->superblock;
    }
    for (auto& media : legs_) {
        if (media == nullptr) continue;
        const auto room =
            std::find_if(placed.begin(), placed.end(), [](const auto& leg) { return leg.media == nullptr; });
        WEFT_CHECK(room != placed.end());
        room->media = std::move(media);
    }
    outcome_.parts =
        std::make_unique<MirrorParts>(MirrorParts{base, std::move(placed), DirtyMap(base.shape),
                                                  std::vector<std::uint64_t>(base.shape.pages()), room_});
}

void MirrorOpening::read_maps() {
    MirrorParts& parts = *outcome_.parts;
    while (page_ < parts.map.pages()) {
        while (leg_ < parts.legs.size() && !parts.legs[leg_].says) ++leg_;
        if (leg_ < parts.legs.size()) {
            parts.legs[leg_].media->read_page(parts.base.shape, parts.base.volume, page_,
                                              [this](const auto& view) { on_page(view); });
            return;
        }
        // Nobody knows any more: everything in it may differ.
        if (!page_seen_) parts.map.lose(page_);
        page_seen_ = false;
        leg_ = 0;
        ++page_;
    }
    finish(true);
}

void MirrorOpening::on_page(const std::optional<MapPageView>& view) {
    if (view) {
        page_seen_ = true;
        outcome_.parts->map.merge(page_, *view);
        auto& sequence = outcome_.parts->sequences[page_];
        sequence = std::max(sequence, view->sequence);
    }
    ++leg_;
    read_maps();
}

void MirrorOpening::finish(bool may_be_served) {
    if (!may_be_served) outcome_.parts.reset();
    done_(std::move(outcome_));
}

}  // namespace weft::mirror
