// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/control.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "common/core/check.h"
#include "common/core/unique_fd.h"
#include "common/uring/command_ring.h"

namespace weft::ublk {

namespace {

constexpr const char* kControlPath = "/dev/ublk-control";

class KernelPort final : public ControlPort {
  public:
    KernelPort(UniqueFd fd, uring::CommandRing ring) : fd_(std::move(fd)), ring_(std::move(ring)) {}

    Result<int> run(std::uint32_t opcode, const abi::ControlCommand& command, Duration limit) override {
        return ring_.run(fd_.get(), opcode, std::as_bytes(std::span(&command, 1)), limit);
    }

  private:
    UniqueFd fd_;
    uring::CommandRing ring_;
};

std::string release_of_kernel() {
    utsname names{};
    return ::uname(&names) == 0 ? names.release : "unknown";
}

Failure no_control_device(int code, const std::string& release) {
    const std::string path = kControlPath;
    switch (code) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return fail("no " + path +
                            ": load ublk_drv (modprobe ublk_drv) or use a kernel >= 6.12 (this is " +
                            release + ")",
                        code);
        case EACCES:
        case EPERM: return fail("cannot open " + path + ": run as root", code);
        default: return fail_errno("cannot open " + path, code);
    }
}

Failure command_failed(const char* what, std::uint32_t number, const Error& error) {
    std::string text = "ublk device " + std::to_string(number) + ": " + what;
    if (error.code == ETIMEDOUT) {
        const auto limit = std::chrono::duration_cast<std::chrono::seconds>(Control::kCommandLimit);
        return fail(text + ": no answer from the kernel within " + std::to_string(limit.count()) + " s",
                    ETIMEDOUT);
    }
    return fail_errno(std::move(text), error.code);
}

}  // namespace

Result<std::unique_ptr<Control>> Control::open() {
    const std::string release = release_of_kernel();
    UniqueFd fd(::open(kControlPath, O_RDWR | O_CLOEXEC));
    if (!fd) return no_control_device(errno, release);
    auto ring = uring::CommandRing::create();
    if (!ring) return Failure(std::move(ring).error());
    return open(std::make_unique<KernelPort>(std::move(fd), std::move(*ring)), release);
}

Result<std::unique_ptr<Control>> Control::open(std::unique_ptr<ControlPort> port, std::string release) {
    std::unique_ptr<Control> control(new Control(std::move(port)));
    control->kernel_.release = std::move(release);
    if (auto probed = control->probe(); !probed) return Failure(std::move(probed).error());
    return control;
}

Result<void> Control::probe() {
    std::uint64_t features = 0;
    const auto asked =
        with_buffer(abi::kGetFeatures, "GET_FEATURES", kAnyNumber, &features, sizeof(features));
    const int code = asked ? 0 : asked.error().code;
    if (code == EACCES || code == EPERM) return fail("ublk refuses its control commands: run as root", code);
    if (code != 0 && code != EOPNOTSUPP && code != EINVAL)
        return fail_errno("cannot ask what the kernel's ublk can do", code);
    kernel_.features = features;
    if (!kernel_.usable())
        return fail("the ublk of kernel " + kernel_.release + " is too old: use a kernel >= 6.12",
                    EOPNOTSUPP);
    return {};
}

Result<abi::DeviceInfo> Control::add(std::uint32_t number, std::uint16_t queue_depth,
                                     std::uint32_t io_bytes_max, std::uint64_t tag) {
    abi::DeviceInfo device;
    device.queues = 1;
    device.queue_depth = queue_depth;
    device.io_bytes_max = io_bytes_max;
    device.device = number;
    device.flags = abi::kUserRecovery | abi::kUserRecoveryReissue | abi::kCommandIoctlEncode;
    if (kernel_.has(abi::kQuiesce)) device.flags |= abi::kQuiesce;
    if (kernel_.has(abi::kSafeStop)) device.flags |= abi::kSafeStop;
    const std::uint64_t wanted = device.flags;
    device.server_tag = tag;
    const auto added = with_buffer(abi::kAddDev, "ADD_DEV", number, &device, sizeof(device));
    if (!added && added.error().code == EEXIST)
        return fail(
            "ublk device number " + std::to_string(number) +
                " is taken: choose another device_id, or find its owner (it may be going but still open)",
            EEXIST);
    if (!added && number == kAnyNumber) return fail_errno("cannot add a ublk device", added.error().code);
    if (!added) return Failure(added.error());
    const bool as_asked = (device.flags & wanted) == wanted && device.queues == 1 &&
                          device.queue_depth == queue_depth && device.io_bytes_max == io_bytes_max;
    if (!as_asked) {
        (void)remove(device.device);
        return fail("the kernel made another ublk device than asked for (depth " +
                    std::to_string(device.queue_depth) + ", " + std::to_string(device.io_bytes_max) +
                    " bytes per request, flags " + std::to_string(device.flags) + ")");
    }
    return device;
}

