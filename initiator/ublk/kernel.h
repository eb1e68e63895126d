// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "initiator/ublk/abi.h"

namespace weft::ublk {

// What the running kernel's ublk has, and so which rules around the death of a server apply. The
// kernels before 6.16 have four defects there, each met by one rule (README.md, "Old kernels").
// Decided by probed features, not by version: features survive backports.
struct Kernel {
    std::uint64_t features = 0;  // GET_FEATURES
    std::string release;         // uname -r, for messages

    [[nodiscard]] bool has(std::uint64_t feature) const { return (features & feature) == feature; }
    // What weft cannot do without: recovery with reissue and encoded commands (6.12 has them).
    [[nodiscard]] bool usable() const {
        return has(abi::kUserRecovery | abi::kUserRecoveryReissue | abi::kCommandIoctlEncode |
                   abi::kUserCopy);
    }
    // A recovery cut short may be begun again; before 6.16 that can crash the kernel.
    [[nodiscard]] bool recovery_restartable() const { return has(abi::kQuiesce); }
    // START_DEV reads partition tables by itself, holding no lock, so that a hung volume blocks nobody.
    [[nodiscard]] bool scans_partitions_aside() const { return has(abi::kNoAutoPartScan); }
    // STOP_DEV in a form that refuses while somebody has the disk open.
    [[nodiscard]] bool stops_safely() const { return has(abi::kSafeStop); }

    // One line per promise or missing one, for the log at start.
    [[nodiscard]] std::string promises() const;
};

}  // namespace weft::ublk
