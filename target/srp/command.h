// SPDX-License-Identifier: Apache-2.0
// One SRP_CMD from its IU to the completion of its response: the slot in which a lun::Task runs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/core/clock.h"
#include "common/lun/task.h"
#include "common/srp/command.h"
#include "target/srp/buffer_pool.h"
#include "target/srp/transfer_queue.h"

namespace weft::target {

class Channel;
struct ReceiveSlot;

enum class CommandState : std::uint8_t {
    idle,
    fetching_table,  // the descriptor table is being read from the initiator's memory
    executing,       // the logical unit has it
    responding,      // the response waits for its data to be posted, or is on its way
    ending,          // over without a response; transfers are still coming back
};
[[nodiscard]] constexpr bool may_follow(CommandState from, CommandState to) {
    using enum CommandState;
    switch (from) {
        case idle: return to == fetching_table || to == executing || to == responding;
        case fetching_table: return to == executing || to == responding || to == ending;
        case executing: return to == responding || to == ending;
        case responding: return to == idle;
        case ending: return to == idle;
    }
    return false;
}
[[nodiscard]] std::string_view to_string(CommandState state);

// Why a command is withdrawn, which decides whether its initiator hears of it.
enum class Withdrawal : std::uint8_t {
    silent,    // its own nexus asked for it, or its channel is gone
    reported,  // another nexus' task management function: TASK ABORTED status, so that nobody waits in vain
};

// Owner: the channel, which makes all of them at login. Thread: the reactor's.
class Command final : public lun::DataMover, public BufferPool::Waiter {
  public:
    Command(Channel& channel, std::uint32_t index, std::span<std::byte> scratch);
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;
    ~Command();  // REQUIRES: idle

    // Runs the command in `slot`, which it holds until the response is built. REQUIRES: idle
    void start(ReceiveSlot& slot, const srp::CommandView& view, std::uint64_t sequence);
    // Answers TASK ABORTED without running it. REQUIRES: idle
    void refuse(ReceiveSlot& slot, const srp::CommandView& view, std::uint64_t sequence);
    // Lets it end as soon as nothing of it can touch the medium or the initiator's memory any more. A command
    // that is responding already goes on.
    void withdraw(Withdrawal why);

    // --- Of the channel's completions ---
    void on_transfer_posted(Transfer& transfer);
    void on_transfer_completed(Transfer& transfer, bool ok);
    void on_response_sent();
    void on_drained();  // nothing of the channel is under way any more

    [[nodiscard]] CommandState state() const { return state_; }
    [[nodiscard]] bool busy() const { return state_ != CommandState::idle; }
    [[nodiscard]] std::uint32_t index() const { return index_; }
    [[nodiscard]] const srp::Tag& tag() const { return view_.tag; }
    [[nodiscard]] const srp::Lun& lun() const { return view_.lun; }
    [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
    [[nodiscard]] Instant started() const { return started_; }
    [[nodiscard]] Transfer& transfer(std::size_t token) { return transfers_[token]; }
    [[nodiscard]] std::size_t token_of(const Transfer& transfer) const;
    [[nodiscard]] std::string_view waits_for() const;

    // --- lun::DataMover ---
    Segment borrow(lun::Task& task, std::uint32_t least, std::uint32_t most) override;
    void give_back(lun::Task& task, Segment buffer) override;
    void fetch(lun::Task& task, std::uint32_t token, std::uint64_t offset, Segment into) override;
    void deliver(lun::Task& task, std::uint32_t token, std::uint64_t offset, Segment from) override;
    [[nodiscard]] bool reaches(RegionId region) const override;
    void finished(lun::Task& task) override;

  private:
    friend class TagTable;  // next_in_bucket_
    // Tokens of the task: its pieces and one for parameter data; then ours, for the descriptor table.
    static constexpr std::size_t kTableToken = lun::kPieces + 1;
    static constexpr std::size_t kTransfers = kTableToken + 1;

    void enter(CommandState next);
    void take(ReceiveSlot& slot, const srp::CommandView& view, std::uint64_t sequence);
    void on_buffer_free() override;
    void fetch_table();
    void on_table_fetched(bool ok);
    void end_before_execution();
    void execute();
    void start_transfer(Transfer& transfer, std::uint64_t offset, Segment local);
    void send_response();
    void end_if_over();

    Channel& channel_;
    const std::uint32_t index_;
    CommandState state_ = CommandState::idle;
    bool withdrawn_ = false;
    bool reported_ = false;  // a withdrawn command answers TASK ABORTED
    bool response_posted_ = false;
    bool response_done_ = false;
    std::uint8_t unposted_ = 0;  // deliveries that are not wholly in the send queue yet
    std::uint64_t sequence_ = 0;
    Instant started_{};
    ReceiveSlot* slot_ = nullptr;
    srp::CommandView view_;
    Segment table_;  // the external descriptor table, borrowed
    srp::DescriptorTable out_descriptors_;
    srp::DescriptorTable in_descriptors_;
    std::array<Transfer, kTransfers> transfers_;
    Command* next_in_bucket_ = nullptr;
    lun::Task task_{*this};
};

}  // namespace weft::target
