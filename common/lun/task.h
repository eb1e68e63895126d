// SPDX-License-Identifier: Apache-2.0
// One SCSI command in execution, between a front end (which moves data) and a logical unit (which decides
// what the command means and drives the block device).
//
// The life of a task: the front end fills it -> LogicalUnit::execute() -> [DataMover calls] ->
// DataMover::finished() -> [the last on_delivered()]. Large transfers run as a pipeline of pieces: each piece
// borrows a buffer, so the memory a nexus needs does not grow with the size of a command.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/core/executor.h"
#include "common/core/region.h"
#include "common/lun/media_transfer.h"
#include "common/scsi/sense.h"

namespace weft::lun {

class Task;
class DeviceServer;

// What a front end does for its tasks. Thread: the reactor's. No callback inside a call. Tokens name the
// moves of a task that are under way: 0..kPieces - 1 for pieces, kPieces for parameter data.
class DataMover {
  public:
    virtual ~DataMover() = default;

    // Lends a buffer of at least `least` and at most `most` bytes, or an empty segment when none is free:
    // then Task::on_buffer_free() is called once when it is worth asking again (or not at all if the task
    // finishes first: finished() takes it off the waiting list). `least` is one block; two for VERIFY and
    // WRITE AND VERIFY, which compare.
    virtual Segment borrow(Task& task, std::uint32_t least, std::uint32_t most) = 0;
    virtual void give_back(Task& task, Segment buffer) = 0;

    // DATA-OUT [offset, offset + into.length) of the initiator's buffer -> `into`; then
    // Task::on_fetched(token, ok). At most kPieces outstanding per task.
    virtual void fetch(Task& task, std::uint32_t token, std::uint64_t offset, Segment into) = 0;

    // `from` -> DATA-IN at `offset`; the source stays untouched until Task::on_delivered(token, ok). At most
    // kPieces outstanding per task. While task.concluding(), finished() follows in this very turn: then the
    // answer may come as late as the response's own completion, after finished(). Otherwise it must come by
    // itself, as the task may need the buffer to go on.
    virtual void deliver(Task& task, std::uint32_t token, std::uint64_t offset, Segment from) = 0;

    // Whether deliver() can send straight out of a region that is not the front end's own (a memory volume).
    [[nodiscard]] virtual bool reaches(RegionId region) const = 0;

    // The task is over: send status, sense and residuals, or nothing if task.aborted(). Data already given to
    // deliver() arrives before the response. Called once; never inside execute(), abort() or one of the
    // task's on_...() calls. After it only on_delivered() of what is still under way, each answered by
    // give_back() where a buffer was borrowed. The task may be executed again or destroyed once quiet().
    virtual void finished(Task& task) = 0;
};

class Task {
  public:
    explicit Task(DataMover& mover);
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    virtual ~Task();  // REQUIRES: !executing() && quiet()

    // --- Set by the front end before LogicalUnit::execute(), constant until finished() ---
    std::span<const std::byte> cdb;     // 16 bytes, plus additional CDB bytes; stays valid
    std::uint64_t data_in_length = 0;   // bytes the initiator's DATA-IN buffer holds
    std::uint64_t data_out_length = 0;  // bytes the initiator's DATA-OUT buffer holds
    // DATA-OUT that came with the command, all of it; empty: fetch() it. Shorter than data_out_length: not
    // used.
    Segment immediate;
    std::span<std::byte> parameter;  // kParameterBytes of registered memory for parameter data
    RegionId parameter_region = kNoRegion;
    std::span<std::byte> scratch;  // kPieces * LogicalUnit::scratch_bytes(), 16-byte aligned

    // --- Set by the logical unit, valid in finished() ---
    scsi::Status status = scsi::Status::good;
    scsi::SenseData sense;             // length 0 unless status is check_condition
    std::uint64_t data_in_done = 0;    // bytes delivered from the start of the buffer
    std::uint64_t data_in_excess = 0;  // bytes that the command had for a DATA-IN buffer too small for them
    std::uint64_t data_out_done =
        0;  // bytes taken from the start of the buffer; a failed write: written well

    // Withdraws the task: it finishes (with no response) once nothing of it can touch the medium or the
    // initiator's memory any more. Idempotent. Legal any time between execute() and finished().
    void abort();
    [[nodiscard]] bool aborted() const { return aborted_; }
    [[nodiscard]] bool used_medium() const { return used_medium_; }  // it came to a transfer
    [[nodiscard]] bool executing() const { return state_ != State::idle; }
    [[nodiscard]] bool concluding() const { return concluding_; }  // see DataMover::deliver()
    [[nodiscard]] bool quiet() const;                              // no on_...() call is owed to it
    // What an executing task is waiting for, for people: "a buffer", "data-out", "the device", ...
    [[nodiscard]] std::string_view waits_for() const;

    // --- Called by the front end as a DataMover's answers ---
    void on_fetched(std::uint32_t token, bool ok);
    void on_delivered(std::uint32_t token, bool ok);
    void on_buffer_free();

    static constexpr std::size_t kParameterBytes = 4096;

  private:
    friend class DeviceServer;
    friend class MediaTransfer;

    //   deciding      the device server has it
    //   fetching      parameter data is on its way in
    //   transferring  transfer_ moves data between initiator and medium
    //   ending        status is known; finished() follows (an aborted task waits for its deliveries first)
    enum class State : std::uint8_t { idle, deciding, fetching, transferring, ending };
    static constexpr bool may_follow(State from, State to);
    static constexpr std::uint32_t kParameterToken = kPieces;

    void enter(State state);
    void begin(DeviceServer& server);
    void fetch_parameters(std::uint32_t length);
    void start(block::BlockDevice& device, const MediaPlan& plan);
    void set_result(scsi::Status result);
    void set_result(const scsi::Sense& result);
    void end_with(scsi::Status result);
    void end_with(const scsi::Sense& result);
    void end_with_answer(std::size_t bytes);
    // The transfer may be over: ends the task at once (`now`: we are in a turn of our own) or soon.
    void settle(bool now);
    void schedule();
    void on_turn();
    void conclude();

    DataMover& mover_;
    DeviceServer* server_ = nullptr;
    State state_ = State::idle;
    bool aborted_ = false;
    bool used_medium_ = false;
    bool concluding_ = false;
    std::uint32_t parameter_bytes_ = 0;  // of data-out, asked for
    std::uint32_t answer_bytes_ = 0;     // of data-in, to be delivered with the response
    bool parameter_in_flight_ = false;   // a fetch or delivery of parameter data is under way
    MediaTransfer transfer_{*this};
    DeferredCall<Task, &Task::on_turn> turn_{*this};
};

}  // namespace weft::lun
