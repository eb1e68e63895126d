// SPDX-License-Identifier: Apache-2.0
// The keys that both kinds of file have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/schema.h"
#include "common/config/section.h"

namespace weft::config {

inline constexpr std::size_t kNameMax = 48;
inline constexpr std::size_t kVolumesMax = 1024;
inline constexpr std::size_t kSocketPathMax = 107;  // sun_path
inline constexpr std::size_t kPathMax = 1024;

[[nodiscard]] Scalar<std::string> name_form(std::string_view text);
[[nodiscard]] Scalar<std::string> path_form(std::string_view text);

// reactors, poll_us, control and log_level of `target:` or `initiator:`.
void read_daemon(Section& section, std::uint32_t& reactors, std::uint32_t& poll_us, std::string& control,
                 std::string& log_level);
void read_timers(Section& top, Timers& timers);

// Reports what two entries of a list share and may not. `what` names the property: "name", "lun".
class Unique {
  public:
    explicit Unique(std::string what) : what_(std::move(what)) {}
    // True if nobody had `value` before.
    bool add(Findings& findings, const std::string& path, const Place& place, const std::string& value);

  private:
    struct Taken {
        std::string value;
        int line = 0;
    };
    std::string what_;
    std::vector<Taken> taken_;
};

}  // namespace weft::config
