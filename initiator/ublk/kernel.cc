// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/kernel.h"

namespace weft::ublk {

std::string Kernel::promises() const {
    std::string text =
        "kernel " + release + ": volumes survive the death of the daemon, requests in flight are ";
    text += "sent again by the next one";
    if (!recovery_restartable()) {
        text += "\nkernel " + release +
                ": its ublk is older than 6.16 and has these limits:"
                "\n  - killing the daemon (kill -9) under load can crash the kernel, rarely: never do it as "
                "routine"
                "\n  - if a take-over is itself killed half-way, the next start removes the disk and makes a "
                "new one:"
                " its users get I/O errors"
                "\n  - if the daemon dies while every tag of a volume waits, the take-over begins up to 2 s "
                "later";
    }
    if (!scans_partitions_aside()) {
        text += "\nkernel " + release +
                ": it does not look for partitions on volumes by itself: partx -a /dev/ublkbN shows them";
    }
    return text;
}

}  // namespace weft::ublk
