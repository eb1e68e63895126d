// SPDX-License-Identifier: Apache-2.0
// ublk without a kernel: devices with the driver's states and rules, in a directory that stands for /dev.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "initiator/ublk/channel.h"
#include "initiator/ublk/control.h"
#include "initiator/ublk/node.h"
#include "tests/support/manual_executor.h"

namespace weft::ublk::test {

namespace fs = std::filesystem;

inline constexpr std::uint64_t kOldFeatures = 0x1fe;    // as measured on 6.12
inline constexpr std::uint64_t kNewFeatures = 0xfffff;  // on 7.2

// A reactor that runs whatever is posted to it at once, on the caller's thread.
class InlineReactor final : public weft::test::ManualExecutor {
  public:
    void post(std::function<void()> call) override {
        inside_ = true;
        call();
        run();
        inside_ = false;
    }
    [[nodiscard]] bool is_current() const override { return inside_; }

  private:
    bool inside_ = false;
};

// One device of the driver.
struct SimulatedDevice {
    struct Tag {
        uring::Operation* fetch = nullptr;  // waits for a request
        bool busy = false;                  // its request is with the server
        abi::IoDescriptor request;
    };
    abi::DeviceInfo device;
    abi::Parameters parameters;
    std::vector<Tag> tags;
    bool served = false;      // a server has the character device
    bool recovering = false;  // between the two recovery commands
    int openers = 0;          // of the disk
    std::size_t fetched = 0;

    [[nodiscard]] bool all_fetched() const { return fetched == tags.size(); }
};

struct Answer {
    std::uint16_t tag;
    std::int32_t result;
};

class SimulatedDriver {
  public:
    explicit SimulatedDriver(std::uint64_t features) : features_(features) {
        char name[] = "/tmp/ublk_test.XXXXXX";
        root_ = ::mkdtemp(name);
        places.dev = root_ + "/dev";
        places.sys_block = root_ + "/sys/block";
        places.proc = root_ + "/proc";
        places.run = root_ + "/run/weft/dev";
        places.udev = root_ + "/run/udev/control";
        places.links = root_ + "/dev/weft";
        fs::create_directories(places.dev);
        fs::create_directories(places.proc + "/sys/kernel/random");
        fs::create_directories(places.proc + "/self");
        std::ofstream(places.proc + "/sys/kernel/random/boot_id") << "boot-1\n";
    }
    ~SimulatedDriver() { fs::remove_all(root_); }

    [[nodiscard]] std::string state_dir() const { return root_ + "/state"; }
    [[nodiscard]] std::unique_ptr<Control> control() {
        auto opened = Control::open(std::make_unique<Port>(*this), "6.99-test");
        EXPECT_TRUE(opened) << opened.error().what;
        return std::move(*opened);
    }
    [[nodiscard]] QueuePortMaker ports() {
        return [this](int fd) {
            // The node that was opened tells the device.
            const fs::path path = fs::read_symlink("/proc/self/fd/" + std::to_string(fd));
            SimulatedDevice& device =
                devices.at(static_cast<std::uint32_t>(std::stoul(path.filename().string().substr(5))));
            device.served = true;
            return std::make_unique<QPort>(*this, device);
        };
    }

