// SPDX-License-Identifier: Apache-2.0
// Which legs a mirror uses: those that fail are left behind, those that are back are rebuilt.
#include <algorithm>
#include <cstring>
#include <utility>

#include "common/core/log.h"
#include "common/mirror/mirror_device.h"
#include "common/mirror/mirror_pending.h"

namespace weft::mirror {

void MirrorDevice::leg_failed(std::size_t index, const std::string& why) {
    Leg& leg = legs_[index];
    if (!leg.up) return;
    leg.up = false;
    leg.problem = why;
    log::warn("{}: leg {} is left behind: {}", options_.name, index, why);
    taking_pages_ &= static_cast<Legs>(~bit(index));
    membership_.fail(index);
    if (!rounds_.pending()) executor().defer(rounds_);
}

void MirrorDevice::run_rounds() {
    if (!membership_.wants_round()) return;
    const auto round = membership_.begin_round(options_.random());
    if (membership_.suspended()) {
        log::error("{}: no leg is left that may go on without the others; it waits for one", options_.name);
        for (Leg& leg : legs_) leg.up = false;
        in_sync_ = rebuilding_ = taking_pages_ = 0;
        tell_log();
        check_closed();
        return;
    }
    round_ = round.size();
    for (const Superblock& superblock : round) {
        const std::size_t leg = superblock.self;
        legs_[leg].media->write_superblock(superblock,
                                           [this, leg](bool durably) { on_written(leg, durably); });
    }
}

void MirrorDevice::on_written(std::size_t leg, bool durably) {
    if (!durably && legs_[leg].up) {
        legs_[leg].up = false;
        legs_[leg].problem = "it did not take its superblock";
        log::warn("{}: leg {} is left behind: {}", options_.name, leg, legs_[leg].problem);
    }
    membership_.on_written(leg, durably);
    if (--round_ > 0) return;
    if (membership_.wants_round()) {
        if (!rounds_.pending()) executor().defer(rounds_);
    } else if (membership_.settled()) {
        on_settled();
    }
}

void MirrorDevice::on_settled() {
    in_sync_ = rebuilding_ = 0;
    const Superblock& now = membership_.confirmed();
    for (std::size_t leg = 0; leg < legs_.size(); ++leg) {
        if (now.members[leg].state == LegState::in_sync) in_sync_ |= bit(leg);
        if (now.members[leg].state == LegState::rebuilding) rebuilding_ |= bit(leg);
    }
    taking_pages_ &= rebuilding_;
    tell_log();
    wake();
    if (!copies_.pending()) executor().defer(copies_);
    check_closed();
}

// Those whose map counts, and one whose map is about to.
void MirrorDevice::tell_log() {
    std::vector<LegMedia*> legs;
    for (std::size_t leg = 0; leg < legs_.size(); ++leg)
        legs.push_back(((in_sync_ | taking_pages_) & bit(leg)) != 0 && legs_[leg].up ? legs_[leg].media.get()
                                                                                     : nullptr);
    log_.set_legs(std::move(legs));
}

// --- coming back

void MirrorDevice::probe() {
    for (std::size_t index = 0; index < legs_.size(); ++index) {
        Leg& leg = legs_[index];
        // What was sent to it before has to be over: it might land after it was asked.
        if (leg.up || leg.asking || leg.device->in_flight() > 0 || leg.media->busy()) continue;
        leg.asking = true;
        leg.media->read_superblock([this, index](std::optional<Slot> slot) { on_probed(index, slot); });
    }
    if (!closing_) executor().start(probe_timer_, options_.probe_period);
}

void MirrorDevice::on_probed(std::size_t index, const std::optional<Slot>& slot) {
    Leg& leg = legs_[index];
    leg.asking = false;
    if (closing_) return check_closed();
    if (!slot || leg.up) return;
    if (membership_.suspended()) {
        if (slot->kind != SlotKind::valid || membership_.confirmed().members[index].uuid !=
                                                 slot->superblock.members[slot->superblock.self].uuid)
            return;
        if (!membership_.back(index, slot->superblock)) return;
        // It may be the one that serves again; the others are rebuilt afterwards.
        if (!membership_.suspended() && !rounds_.pending()) executor().defer(rounds_);
        for (std::size_t i = 0; i < legs_.size(); ++i) legs_[i].up = membership_.revives(i);
        return;
    }
    if (membership_.settled() && membership_.confirmed().members[index].state == LegState::stale)
        bring_back(index, *slot);
}

void MirrorDevice::bring_back(std::size_t index, const Slot& slot) {
    Leg& leg = legs_[index];
    const LegVerdict verdict = judge(membership_.confirmed(), slot);
    if (verdict.verdict == Verdict::refused || (verdict.member && *verdict.member != index)) {
        if (leg.problem != verdict.why)
            log::warn("{}: leg {} is refused: {}", options_.name, index, verdict.why);
        leg.problem = verdict.why;
        return;
    }
    const bool anew = !verdict.member || verdict.anew;
    if (!anew && !membership_.back(index, slot.superblock)) return;
    Uuid fresh;
    for (std::size_t half = 0; half < 2; ++half) {
        const std::uint64_t some = options_.random();
        std::memcpy(fresh.bytes.data() + half * sizeof(some), &some, sizeof(some));
    }
    leg.up = true;
    leg.copied = 0;
    leg.problem.clear();
    log::info("{}: leg {} is back: {}", options_.name, index,
              anew ? "it gets everything" : "it gets what it missed");
    membership_.rebuild(index, anew ? &fresh : nullptr);
    if (!rounds_.pending()) executor().defer(rounds_);
}

// --- the end

void MirrorDevice::close(std::function<void()> closed) {
    closing_ = true;
    closed_ = std::move(closed);
    executor().cancel(probe_timer_);
    executor().cancel(clean_timer_);
    check_closed();
}

void MirrorDevice::check_closed() {
    if (!closed_ || round_ > 0 || rounds_.pending() || copies_.pending() || flushing_ > 0 || !log_.idle() ||
        copier_->kind != CopyKind::none)
        return;
    for (const Leg& leg : legs_) {
        if (leg.asking || leg.media->busy()) return;
    }
    // That legs in sync do not differ is true only for what their media have.
    if (membership_.settled() && !said_clean_ && unreconciled_count_ == 0) {
        said_clean_ = true;
        flush_legs();
        return;
    }
    if (membership_.wants_round()) {
        executor().defer(rounds_);
        return;
    }
    std::exchange(closed_, nullptr)();
}

MirrorStatus MirrorDevice::status() const {
    MirrorStatus status;
    status.epoch = membership_.confirmed().epoch.number;
    status.settled = membership_.settled();
    status.suspended = membership_.suspended();
    status.dirty_regions = map_.count(RegionState::dirty) + map_.count(RegionState::intended);
    status.unreconciled_regions = unreconciled_count_;
    status.bytes_copied = bytes_copied_;
    for (std::size_t i = 0; i < legs_.size(); ++i)
        status.legs.push_back({membership_.confirmed().members[i].state, legs_[i].up, legs_[i].problem});
    return status;
}

}  // namespace weft::mirror
