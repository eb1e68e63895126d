// SPDX-License-Identifier: Apache-2.0
// For tests of what is logged.
#pragma once

#include <string>

#include "common/core/log.h"

namespace weft::log {

class Listener {
  public:
    virtual ~Listener() = default;
    // Every line, whatever the level of the log; on the thread that writes it.
    virtual void on_line(Level level, const std::string& line) = 0;
};

// One at a time; null: nobody. REQUIRES: no other thread logs meanwhile.
void listen(Listener* listener);

}  // namespace weft::log
