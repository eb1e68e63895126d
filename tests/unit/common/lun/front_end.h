// SPDX-License-Identifier: Apache-2.0
// A front end for tests: data moves and buffers come free when the test says, in any order, and each rule of
// DataMover is checked on the way. The initiator's buffers are plain vectors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "common/lun/task.h"

namespace weft::test {

class FrontEnd final : public lun::DataMover {
  public:
    // One initiator's command.
    struct Command final : lun::Task {
        explicit Command(FrontEnd& front_end, std::size_t scratch_bytes)
            : Task(front_end),
              parameter_memory(kParameterBytes),
              scratch_memory(lun::kPieces * scratch_bytes / 16 + 1) {
            parameter = parameter_memory;
            parameter_region = kParameterRegion;
            scratch = std::as_writable_bytes(std::span(scratch_memory));
        }

        struct alignas(16) Unit {
            std::byte bytes[16];
        };
        std::vector<std::byte> cdb_bytes = std::vector<std::byte>(16);
        std::vector<std::byte> data_in;   // what arrived
        std::vector<std::byte> data_out;  // what the initiator has
        std::vector<std::byte> parameter_memory;
        std::vector<Unit> scratch_memory;
        int finished = 0;
        int outstanding = 0;  // moves of any kind
        int concluding_deliveries = 0;
        int lent = 0;  // buffers
        bool waiting = false;
    };

    FrontEnd(std::size_t buffers, std::size_t buffer_bytes)
        : memory_(buffers * buffer_bytes, std::byte{0xBB}), buffer_bytes_(buffer_bytes) {
        for (std::size_t i = 0; i < buffers; ++i) free_.push_back(memory_.data() + i * buffer_bytes);
    }
    ~FrontEnd() override {
        EXPECT_TRUE(moves_.empty());
        EXPECT_EQ(free_.size() * buffer_bytes_, memory_.size()) << "a buffer was not given back";
    }

    // --- What the test drives ---

    // Fills the task. `immediate`: the data-out comes with the command.
    void prepare(Command& command, std::span<const std::byte> cdb, std::size_t data_in_bytes,
                 std::vector<std::byte> data_out, bool immediate) {
        std::fill(command.cdb_bytes.begin(), command.cdb_bytes.end(), std::byte{0});
        std::copy(cdb.begin(), cdb.end(), command.cdb_bytes.begin());
        command.cdb = command.cdb_bytes;
        command.data_in.assign(data_in_bytes, std::byte{0x1F});
        command.data_out = std::move(data_out);
        command.data_in_length = data_in_bytes;
        command.data_out_length = command.data_out.size();
        command.immediate = {};
        if (immediate && !command.data_out.empty())
            command.immediate = {command.data_out.data(), static_cast<std::uint32_t>(command.data_out.size()),
                                 kImmediateRegion};
        command.finished = 0;
        command.concluding_deliveries = 0;
    }

    [[nodiscard]] std::size_t pending() const { return moves_.size(); }
    // Ends the n-th of the pending moves; `ok` false: the channel is broken. False: it has to wait for the
    // response it goes with.
    bool complete_one(std::size_t index, bool ok = true) {
        const Move move = moves_.at(index);
        if (move.concluding && move.command->finished == 0) return false;
        moves_.erase(moves_.begin() + static_cast<std::ptrdiff_t>(index));
        Command& command = *move.command;
        --command.outstanding;
        if (move.in) {
            // Read as late as the rules allow: the source must not have changed.
            EXPECT_EQ(std::memcmp(move.segment.base, move.snapshot.data(), move.segment.length), 0);
            if (ok)
                std::memcpy(command.data_in.data() + move.offset, move.snapshot.data(), move.segment.length);
        } else if (ok) {
            std::memcpy(move.segment.base, command.data_out.data() + move.offset, move.segment.length);
        }
        ++depth_;
        if (move.in)
            command.on_delivered(move.token, ok);
        else
            command.on_fetched(move.token, ok);
        --depth_;
        return true;
    }
    [[nodiscard]] bool has_waiter() const { return !waiters_.empty() && !free_.empty(); }
    void wake_one() {
        Command& command = *waiters_.front();
        waiters_.pop_front();
        command.waiting = false;
        ++depth_;
        command.on_buffer_free();
        --depth_;
    }
    void abort(Command& command) {
        ++depth_;
        command.abort();
        --depth_;
    }
    // A call of the test's own into the unit: nothing may finish in it.
    template <class Call>
    void inside(Call call) {
        ++depth_;
        call();
        --depth_;
    }

