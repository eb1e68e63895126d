// SPDX-License-Identifier: Apache-2.0
// "Poll, then sleep safely" in three verbs.
#pragma once

namespace weft {

// Something a reactor polls. Owner: whoever registers it; REQUIRES: removed before it is destroyed.
class Poller {
  public:
    virtual ~Poller() = default;
    virtual bool poll() = 0;    // does what is ready; true if there was any
    virtual void flush() {}     // hands to the device what the turn has queued; once per turn, after the work
    virtual bool arm() = 0;     // asks to be woken; false if work slipped in meanwhile: do not sleep
    virtual void disarm() = 0;  // undoes arm(), after waking or when another poller refused
};

}  // namespace weft