Result<std::optional<abi::DeviceInfo>> Control::find(std::uint32_t number) {
    abi::DeviceInfo device;
    const auto asked = with_buffer(abi::kGetDevInfo, "GET_DEV_INFO", number, &device, sizeof(device));
    if (asked) return device;
    if (asked.error().code == ENODEV || asked.error().code == ENOENT) return std::optional<abi::DeviceInfo>();
    return Failure(asked.error());
}

Result<void> Control::set_parameters(std::uint32_t number, const abi::Parameters& parameters) {
    abi::Parameters copy = parameters;
    return with_buffer(abi::kSetParams, "SET_PARAMS", number, &copy, sizeof(copy));
}

Result<abi::Parameters> Control::parameters(std::uint32_t number) {
    abi::Parameters answer;
    const auto asked = with_buffer(abi::kGetParams, "GET_PARAMS", number, &answer, sizeof(answer));
    if (!asked) return Failure(asked.error());
    return answer;
}

Result<void> Control::start(std::uint32_t number) {
    return simple(abi::kStartDev, "START_DEV", number, static_cast<std::uint64_t>(::getpid()));
}

Result<void> Control::stop(std::uint32_t number) { return simple(abi::kStopDev, "STOP_DEV", number); }

Result<void> Control::stop_if_closed(std::uint32_t number) {
    WEFT_CHECK(kernel_.stops_safely());
    return simple(abi::kTryStopDev, "TRY_STOP_DEV", number);
}

// Never with DEL_DEV, which waits for the last opener.
Result<bool> Control::remove(std::uint32_t number) {
    if (auto removed = simple(abi::kDelDevAsync, "DEL_DEV_ASYNC", number); !removed)
        return Failure(std::move(removed).error());
    const auto end = std::chrono::steady_clock::now() + kGoneLimit;
    for (;;) {
        const auto device = find(number);
        if (!device) return Failure(device.error());
        if (!*device) return true;
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(1ms);
    }
}

Result<void> Control::quiesce(std::uint32_t number, Duration limit) {
    WEFT_CHECK(kernel_.recovery_restartable());
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    return simple(abi::kQuiesceDev, "QUIESCE_DEV", number, static_cast<std::uint64_t>(milliseconds));
}

Result<void> Control::begin_recovery(std::uint32_t number) {
    return simple(abi::kStartUserRecovery, "START_USER_RECOVERY", number);
}

Result<void> Control::end_recovery(std::uint32_t number) {
    return simple(abi::kEndUserRecovery, "END_USER_RECOVERY", number, static_cast<std::uint64_t>(::getpid()));
}

Result<void> Control::simple(std::uint32_t opcode, const char* what, std::uint32_t number,
                             std::uint64_t value) {
    abi::ControlCommand command;
    command.device = number;
    command.value = value;
    const auto done = port_->run(opcode, command, kCommandLimit);
    if (!done) return command_failed(what, number, done.error());
    return {};
}

Result<void> Control::with_buffer(std::uint32_t opcode, const char* what, std::uint32_t number, void* buffer,
                                  std::size_t length) {
    struct alignas(8) Block {
        std::array<std::byte, 128> bytes{};
    };
    auto block = std::make_unique<Block>();
    WEFT_CHECK(length <= block->bytes.size());
    std::memcpy(block->bytes.data(), buffer, length);
    abi::ControlCommand command;
    command.device = number;
    command.length = static_cast<std::uint16_t>(length);
    command.address = reinterpret_cast<std::uint64_t>(block->bytes.data());
    const auto done = port_->run(opcode, command, kCommandLimit);
    if (!done) {
        // The kernel may still write there: the memory is given up with the command.
        if (done.error().code == ETIMEDOUT) (void)block.release();
        return command_failed(what, number, done.error());
    }
    std::memcpy(buffer, block->bytes.data(), length);
    return {};
}

}  // namespace weft::ublk
