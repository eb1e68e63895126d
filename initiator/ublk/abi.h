// SPDX-License-Identifier: Apache-2.0
// The kernel's ublk interface, as far as weft uses it: numbers and layouts, which are fixed for all kernels.
// Of our own, because the headers of the oldest supported system know only five of the features; what a
// running kernel has is asked at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace weft::ublk::abi {

// --- features: bits of DeviceInfo::flags and of the GET_FEATURES answer; with the kernel that brought them
// ---

inline constexpr std::uint64_t kUserRecovery = std::uint64_t{1} << 3U;         // 6.1: survives its server
inline constexpr std::uint64_t kUserRecoveryReissue = std::uint64_t{1} << 4U;  // 6.1: held I/O is sent again
inline constexpr std::uint64_t kUnprivileged = std::uint64_t{1} << 5U;         // 6.3
inline constexpr std::uint64_t kCommandIoctlEncode = std::uint64_t{1} << 6U;   // 6.4
inline constexpr std::uint64_t kUserCopy = std::uint64_t{1} << 7U;             // 6.5
inline constexpr std::uint64_t kZoned = std::uint64_t{1} << 8U;                // 6.6
inline constexpr std::uint64_t kRecoveryFailIo = std::uint64_t{1} << 9U;       // 6.13
inline constexpr std::uint64_t kUpdateSize = std::uint64_t{1} << 10U;          // 6.16
inline constexpr std::uint64_t kAutoBufferReg = std::uint64_t{1} << 11U;       // 6.16
inline constexpr std::uint64_t kQuiesce = std::uint64_t{1} << 12U;             // 6.16: QUIESCE_DEV
inline constexpr std::uint64_t kPerIoDaemon = std::uint64_t{1} << 13U;         // 6.16
inline constexpr std::uint64_t kBufferRegOffDaemon = std::uint64_t{1} << 14U;  // 6.17
inline constexpr std::uint64_t kBatchIo = std::uint64_t{1} << 15U;             // 7.0
inline constexpr std::uint64_t kIntegrity = std::uint64_t{1} << 16U;           // 7.0
inline constexpr std::uint64_t kSafeStop = std::uint64_t{1} << 17U;            // 7.0: TRY_STOP_DEV
inline constexpr std::uint64_t kNoAutoPartScan = std::uint64_t{1} << 18U;      // 7.0
inline constexpr std::uint64_t kSharedMemory = std::uint64_t{1} << 19U;        // 7.1
inline constexpr std::uint64_t kDescriptorSize = std::uint64_t{1} << 20U;      // 7.3

// --- control: on /dev/ublk-control ---

// Payload of every control command.
struct ControlCommand {
    std::uint32_t device = 0;      // its number; 0xFFFFFFFF in ADD_DEV: the kernel chooses
    std::uint16_t queue = 0xFFFF;  // 0xFFFF: the command is not about a queue
    std::uint16_t length = 0;      // of the buffer
    std::uint64_t address = 0;     // of the buffer
    std::uint64_t value = 0;       // START_DEV, END_USER_RECOVERY: process id; QUIESCE_DEV: milliseconds
    std::uint16_t device_path_length = 0;  // unprivileged devices only
    std::uint16_t pad = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(ControlCommand) == 32 && offsetof(ControlCommand, value) == 16);

enum DeviceState : std::uint16_t { kDead = 0, kLive = 1, kQuiesced = 2, kFailIo = 3 };

struct DeviceInfo {
    std::uint16_t queues = 0;
    std::uint16_t queue_depth = 0;
    std::uint16_t state = 0;  // zero in ADD_DEV: older kernels take it over unread
    std::uint16_t pad0 = 0;
    std::uint32_t io_bytes_max = 0;
    std::uint32_t device = 0;
    std::int32_t server_pid = 0;  // zero in ADD_DEV, likewise
    std::uint32_t pad1 = 0;
    std::uint64_t flags = 0;
    std::uint64_t server_tag = 0;  // kept for the server, not looked at
    std::uint32_t owner_uid = 0;
    std::uint32_t owner_gid = 0;
    std::uint64_t reserved1 = 0;
    std::uint64_t reserved2 = 0;
};
static_assert(sizeof(DeviceInfo) == 64 && offsetof(DeviceInfo, flags) == 24);
static_assert(offsetof(DeviceInfo, server_tag) == 32);

inline constexpr std::uint32_t kAttributeReadOnly = 1U << 0U;
inline constexpr std::uint32_t kAttributeRotational = 1U << 1U;
inline constexpr std::uint32_t kAttributeVolatileCache = 1U << 2U;  // without it no flush ever arrives
inline constexpr std::uint32_t kAttributeFua = 1U << 3U;            // honoured only together with it

struct BasicParameters {
    std::uint32_t attributes = 0;
    std::uint8_t logical_block_shift = 0;
    std::uint8_t physical_block_shift = 0;
    std::uint8_t optimal_io_shift = 0;
    std::uint8_t minimal_io_shift = 0;
    std::uint32_t sectors_max = 0;    // of 512 bytes, per request; 8 .. io_bytes_max / 512
    std::uint32_t chunk_sectors = 0;  // a border no request crosses; 0: none
    std::uint64_t device_sectors = 0;
    std::uint64_t virtual_boundary_mask = 0;
};
static_assert(sizeof(BasicParameters) == 32 && offsetof(BasicParameters, device_sectors) == 16);

