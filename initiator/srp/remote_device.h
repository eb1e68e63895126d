// SPDX-License-Identifier: Apache-2.0
// What the tree sees: one logical unit of a target as a BlockDevice.
//
// After every loss of the session, and when the unit says that it changed, the unit is asked again who it is;
// requests wait until it has answered as before. A unit that came back smaller, with another block size or as
// another medium is refused, visibly. One whose cache may have lost acknowledged writes that were not flushed
// (its host lost power: scsi::Epoch) is used, but the next flush fails: nobody is told that those writes are
// safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/block/block_device.h"
#include "common/config/schema.h"
#include "initiator/srp/command.h"
#include "initiator/srp/remote_unit.h"
#include "initiator/srp/session.h"
#include "initiator/srp/status.h"

namespace weft::initiator {

struct RemoteDeviceOptions {
    std::string name;  // for people
    // How long requests wait for a device that is not ready before `on_loss` decides.
    Duration queue_timeout{30s};
    config::LossPolicy on_loss = config::LossPolicy::queue;
    // What a daemon before us wrote may not have been flushed; `epoch` is the unit's as it knew it (nil: it
    // did not).
    struct Heritage {
        Uuid epoch;
    };
    std::optional<Heritage> heritage;
    // The unit's epoch has changed, and who had to know of it does: to be remembered for the next daemon. On
    // the session's reactor; not called once the device is closed.
    std::function<void(const Uuid& epoch)> on_epoch;
};

enum class RemoteDeviceState : std::uint8_t {
    ready,
    disconnected,  // the session is not live
    verifying,     // asking the unit who it is
    refused,       // it is not what it was; asked again now and then
    closed,
};
[[nodiscard]] std::string_view to_string(RemoteDeviceState state);
[[nodiscard]] bool may_follow(RemoteDeviceState from, RemoteDeviceState to);

// Owner: a reactor's assembly. Thread: that reactor's. Lifetime: its session outlives it.
// REQUIRES: no request in flight when destroyed: close() it, then stop the session.
class RemoteDevice final : public block::BlockDevice, private SessionUser {
  public:
    RemoteDevice(Session& session, RemoteUnit unit, RemoteDeviceOptions options);
    ~RemoteDevice() override;

    [[nodiscard]] const block::Geometry& geometry() const override { return unit_.geometry; }
    [[nodiscard]] std::size_t scratch_bytes() const override;
    void on_failure_told(const std::byte* scratch) override;

    // From now on nothing waits for a better time: what waits, and what comes back unanswered, fails with
    // connection_lost, and so does what is submitted. Idempotent.
    void close();

    [[nodiscard]] RemoteDeviceState state() const { return state_; }
    [[nodiscard]] const RemoteUnit& unit() const { return unit_; }
    [[nodiscard]] const Session& session() const { return session_; }
    [[nodiscard]] DeviceStatus status() const;

  private:
    struct Pending;

    void do_submit(block::IoRequest& io) override;
    void on_session_live() override;
    void on_session_lost() override;
    bool on_unit_event(const srp::Lun& lun) override;

    // remote_device.cc
    void dispatch(Pending& pending);
    void build(Pending& pending);
    void build_transfer(Pending& pending);
    void build_discard(Pending& pending);
    void build_zeroes(Pending& pending);
    void on_answered(Pending& pending);
    void on_good(Pending& pending);
    void finish(Pending& pending, block::IoStatus status);
    void count(const block::IoRequest& io);
    static void on_done(Command& command);

    // remote_device_recovery.cc
    void enter(RemoteDeviceState next);
    void start_verification();
    void on_verified(const Result<RemoteUnit>& now);
    void become_ready();
    void retry(Pending& pending);
    void delay(Pending& pending);
    void out_of_ready(RemoteDeviceState next, const std::string& why);
    void on_attention(scsi::SenseCode code);
    void look_again();
    void release_delayed();
    void fail_held();
    void out_of_patience();
    void verify_again();
    // remote_device_epoch.cc
    void begin_epoch(const Uuid& epoch);
    void adopt_epoch();
    void remember_epoch();
    [[nodiscard]] bool must_fail(const Pending& flush) const;
    void fail_flush(Pending& flush);
    void note_finished(const Pending& pending);
    [[nodiscard]] bool may_wait(const Pending& pending) const;

    Session& session_;
    const RemoteUnit unit_;
    const RemoteDeviceOptions options_;
    RemoteDeviceState state_ = RemoteDeviceState::ready;
    Instant since_{};
    std::string problem_;
    std::string refused_why_;    // as it was logged, since it was last ready
    bool failing_ = false;       // queue_timeout passed and the policy is to fail
    bool verify_again_ = false;  // the unit said it changed while it was being verified
    std::uint64_t next_order_ = 1;
    std::uint64_t powers_ = 0;  // how often the unit may have lost what its cache held

    // Acknowledged changes are counted; those up to flushed_ are durable, or their loss has been reported.
    std::uint64_t changes_ = 0;
    std::uint64_t flushed_ = 0;
    Uuid epoch_;                          // of the changes that are not
    Uuid next_epoch_;                     // != epoch_: what the unit says now
    std::uint64_t lost_changes_ = 0;      // changes_ when it was seen to have changed
    std::uint64_t lost_order_ = 0;        // requests up to this one were submitted before that
    const std::byte* telling_ = nullptr;  // the flush that failed for it and is to be answered

    IntrusiveList<Pending> held_;     // until the device is ready
    IntrusiveList<Pending> delayed_;  // until their retry time
    DeviceCounters counters_;
    TimerCall<RemoteDevice, &RemoteDevice::out_of_patience> patience_timer_{*this};
    TimerCall<RemoteDevice, &RemoteDevice::release_delayed> delay_timer_{*this};
    TimerCall<RemoteDevice, &RemoteDevice::verify_again> verify_timer_{*this};
    TimerCall<RemoteDevice, &RemoteDevice::remember_epoch> epoch_timer_{*this};
};

}  // namespace weft::initiator
