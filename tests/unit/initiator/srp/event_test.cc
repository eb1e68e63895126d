// SPDX-License-Identifier: Apache-2.0
// Asynchronous events of a target (AER_REQ): a unit attention nobody had to ask for.
#include <gtest/gtest.h>

#include <algorithm>

#include "common/scsi/lun.h"
#include "common/srp/notice.h"
#include "tests/unit/initiator/srp/bench.h"

namespace weft::test {
namespace {

using block::IoOp;
using block::IoStatus;
using initiator::RemoteDeviceState;
using scsi::Sense;
using scsi::SenseCode;
using scsi::SenseKey;

class Event : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(bench_.open()); }
    std::vector<std::byte> event(const scsi::LunBytes& lun, std::span<const std::byte> sense) {
        std::vector<std::byte> bytes(srp::kEventRequestBytes + sense.size());
        srp::encode(bytes, srp::EventRequest{
                               .tag = srp::Tag::of(6), .request_limit_delta = 1, .lun = lun, .sense = sense});
        return bytes;
    }
    std::vector<std::byte> event(std::uint16_t lun, const Sense& sense) {
        return event(scsi::encode_lun({lun}), scsi::encode_sense(sense).span());
    }
    void send(std::span<const std::byte> iu) {
        bench_.target->send_to_all(iu);
        bench_.world.run_for(2ms);
    }
    initiator::ChannelStatus channel() { return bench_.session->status().channels[0]; }
    // Answered, counted, and nothing else came of it.
    void expect_ignored(std::span<const std::byte> iu) {
        const std::uint64_t answers = bench_.target->answers;
        const std::uint64_t commands = bench_.target->commands;
        const auto before = channel();
        send(iu);
        EXPECT_EQ(bench_.target->answers, answers + 1);
        EXPECT_EQ(bench_.target->commands, commands);
        EXPECT_EQ(channel().credits, before.credits + 1);
        EXPECT_EQ(channel().counters.events, before.counters.events + 1);
        EXPECT_EQ(channel().counters.ignored, before.counters.ignored + 1);
        EXPECT_EQ(channel().counters.losses, 0U);
        EXPECT_EQ(bench_.device->state(), RemoteDeviceState::ready);
    }

    Bench bench_{1, 1, 1};
};

TEST_F(Event, has_the_unit_asked_again_like_a_unit_attention) {
    std::uint64_t events = 0;
    for (const SenseCode code : {SenseCode::capacity_changed, SenseCode::luns_changed,
                                 SenseCode::inquiry_changed, SenseCode::power_on}) {
        bench_.habits.blocks = 2048;
        send(event(0, {SenseKey::unit_attention, code}));
        EXPECT_EQ(bench_.device->state(), RemoteDeviceState::refused) << static_cast<unsigned>(code);
        EXPECT_EQ(bench_.target->answers, ++events);
        bench_.habits.blocks = 4096;
        EXPECT_EQ(bench_.run(IoOp::write, 0, 8), IoStatus::ok);  // it waited, and is not lost
    }
    EXPECT_EQ(channel().counters.events, 4U);
    EXPECT_EQ(channel().counters.ignored, 0U);
    EXPECT_EQ(channel().counters.losses, 0U);
}

TEST_F(Event, of_a_unit_that_is_what_it_was_disturbs_nobody) {
    const std::uint64_t commands = bench_.target->commands;
    const auto sense = scsi::encode_sense({SenseKey::unit_attention, SenseCode::capacity_changed},
                                          scsi::SenseFormat::descriptor);
    send(event(scsi::encode_lun({0}), sense.span()));
    EXPECT_GT(bench_.target->commands, commands) << "it was asked";
    EXPECT_EQ(bench_.run(IoOp::read, 0, 8), IoStatus::ok);
    EXPECT_EQ(bench_.device->state(), RemoteDeviceState::ready);
}

TEST_F(Event, while_the_unit_is_being_asked_has_it_asked_once_more) {
    const auto changed = event(0, {SenseKey::unit_attention, SenseCode::capacity_changed});
    const std::uint64_t before = bench_.target->commands;
    send(changed);
    const std::uint64_t once = bench_.target->commands - before;
    bench_.target->send_to_all(changed);
    bench_.target->send_to_all(changed);
    bench_.world.run_for(5ms);
    EXPECT_EQ(bench_.target->commands - before, 3 * once);
    EXPECT_EQ(bench_.device->state(), RemoteDeviceState::ready);
}

TEST_F(Event, that_says_nothing_to_us_is_answered_and_counted) {
    const Sense changed{SenseKey::unit_attention, SenseCode::capacity_changed};
    expect_ignored(event(5, changed));
    expect_ignored(
        event(scsi::encode_lun({.number = 1, .report_luns = true}), scsi::encode_sense(changed).span()));
    scsi::LunBytes nonsense{};
    nonsense[0] = std::byte{0xFF};
    expect_ignored(event(nonsense, scsi::encode_sense(changed).span()));
    expect_ignored(event(0, {SenseKey::recovered_error, SenseCode::none}));
    expect_ignored(event(scsi::encode_lun({0}), {}));
    const std::vector<std::byte> garbage(18, std::byte{0x55});
    expect_ignored(event(scsi::encode_lun({0}), garbage));
    auto cut = event(0, changed);
    cut.pop_back();
    expect_ignored(cut);
    auto huge = event(0, changed);
    huge[28] = std::byte{0xFF};  // sense length
    expect_ignored(huge);
}

TEST_F(Event, without_tag_or_with_impossible_credits_costs_the_channel) {
    const auto whole = event(0, {SenseKey::unit_attention, SenseCode::capacity_changed});
    send(std::span(whole).first(srp::kEventRequestBytes - 1));
    EXPECT_EQ(channel().counters.losses, 1U);
    ASSERT_TRUE(bench_.all_live());
    auto credits = whole;
    ASSERT_GE(credits.size(), 8U);
    std::fill(credits.begin() + 5, credits.begin() + 8, std::byte{0xFF});
    credits[4] = std::byte{0x7F};
    send(credits);
    EXPECT_EQ(channel().counters.losses, 2U);
    EXPECT_EQ(bench_.run(IoOp::read, 0, 1), IoStatus::ok);
}

TEST_F(Event, of_a_closed_device_is_nobodys) {
    bench_.device->close();
    const std::uint64_t answers = bench_.target->answers;
    send(event(0, {SenseKey::unit_attention, SenseCode::capacity_changed}));
    EXPECT_EQ(bench_.target->answers, answers + 1);
    EXPECT_EQ(channel().counters.ignored, 1U);
    EXPECT_EQ(bench_.device->state(), RemoteDeviceState::closed);
}

}  // namespace
}  // namespace weft::test