    bool reaches_memory = false;
    std::size_t least_lent = 0;  // 0: whole buffers; else at most this much or what is least asked for
    static constexpr RegionId kPoolRegion{1};
    static constexpr RegionId kParameterRegion{2};
    static constexpr RegionId kImmediateRegion{3};

  private:
    struct Move {
        Command* command;
        bool in;
        std::uint32_t token;
        std::uint64_t offset;
        Segment segment;
        bool concluding;
        std::vector<std::byte> snapshot;
    };

    static Command& of(lun::Task& task) { return static_cast<Command&>(task); }

    Segment borrow(lun::Task& task, std::uint32_t least, std::uint32_t most) override {
        Command& command = of(task);
        EXPECT_TRUE(task.executing());
        EXPECT_GT(least, 0U);
        EXPECT_LE(least, most);
        EXPECT_LE(least, buffer_bytes_);
        EXPECT_FALSE(command.waiting) << "asked again without being told to";
        if (free_.empty()) {
            command.waiting = true;
            waiters_.push_back(&command);
            return {};
        }
        std::byte* base = free_.back();
        free_.pop_back();
        ++command.lent;
        std::size_t length = std::min<std::size_t>(buffer_bytes_, most);
        if (least_lent != 0) length = std::min(length, std::max<std::size_t>(least, least_lent));
        return {base, static_cast<std::uint32_t>(length), kPoolRegion};
    }

    void give_back(lun::Task& task, Segment buffer) override {
        --of(task).lent;
        EXPECT_EQ(static_cast<std::size_t>(buffer.base - memory_.data()) % buffer_bytes_, 0U);
        EXPECT_EQ(std::count(free_.begin(), free_.end(), buffer.base), 0);
        std::memset(buffer.base, 0xBB, buffer_bytes_);  // whoever still uses it will be seen
        free_.push_back(buffer.base);
    }

    void move(lun::Task& task, bool in, std::uint32_t token, std::uint64_t offset, Segment segment) {
        Command& command = of(task);
        EXPECT_GT(segment.length, 0U);
        EXPECT_LE(offset + segment.length, in ? command.data_in.size() : command.data_out.size());
        EXPECT_TRUE(task.executing());
        EXPECT_FALSE(task.aborted()) << "data moved for a task that was withdrawn";
        for (const Move& other : moves_)
            EXPECT_FALSE(other.command == &command && other.token == token) << "a token used twice";
        EXPECT_LT(command.outstanding, static_cast<int>(lun::kPieces));
        ++command.outstanding;
        const bool concluding = in && task.concluding();
        if (concluding) ++command.concluding_deliveries;
        moves_.push_back({&command, in, token, offset, segment, concluding,
                          std::vector<std::byte>(segment.base, segment.base + segment.length)});
    }
    void fetch(lun::Task& task, std::uint32_t token, std::uint64_t offset, Segment into) override {
        move(task, false, token, offset, into);
    }
    void deliver(lun::Task& task, std::uint32_t token, std::uint64_t offset, Segment from) override {
        move(task, true, token, offset, from);
    }
    [[nodiscard]] bool reaches(RegionId) const override { return reaches_memory; }

    void finished(lun::Task& task) override {
        Command& command = of(task);
        EXPECT_EQ(depth_, 0) << "finished inside a call of the front end";
        EXPECT_FALSE(task.executing());
        EXPECT_EQ(++command.finished, 1);
        EXPECT_LE(command.concluding_deliveries, 1);
        if (task.aborted()) {
            EXPECT_EQ(command.outstanding, 0) << "an aborted task may still move data";
            EXPECT_EQ(command.lent, 0);
        }
        EXPECT_EQ(task.sense.length != 0, task.status == scsi::Status::check_condition);
        if (command.waiting) {
            waiters_.erase(std::find(waiters_.begin(), waiters_.end(), &command));
            command.waiting = false;
        }
    }

    std::vector<std::byte> memory_;
    std::size_t buffer_bytes_;
    std::vector<std::byte*> free_;
    std::deque<Command*> waiters_;
    std::vector<Move> moves_;
    int depth_ = 0;
};

}  // namespace weft::test