struct DiscardParameters {
    std::uint32_t alignment = 0;    // bytes
    std::uint32_t granularity = 0;  // bytes; not 0
    std::uint32_t discard_sectors_max = 0;
    std::uint32_t zero_sectors_max = 0;
    std::uint16_t segments_max = 0;  // must be 1 with discard
    std::uint16_t reserved = 0;
};
static_assert(sizeof(DiscardParameters) == 20);

struct NodeParameters {  // read only: the device numbers of the two nodes
    std::uint32_t char_major = 0;
    std::uint32_t char_minor = 0;
    std::uint32_t disk_major = 0;
    std::uint32_t disk_minor = 0;
};
static_assert(sizeof(NodeParameters) == 16);

inline constexpr std::uint32_t kParametersBasic = 1U << 0U;
inline constexpr std::uint32_t kParametersDiscard = 1U << 1U;
inline constexpr std::uint32_t kParametersNodes = 1U << 2U;

struct Parameters {
    std::uint32_t length = sizeof(Parameters);  // of what the caller knows; the kernel knows more
    std::uint32_t types = 0;                    // which of the following are meant
    BasicParameters basic;
    DiscardParameters discard;
    NodeParameters nodes;
    std::uint32_t pad = 0;
};
static_assert(sizeof(Parameters) == 80 && offsetof(Parameters, discard) == 40);
static_assert(offsetof(Parameters, nodes) == 60);

// --- I/O: on /dev/ublkcN ---

enum IoOperation : std::uint8_t {
    kRead = 0,
    kWrite = 1,
    kFlush = 2,
    kDiscard = 3,
    kWriteSame = 4,  // never arrives
    kWriteZeroes = 5,
};
inline constexpr std::uint32_t kOperationMask = 0xFFU;
inline constexpr std::uint32_t kIoFailFast = 7U << 8U;  // device, transport, driver
inline constexpr std::uint32_t kIoMeta = 1U << 11U;
inline constexpr std::uint32_t kIoFua = 1U << 13U;
inline constexpr std::uint32_t kIoNoUnmap = 1U << 15U;

// One per tag, in the memory mapped from /dev/ublkcN: valid from the completion of a fetch to the commit.
struct IoDescriptor {
    std::uint32_t operation_and_flags = 0;
    std::uint32_t sectors = 0;  // of 512 bytes
    std::uint64_t first_sector = 0;
    std::uint64_t address = 0;  // as given with the fetch
};
static_assert(sizeof(IoDescriptor) == 24);

// Payload of FETCH and COMMIT_AND_FETCH. They complete with 0 when a request has arrived, or with -ENODEV:
// the device goes, do not fetch again.
struct IoCommand {
    std::uint16_t queue = 0;
    std::uint16_t tag = 0;
    std::int32_t result = 0;    // of the request committed: bytes, or a negative errno
    std::uint64_t address = 0;  // the tag's buffer
};
static_assert(sizeof(IoCommand) == 16);

inline constexpr std::uint32_t kQueueDepthMax = 4096;
inline constexpr std::uint32_t kSectorBytes = 512;

// Bytes to map (rounded up to pages) at offset 0 for queue 0's descriptors.
[[nodiscard]] constexpr std::size_t descriptor_bytes(std::uint32_t depth) {
    return depth * sizeof(IoDescriptor);
}

// --- command numbers: encoded like an ioctl's, with the payload's size ---

enum class Direction : std::uint32_t { read = 2, both = 3 };

[[nodiscard]] constexpr std::uint32_t encode(Direction direction, std::uint32_t number, std::size_t size) {
    return static_cast<std::uint32_t>(direction) << 30U | static_cast<std::uint32_t>(size) << 16U |
           std::uint32_t{'u'} << 8U | number;
}
[[nodiscard]] constexpr std::uint32_t control(Direction direction, std::uint32_t number) {
    return encode(direction, number, sizeof(ControlCommand));
}

inline constexpr std::uint32_t kGetDevInfo = control(Direction::read, 0x02);
inline constexpr std::uint32_t kAddDev = control(Direction::both, 0x04);
inline constexpr std::uint32_t kStartDev = control(Direction::both, 0x06);
inline constexpr std::uint32_t kStopDev = control(Direction::both, 0x07);
inline constexpr std::uint32_t kSetParams = control(Direction::both, 0x08);
inline constexpr std::uint32_t kGetParams = control(Direction::read, 0x09);
inline constexpr std::uint32_t kStartUserRecovery = control(Direction::both, 0x10);
inline constexpr std::uint32_t kEndUserRecovery = control(Direction::both, 0x11);
inline constexpr std::uint32_t kGetFeatures = control(Direction::read, 0x13);
inline constexpr std::uint32_t kDelDevAsync = control(Direction::read, 0x14);
inline constexpr std::uint32_t kQuiesceDev = control(Direction::both, 0x16);
inline constexpr std::uint32_t kTryStopDev = control(Direction::both, 0x17);

inline constexpr std::uint32_t kFetch = encode(Direction::both, 0x20, sizeof(IoCommand));
inline constexpr std::uint32_t kCommitAndFetch = encode(Direction::both, 0x21, sizeof(IoCommand));

static_assert(kAddDev == 0xC0207504U && kGetFeatures == 0x80207513U && kFetch == 0xC0107520U);
static_assert(std::is_trivially_copyable_v<DeviceInfo> && std::is_trivially_copyable_v<Parameters>);

}  // namespace weft::ublk::abi
