// SPDX-License-Identifier: Apache-2.0
// The control device of ublk: blocking commands about devices.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "common/core/clock.h"
#include "common/core/result.h"
#include "initiator/ublk/abi.h"
#include "initiator/ublk/kernel.h"

namespace weft::ublk {

// Where control commands go: the kernel, or a simulation of it. Thread: Control's.
class ControlPort {
  public:
    virtual ~ControlPort() = default;
    // Returns the command's result; an Error's code is the positive errno, ETIMEDOUT after `limit`. The
    // buffer that the command names may then still be used: it must stay for the life of the process.
    virtual Result<int> run(std::uint32_t opcode, const abi::ControlCommand& command, Duration limit) = 0;
};

// Owner: the initiator's main, one for all its devices. Thread: the control thread that opened it, only;
// every call blocks, for kCommandLimit at most
// (remove(): and kGoneLimit).
class Control {
  public:
    static constexpr Duration kCommandLimit = 60s;
    static constexpr Duration kGoneLimit = 3s;
    static constexpr std::uint32_t kAnyNumber = 0xFFFFFFFF;

    // Opens /dev/ublk-control and asks what this kernel has. Errors say what to do.
    [[nodiscard]] static Result<std::unique_ptr<Control>> open();
    [[nodiscard]] static Result<std::unique_ptr<Control>> open(std::unique_ptr<ControlPort> port,
                                                               std::string release);

    [[nodiscard]] const Kernel& kernel() const { return kernel_; }

    // Adds a device of one queue, not started. `number` is its N in /dev/ublkbN, or kAnyNumber. `tag`
    // comes back from find(). The answer holds what the kernel made of it.
    [[nodiscard]] Result<abi::DeviceInfo> add(std::uint32_t number, std::uint16_t queue_depth,
                                              std::uint32_t io_bytes_max, std::uint64_t tag);
    // nullopt: there is no such device.
    [[nodiscard]] Result<std::optional<abi::DeviceInfo>> find(std::uint32_t number);
    // REQUIRES for set: not started.
    [[nodiscard]] Result<void> set_parameters(std::uint32_t number, const abi::Parameters& parameters);
    [[nodiscard]] Result<abi::Parameters> parameters(std::uint32_t number);

    // Makes the disk. Blocks until all tags are fetched. REQUIRES: they are being.
    [[nodiscard]] Result<void> start(std::uint32_t number);
    // Takes the disk away; its openers see errors. REQUIRES: the server holds no I/O and goes on answering.
    [[nodiscard]] Result<void> stop(std::uint32_t number);
    // The same, or an Error with EBUSY if somebody has the disk open. REQUIRES: kernel().stops_safely().
    [[nodiscard]] Result<void> stop_if_closed(std::uint32_t number);
    // Forgets the device, and waits kGoneLimit for it to go; false if somebody still has the disk or
    // /dev/ublkcN open: it goes when they let go. REQUIRES: stopped, or never started.
    [[nodiscard]] Result<bool> remove(std::uint32_t number);
    // Ends the fetches and makes new I/O wait for the next server; EBUSY if all tags stayed held for
    // `limit`. REQUIRES: kernel().recovery_restartable().
    [[nodiscard]] Result<void> quiesce(std::uint32_t number, Duration limit);

    // Takes over a device whose server has died. EBUSY: not yet let go of. Then all tags are to be fetched
    // (kernel.h: this must not be cut short on old kernels), then the end, which blocks until they are.
    [[nodiscard]] Result<void> begin_recovery(std::uint32_t number);
    [[nodiscard]] Result<void> end_recovery(std::uint32_t number);

  private:
    explicit Control(std::unique_ptr<ControlPort> port) : port_(std::move(port)) {}
    [[nodiscard]] Result<void> probe();
    [[nodiscard]] Result<void> simple(std::uint32_t opcode, const char* what, std::uint32_t number,
                                      std::uint64_t value = 0);
    // The buffer is copied to memory that outlives a command given up, and back.
    [[nodiscard]] Result<void> with_buffer(std::uint32_t opcode, const char* what, std::uint32_t number,
                                           void* buffer, std::size_t length);

    std::unique_ptr<ControlPort> port_;
    Kernel kernel_;
};

}  // namespace weft::ublk
