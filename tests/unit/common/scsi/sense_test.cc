// SPDX-License-Identifier: Apache-2.0
#include "common/scsi/sense.h"

#include <gtest/gtest.h>

#include "tests/support/hex.h"

namespace weft::scsi {
namespace {

using block::IoOp;
using block::IoStatus;
using test::from_hex;
using test::to_hex;

constexpr std::array kStatuses = {
    IoStatus::ok,
    IoStatus::out_of_range,
    IoStatus::not_supported,
    IoStatus::read_only,
    IoStatus::medium_error,
    IoStatus::no_space,
    IoStatus::io_error,
    IoStatus::data_corrupt,
    IoStatus::timed_out,
    IoStatus::connection_lost,
    IoStatus::aborted,
    IoStatus::reservation_conflict,
};
constexpr std::array kOps = {IoOp::read, IoOp::write, IoOp::flush, IoOp::discard, IoOp::write_zeroes};

TEST(Sense, FixedFormatGoldenBytes) {
    EXPECT_EQ(to_hex(encode_sense({SenseKey::illegal_request, SenseCode::lba_out_of_range}).span()),
              "70 00 05 00 00 00 00 0a 00 00 00 00 21 00 00 00 00 00");
    EXPECT_EQ(
        to_hex(encode_sense({SenseKey::medium_error, SenseCode::unrecovered_read_error, 0x01020304}).span()),
        "f0 00 03 01 02 03 04 0a 00 00 00 00 11 00 00 00 00 00");
    // INFORMATION that does not fit is left out.
    EXPECT_EQ(to_hex(encode_sense({SenseKey::medium_error, SenseCode::write_error, 0x100000000}).span()),
              "70 00 03 00 00 00 00 0a 00 00 00 00 0c 00 00 00 00 00");
}

TEST(Sense, DescriptorFormatGoldenBytes) {
    EXPECT_EQ(
        to_hex(encode_sense({SenseKey::unit_attention, SenseCode::capacity_changed}, SenseFormat::descriptor)
                   .span()),
        "72 06 2a 09 00 00 00 00");
    EXPECT_EQ(to_hex(encode_sense({SenseKey::medium_error, SenseCode::unrecovered_read_error, 0x100000000},
                                  SenseFormat::descriptor)
                         .span()),
              "72 03 11 00 00 00 00 0c 00 0a 80 00 00 00 00 01 00 00 00 00");
}

TEST(Sense, BothFormatsComeBack) {
    for (const auto format : {SenseFormat::fixed, SenseFormat::descriptor}) {
        for (const Sense& sense :
             {Sense{SenseKey::data_protect, SenseCode::space_allocation_failed},
              Sense{SenseKey::medium_error, SenseCode::write_error, 0xFFFFFFFF},
              Sense{SenseKey::hardware_error, SenseCode::internal_target_failure, 0, true}})
            EXPECT_EQ(decode_sense(encode_sense(sense, format).span()), sense);
    }
}

TEST(Sense, WhatPeersSendIsUnderstood) {
    // LIO: 96 bytes, of which 18 mean something.
    auto lio = from_hex("70 00 05 00 00 00 00 0a 00 00 00 00 21 00 00 00 00 00");
    lio.resize(96);
    EXPECT_EQ(decode_sense(lio), (Sense{SenseKey::illegal_request, SenseCode::lba_out_of_range}));
    // Cut behind the key, or behind the code.
    EXPECT_EQ(decode_sense(from_hex("70 00 06")), (Sense{SenseKey::unit_attention, SenseCode::none}));
    EXPECT_EQ(decode_sense(from_hex("70 00 02 00 00 00 00 06 00 00 00 00 04 01")),
              (Sense{SenseKey::not_ready, SenseCode::becoming_ready}));
    // An additional length that ends before the code: what lies behind it is not sense data.
    EXPECT_EQ(decode_sense(from_hex("70 00 02 00 00 00 00 00 00 00 00 00 04 01")),
              (Sense{SenseKey::not_ready, SenseCode::none}));
    // Another descriptor before the information.
    EXPECT_EQ(decode_sense(
                  from_hex("72 03 11 00 00 00 00 12 02 04 00 00 00 00 00 0a 80 00 00 00 00 00 00 00 00 07")),
              (Sense{SenseKey::medium_error, SenseCode::unrecovered_read_error, 7}));
    // A descriptor longer than the data.
    EXPECT_EQ(decode_sense(from_hex("72 03 11 00 00 00 00 0c 00 ff 80 00 00 00")),
              (Sense{SenseKey::medium_error, SenseCode::unrecovered_read_error}));
}

TEST(Sense, GarbageIsRefused) {
    EXPECT_FALSE(decode_sense({}));
    EXPECT_FALSE(decode_sense(from_hex("70")));
    EXPECT_FALSE(decode_sense(from_hex("70 00")));
    EXPECT_FALSE(decode_sense(from_hex("72 03 11 00 00 00 00")));
    EXPECT_FALSE(decode_sense(from_hex("7f 00 05 00 00 00 00 0a")));
    EXPECT_FALSE(decode_sense(from_hex("00 00 00 00 00 00 00 00")));
}

// The table of srp.md 4.2: what is retried, and what comes out once retries are used up.
TEST(Sense, EveryStatusOfADeviceSurvivesTheWire) {
    for (const IoStatus status : kStatuses) {
        for (const IoOp op : kOps) {
            const auto ending = ending_of(status, op, 5);
            const auto sense = decode_sense(encode_sense(ending.sense).span());
            const auto verdict = judge(ending.status, sense);
            IoStatus expected = status;
            if (status == IoStatus::aborted) expected = IoStatus::io_error;
            if (status == IoStatus::not_supported && op != IoOp::discard && op != IoOp::write_zeroes)
                expected = IoStatus::io_error;
            EXPECT_EQ(verdict.status, expected) << to_string(status);
            const bool passing = status == IoStatus::data_corrupt || status == IoStatus::timed_out ||
                                 status == IoStatus::connection_lost || status == IoStatus::aborted;
            EXPECT_EQ(verdict.retry, passing ? Retry::at_once : Retry::no) << to_string(status);
        }
    }
}

TEST(Sense, EndingsOfMediumErrorsNameTheBlock) {
    const auto read = ending_of(IoStatus::medium_error, IoOp::read, 9);
    EXPECT_EQ(read.sense, (Sense{SenseKey::medium_error, SenseCode::unrecovered_read_error, 9}));
    const auto write = ending_of(IoStatus::medium_error, IoOp::write, 9);
    EXPECT_EQ(write.sense, (Sense{SenseKey::medium_error, SenseCode::write_error, 9}));
    EXPECT_EQ(ending_of(IoStatus::no_space, IoOp::write).sense,
              (Sense{SenseKey::data_protect, SenseCode::space_allocation_failed}));
    EXPECT_EQ(ending_of(IoStatus::reservation_conflict, IoOp::write).status, Status::reservation_conflict);
}

// Linux takes 5/20 and 3A/00 after SYNCHRONIZE CACHE for "no cache there"; a flush that failed must not say
// so.
TEST(Sense, FailedFlushNeverLooksLikeSuccess) {
    for (const IoStatus status : kStatuses) {
        if (status == IoStatus::ok || status == IoStatus::reservation_conflict) continue;
        const auto ending = ending_of(status, IoOp::flush);
        EXPECT_EQ(ending.status, Status::check_condition);
        const auto asc = static_cast<unsigned>(ending.sense.code) >> 8U;
        EXPECT_NE(ending.sense.key, SenseKey::no_sense);
        EXPECT_NE(ending.sense.key, SenseKey::recovered_error);
        EXPECT_NE(asc, 0x20U);
        EXPECT_NE(asc, 0x3AU);
    }
}

TEST(Sense, JudgementOfWhatAKernelTargetSays) {
    const auto check = [](SenseKey key, unsigned code) {
        return judge(Status::check_condition, Sense{key, static_cast<SenseCode>(code)});
    };
    EXPECT_EQ(check(SenseKey::unit_attention, 0x2900).retry, Retry::at_once);
    EXPECT_EQ(check(SenseKey::not_ready, 0x0401).retry, Retry::later);
    EXPECT_EQ(check(SenseKey::not_ready, 0x040B).retry, Retry::later);
    EXPECT_EQ(check(SenseKey::not_ready, 0x3A00).retry, Retry::no);
    EXPECT_EQ(check(SenseKey::aborted_command, 0x1001).retry, Retry::no);
    EXPECT_EQ(check(SenseKey::recovered_error, 0x1100).status, IoStatus::ok);
    EXPECT_EQ(check(SenseKey::data_protect, 0x2700).status, IoStatus::read_only);
    EXPECT_EQ(check(SenseKey::illegal_request, 0x2500).status, IoStatus::io_error);
    EXPECT_EQ(check(SenseKey::illegal_request, 0x2600).status, IoStatus::not_supported);
    EXPECT_EQ(judge(Status::busy, std::nullopt).retry, Retry::later);
    EXPECT_EQ(judge(Status::task_set_full, std::nullopt).retry, Retry::later);
    EXPECT_EQ(judge(Status::task_aborted, std::nullopt).retry, Retry::at_once);
    EXPECT_EQ(judge(Status::check_condition, std::nullopt).retry, Retry::at_once);
    EXPECT_EQ(judge(Status::reservation_conflict, std::nullopt).status, IoStatus::reservation_conflict);
    EXPECT_EQ(judge(static_cast<Status>(0x7E), std::nullopt).status, IoStatus::io_error);
    EXPECT_EQ(judge(Status::condition_met, std::nullopt).status, IoStatus::ok);
}

TEST(Sense, ADeferredErrorIsNotRetriedAway) {
    const Sense deferred{SenseKey::medium_error, SenseCode::write_error, std::nullopt, true};
    EXPECT_EQ(judge(Status::check_condition, deferred).retry, Retry::no);
    EXPECT_EQ(judge(Status::check_condition, deferred).status, IoStatus::io_error);
}

}  // namespace
}  // namespace weft::scsi