    // A request for a tag that is fetched.
    void send(std::uint32_t number, std::uint16_t tag, const abi::IoDescriptor& request) {
        auto& slot = devices.at(number).tags.at(tag);
        ASSERT_NE(slot.fetch, nullptr);
        ASSERT_FALSE(slot.busy);
        std::fstream file(node(number), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(tag * static_cast<long>(sizeof request));
        file.write(reinterpret_cast<const char*>(&request), sizeof request);
        file.flush();
        slot.busy = true;
        slot.request = request;
        std::exchange(slot.fetch, nullptr)->complete(0, 0);
    }
    // The server's process is gone: what it held is kept for the next (REISSUE).
    void server_died(std::uint32_t number) {
        SimulatedDevice& device = devices.at(number);
        device.served = false;
        device.recovering = false;
        for (auto& tag : device.tags) tag.fetch = nullptr;
        if (device.device.state == abi::kLive) device.device.state = abi::kQuiesced;
    }
    [[nodiscard]] std::size_t busy(std::uint32_t number) const {
        std::size_t count = 0;
        for (const auto& tag : devices.at(number).tags) count += tag.busy ? 1U : 0U;
        return count;
    }
    // Whatever of a volume is to be found outside this driver.
    [[nodiscard]] std::vector<std::string> traces() const {
        std::vector<std::string> found;
        for (const auto& directory : {state_dir(), places.run, places.links}) {
            std::error_code code;
            for (const auto& entry : fs::directory_iterator(directory, code)) found.push_back(entry.path());
        }
        return found;
    }

    Places places;
    std::map<std::uint32_t, SimulatedDevice> devices;
    std::vector<Answer> answers;              // to requests
    std::vector<std::uint32_t> commands;      // control opcodes seen
    int fail_at = -1;                         // the so-manieth control command fails with EIO, from 0
    int busy_recoveries = 0;                  // START_USER_RECOVERY says EBUSY so often
    int recovery_error = 0;                   // START_USER_RECOVERY fails with this
    std::optional<std::int32_t> fetch_error;  // every fetch is answered with this

  private:
    class Port final : public ControlPort {
      public:
        explicit Port(SimulatedDriver& driver) : driver_(driver) {}
        Result<int> run(std::uint32_t opcode, const abi::ControlCommand& command, Duration) override {
            const int code = driver_.control_command(opcode, command);
            if (code != 0) return fail_errno("simulated", code);
            return 0;
        }

      private:
        SimulatedDriver& driver_;
    };

    class QPort final : public QueuePort {
      public:
        QPort(SimulatedDriver& driver, SimulatedDevice& device) : driver_(driver), device_(device) {}
        ~QPort() override { device_.served = false; }
        void issue(uring::Operation& operation, std::uint32_t opcode,
                   const abi::IoCommand& command) override {
            auto& tag = device_.tags.at(command.tag);
            ASSERT_EQ(tag.fetch, nullptr);
            ASSERT_NE(command.address, 0U);
            if (opcode == abi::kFetch) {
                ASSERT_EQ(tag.busy && !device_.recovering, false);
                tag.busy = false;
                ++device_.fetched;
            } else {
                ASSERT_EQ(opcode, abi::kCommitAndFetch);
                ASSERT_TRUE(tag.busy) << "tag " << command.tag << " answered twice";
                tag.busy = false;
                driver_.answers.push_back({command.tag, command.result});
            }
            tag.fetch = &operation;
            if (driver_.fetch_error) std::exchange(tag.fetch, nullptr)->complete(*driver_.fetch_error, 0);
        }

      private:
        SimulatedDriver& driver_;
        SimulatedDevice& device_;
    };

    [[nodiscard]] std::string node(std::uint32_t number) const {
        return places.dev + "/ublkc" + std::to_string(number);
    }

    int add(abi::DeviceInfo& wanted) {
        if (wanted.state != 0 || wanted.server_pid != 0) return EINVAL;
        if (wanted.device == Control::kAnyNumber) {
            wanted.device = 0;
            while (devices.count(wanted.device) > 0) ++wanted.device;
        }
        if (devices.count(wanted.device) > 0) return EEXIST;
        SimulatedDevice& device = devices[wanted.device];
        device.device = wanted;
        device.tags.resize(wanted.queue_depth);
        std::ofstream(node(wanted.device)) << std::string(4096 * 25, '\0');
        return 0;
    }

    void make_settings(std::uint32_t number) const {
        const std::string queue = places.sys_block + "/ublkb" + std::to_string(number) + "/queue";
        if (!fs::create_directories(queue)) return;
        std::ofstream(queue + "/io_timeout") << "30000\n";
        std::ofstream(queue + "/scheduler") << "none [mq-deadline]\n";
    }

    // The disk goes; idle fetches are aborted. Requests with the server would make it wait.
    static int stop(SimulatedDevice& device) {
        if (device.served)
            for (const auto& tag : device.tags)
                if (tag.busy && device.device.state == abi::kLive) return ETIMEDOUT;
        device.device.state = abi::kDead;
        for (auto& tag : device.tags)
            if (tag.fetch != nullptr) std::exchange(tag.fetch, nullptr)->complete(-ENODEV, 0);
        return 0;
    }

    int control_command(std::uint32_t opcode, const abi::ControlCommand& command) {
        commands.push_back(opcode);
        auto* const buffer = reinterpret_cast<void*>(command.address);
        if (opcode == abi::kGetFeatures) {
            if (command.length != 8) return EINVAL;
            std::memcpy(buffer, &features_, 8);
            return 0;
        }
        if (fail_at-- == 0) return EIO;
        if (opcode == abi::kAddDev) {
            abi::DeviceInfo wanted;
            std::memcpy(&wanted, buffer, sizeof wanted);
            if (wanted.device != command.device || command.queue != 0xFFFF) return EINVAL;
            const int code = add(wanted);
            std::memcpy(buffer, &wanted, sizeof wanted);
            return code;
        }
        const auto found = devices.find(command.device);
        if (found == devices.end()) return ENODEV;
        return device_command(opcode, command, found->second, buffer);
    }

    int device_command(std::uint32_t opcode, const abi::ControlCommand& command, SimulatedDevice& device,
                       void* buffer) {
        switch (opcode) {
            case abi::kGetDevInfo: std::memcpy(buffer, &device.device, sizeof device.device); return 0;
            case abi::kSetParams:
                if (device.device.state == abi::kLive) return EACCES;
                std::memcpy(&device.parameters, buffer, sizeof device.parameters);
                return 0;
            case abi::kGetParams: std::memcpy(buffer, &device.parameters, sizeof device.parameters); return 0;
            case abi::kStartDev:
            case abi::kEndUserRecovery:
                if (!device.all_fetched()) return ETIMEDOUT;  // would wait for ever
                if (opcode == abi::kStartDev && device.parameters.types == 0) return EINVAL;
                device.device.state = abi::kLive;
                make_settings(command.device);
                device.device.server_pid = static_cast<std::int32_t>(command.value);
                device.recovering = false;
                return 0;
            case abi::kTryStopDev: return device.openers > 0 ? EBUSY : stop(device);
            case abi::kStopDev: return stop(device);
            case abi::kDelDevAsync:
                (void)stop(device);
                fs::remove(node(command.device));
                devices.erase(command.device);
                return 0;
            case abi::kQuiesceDev:
                if (device.tags.size() == busy(command.device)) return EBUSY;
                for (auto& tag : device.tags)
                    if (tag.fetch != nullptr) std::exchange(tag.fetch, nullptr)->complete(-ENODEV, 0);
                device.device.state = abi::kQuiesced;
                return 0;
            case abi::kStartUserRecovery:
                if (recovery_error != 0) return recovery_error;
                if (busy_recoveries-- > 0) return EBUSY;
                if (device.served || device.device.state != abi::kQuiesced) return EBUSY;
                device.recovering = true;
                device.fetched = 0;
                return 0;
            default: return EOPNOTSUPP;
        }
    }

    std::uint64_t features_;
    std::string root_;
};

}  // namespace weft::ublk::test
