// SPDX-License-Identifier: Apache-2.0
// What a component may ask of the reactor that owns it: the time, a call later in this turn, a
// call at a time, and (from any thread) a call on this reactor. One of the four seams the
// simulator replaces.
#pragma once

#include <functional>

#include "common/core/check.h"
#include "common/core/clock.h"
#include "common/core/intrusive_list.h"

namespace weft {

class TimerQueue;

// A call to be made later in the same turn, never inside the function that asks for it.
// Owner: whoever embeds it. REQUIRES: not destroyed while pending.
class Deferred : public ListNode {
  public:
    Deferred() = default;
    Deferred(const Deferred&) = delete;
    Deferred& operator=(const Deferred&) = delete;
    virtual ~Deferred() { WEFT_CHECK(!linked()); }
    virtual void run() = 0;  // unlinked before it is called; may defer itself again

    [[nodiscard]] bool pending() const { return linked(); }
};

// A call to be made once, at or after a time. Owner: whoever embeds it.
// REQUIRES: cancelled before it is destroyed.
class Timer {
  public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    virtual ~Timer() { WEFT_CHECK(!armed()); }
    virtual void expire() = 0;  // disarmed before it is called; may start itself again

    [[nodiscard]] bool armed() const { return position_ != kIdle; }
    [[nodiscard]] Instant deadline() const { return deadline_; }

  private:
    friend class TimerQueue;
    static constexpr std::size_t kIdle = static_cast<std::size_t>(-1);
    Instant deadline_{};
    std::size_t position_ = kIdle;
};

class Executor {
  public:
    virtual ~Executor() = default;

    // Time of this turn. Constant within a turn. Owner's thread only.
    [[nodiscard]] virtual Instant now() const = 0;
    // Runs `call` later in this turn, in the order asked. No allocation. Owner's thread only.
    // REQUIRES: !call.pending()
    virtual void defer(Deferred& call) = 0;
    // (Re)starts the timer `after` from now; `after` >= 0. Owner's thread only.
    virtual void start(Timer& timer, Duration after) = 0;
    // Disarms it if armed. Owner's thread only.
    virtual void cancel(Timer& timer) = 0;
    // Runs `call` on the owner's thread. Any thread; allocates; control path only. Calls posted by
    // one thread run in order.
    virtual void post(std::function<void()> call) = 0;
    // True on the thread that owns this executor.
    [[nodiscard]] virtual bool is_current() const = 0;

    void check_current() const { WEFT_CHECK(is_current()); }
};

// Binds a member function as a deferred call or a timer:
//     DeferredCall<Channel, &Channel::pump> pump_{*this};
template <class Owner, void (Owner::*Method)()>
class DeferredCall final : public Deferred {
  public:
    explicit DeferredCall(Owner& owner) : owner_(owner) {}
    void run() override { (owner_.*Method)(); }

  private:
    Owner& owner_;
};

template <class Owner, void (Owner::*Method)()>
class TimerCall final : public Timer {
  public:
    explicit TimerCall(Owner& owner) : owner_(owner) {}
    void expire() override { (owner_.*Method)(); }

  private:
    Owner& owner_;
};

}  // namespace weft
