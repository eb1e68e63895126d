// SPDX-License-Identifier: Apache-2.0
// What the YAML files say, as plain structs. docs/topology.md is the reference for people; every field's
// default and range stands here once.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/core/uuid.h"

namespace weft::config {

// Where in a file something was said; for messages of the form file:line.
struct Place {
    std::string file;
    int line = 0;  // from 1
};
[[nodiscard]] inline std::string to_string(const Place& place) {
    return place.file + ":" + std::to_string(place.line);
}

struct Path {  // one way to a target
    Place place;
    std::string address;  // of the target
    std::uint16_t port = 5555;
    std::string source;     // local address; empty: the route decides
    std::uint32_t qps = 1;  // queue pairs on this path, 1..16
};

// 16 bytes written as 32 hexadecimal digits: an SRP port identifier.
using PortId = std::array<std::byte, 16>;

struct RemoteTarget {
    Place place;
    std::string name;
    std::optional<PortId> port_id;  // default: from the name (srp::port_id_of_target)
    std::vector<Path> paths;        // at least one
};

enum class LegKind : std::uint8_t { remote, file };

struct Leg {
    Place place;
    LegKind kind = LegKind::remote;
    // remote
    std::string target;                // a RemoteTarget::name
    std::string volume;                // the volume's name or UUID on the target; or
    std::optional<std::uint32_t> lun;  // its LUN (stock targets have no names)
    // file
    std::string path;  // regular file or block device, absolute
};

enum class LossPolicy : std::uint8_t { queue, fail };  // after queue_timeout without any path

struct Volume {
    Place place;
    std::string name;          // [A-Za-z0-9._-]{1,48}
    std::optional<Uuid> uuid;  // default: from initiator name and volume name
    std::vector<Leg> linear;   // in order, at least one
    std::chrono::milliseconds queue_timeout{30000};
    LossPolicy on_loss = LossPolicy::queue;
    std::uint32_t queue_depth = 128;          // 1..1024
    std::uint32_t max_io_bytes = 512 * 1024;  // 4 KiB..1 MiB, multiple of 4 KiB
    std::optional<std::int32_t> device_id;    // N of /dev/ublkbN; default: the kernel chooses
    bool read_only = false;
};

// The block size of a volume's file legs, which have none of their own; nothing: its remote legs decide, and
// only their targets know it.
[[nodiscard]] inline std::optional<std::uint32_t> local_block_size(const Volume& volume) {
    constexpr std::uint32_t kFileBlockSize = 4096;
    for (const Leg& leg : volume.linear)
        if (leg.kind == LegKind::remote) return std::nullopt;
    return kFileBlockSize;
}

struct Timers {  // each scaled by `scale`
    std::chrono::milliseconds connect_timeout{5000};
    std::chrono::milliseconds reconnect_min{200};
    std::chrono::milliseconds reconnect_max{10000};
    std::chrono::milliseconds heartbeat{200};  // idle probe; 0: off
    std::uint32_t heartbeat_misses = 5;
    std::chrono::milliseconds command_timeout{30000};  // then abort, then drop the channel
    double scale = 1.0;                                // 0.1..100
};

struct Initiator {
    Place place;
    std::string name;
    std::optional<Uuid> uuid;    // default: from the name
    std::uint32_t poll_us = 0;   // 0..10000
    std::uint32_t reactors = 1;  // 1..64; a volume lives on one
    std::string control = "/run/weft/initiator.sock";
    std::string state_dir = "/var/lib/weft";  // what a restarted daemon must know
    std::string log_level = "info";
    Timers timers;
    std::vector<RemoteTarget> targets;
    std::vector<Volume> volumes;
};

enum class BackendKind : std::uint8_t { file, memory, null };
enum class AccessRight : std::uint8_t { rw, ro };

struct Grant {
    Place place;
    std::string initiator;  // a name, a UUID, 32 hex digits of a port id, or "any"
    AccessRight access = AccessRight::rw;
};

struct ExportedVolume {
    Place place;
    std::string name;
    std::optional<Uuid> uuid;  // default: from target name and volume name
    std::uint32_t lun = 0;     // 0..16383, unique per target; default: position in the list
    BackendKind backend = BackendKind::memory;
    std::string path;                 // file: regular file or block device, absolute
    std::uint64_t size = 0;           // bytes. memory, null: required. file: 0 = what is there; else created
                                      // or required to be exactly so
    std::uint32_t block_size = 4096;  // 512 or 4096
    bool read_only = false;
    bool write_cache = true;        // file: advertise the page/device cache; false: write through (RWF_DSYNC)
    std::vector<Grant> initiators;  // empty: nobody sees it
};

struct ListenerSpec {
    Place place;
    std::string address;  // numeric; "*": all
    std::uint16_t port = 5555;
    std::string device;  // RDMA device name; empty: any
};

struct TargetLimits {
    std::uint32_t request_limit = 128;  // credits per channel, 4..1024
    std::uint32_t nexuses = 256;        // logged-in initiators at once
    std::uint32_t channels_per_nexus = 32;
    std::uint64_t nexus_buffer_bytes = std::uint64_t{16} << 20U;  // data buffers per nexus
};

struct Target {
    Place place;
    std::string name;
    std::optional<Uuid> uuid;       // default: from the name
    std::optional<PortId> port_id;  // default: from the name
    std::uint32_t reactors = 1;
    std::uint32_t poll_us = 0;
    std::string control = "/run/weft/target.sock";
    std::string log_level = "info";
    Timers timers;
    TargetLimits limits;
    std::vector<ListenerSpec> listeners;
    std::vector<ExportedVolume> volumes;
};

}  // namespace weft::config
