// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace weft::lun {

// What a logical unit has done on its medium since it was made. Plain numbers of its reactor.
struct Counters {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t write_bytes = 0;
    std::uint64_t errors = 0;   // media commands that ended with CHECK CONDITION
    std::uint64_t aborted = 0;  // media commands that were withdrawn
    std::uint64_t in_flight = 0;

    Counters& operator+=(const Counters& other) {
        reads += other.reads;
        writes += other.writes;
        read_bytes += other.read_bytes;
        write_bytes += other.write_bytes;
        errors += other.errors;
        aborted += other.aborted;
        in_flight += other.in_flight;
        return *this;
    }
};

}  // namespace weft::lun
