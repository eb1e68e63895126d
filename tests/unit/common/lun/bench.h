// SPDX-License-Identifier: Apache-2.0
// One logical unit with everything around it, driven a command at a time.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "common/lun/logical_unit.h"
#include "tests/support/hex.h"
#include "tests/support/manual_executor.h"
#include "tests/unit/common/lun/front_end.h"
#include "tests/unit/common/lun/slow_device.h"

namespace weft::test {

struct Inventory final : lun::LunInventory {
    [[nodiscard]] std::span<const scsi::Lun> luns() const override { return list; }
    std::vector<scsi::Lun> list = {{.number = 0}, {.number = 300}};
};

inline lun::Identity identity_of_test() {
    lun::Identity identity{.uuid = *Uuid::parse("1b4e28ba-2fa1-4d2e-883f-0016d3cca427"), .name = "vol1"};
    for (unsigned i = 0; i < 16; ++i) identity.target_port[i] = static_cast<std::byte>(0xA0U + i);
    return identity;
}

// A thin 512-byte volume with a volatile cache.
inline block::Geometry geometry_of_test() {
    return {.block_size = 512,
            .physical_block_size = 4096,
            .blocks = 8192,
            .discard_granularity = 8,
            .write_zeroes = true,
            .discard_zeroes = true,
            .volatile_cache = true};
}

class Bench {
  public:
    explicit Bench(const block::Geometry& geometry = geometry_of_test(), std::size_t buffers = 4,
                   std::size_t buffer_bytes = 8192)
        : front_end(buffers, buffer_bytes),
          device(executor, geometry),
          unit(device, identity_of_test()),
          nexus(inventory),
          command(front_end, device.scratch_bytes()) {
        for (std::size_t i = 0; i < device.content.size(); ++i)
            device.content[i] = static_cast<std::byte>(i * 7 + i / 512);
    }

    FrontEnd::Command& start(std::string_view cdb, std::size_t data_in = 0,
                             std::vector<std::byte> data_out = {}, bool immediate = false) {
        front_end.prepare(command, from_hex(cdb), data_in, std::move(data_out), immediate);
        front_end.inside([&] { unit.execute(command, nexus); });
        EXPECT_EQ(command.finished, 0) << "finished inside execute";
        return command;
    }
    // Runs everything in order until nothing moves.
    void settle() {
        for (bool any = true; any;) {
            any = executor.run();
            if (device.pending() != 0) {
                device.complete_one(0);
                any = true;
            }
            for (std::size_t i = 0; i < front_end.pending(); ++i) {
                if (!front_end.complete_one(i)) continue;
                any = true;
                break;
            }
            if (front_end.has_waiter()) {
                front_end.wake_one();
                any = true;
            }
        }
    }
    // The whole command. The answer reads "good", "05/2100", "03/1100 @123".
    std::string run(std::string_view cdb, std::size_t data_in = 0, std::vector<std::byte> data_out = {},
                    bool immediate = false) {
        start(cdb, data_in, std::move(data_out), immediate);
        settle();
        EXPECT_EQ(command.finished, 1) << cdb << " waits for " << command.waits_for();
        EXPECT_TRUE(command.quiet());
        return ending();
    }
    [[nodiscard]] std::string ending() const {
        if (command.status == scsi::Status::good) return "good";
        if (command.status != scsi::Status::check_condition)
            return "status " + std::to_string(static_cast<unsigned>(command.status));
        const auto sense = scsi::decode_sense(command.sense.span());
        if (!sense) return "no sense data";
        const std::array code = {static_cast<std::byte>(sense->key),
                                 static_cast<std::byte>(static_cast<unsigned>(sense->code) >> 8U),
                                 static_cast<std::byte>(static_cast<unsigned>(sense->code) & 0xFFU)};
        std::string text = to_hex(code);
        text = text.substr(0, 2) + "/" + text.substr(3, 2) + text.substr(6, 2);
        if (sense->information) text += " @" + std::to_string(*sense->information);
        return text;
    }
    // What was delivered, as hexadecimal text.
    [[nodiscard]] std::string answer() const {
        return to_hex(std::span(command.data_in).first(command.data_in_done));
    }
    [[nodiscard]] std::vector<std::byte> blocks(std::uint64_t lba, std::uint64_t count) const {
        const std::size_t size = device.geometry().block_size;
        const auto first = device.content.begin() + static_cast<std::ptrdiff_t>(lba * size);
        return {first, first + static_cast<std::ptrdiff_t>(count * size)};
    }
    [[nodiscard]] std::vector<std::byte> pattern(std::uint64_t count, unsigned seed) const {
        std::vector<std::byte> bytes(count * device.geometry().block_size);
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<std::byte>(i * 13 + i / 256 + seed);
        return bytes;
    }

    ManualExecutor executor;
    FrontEnd front_end;
    SlowDevice device;
    Inventory inventory;
    lun::LogicalUnit unit;
    lun::NexusUnit nexus;
    FrontEnd::Command command;
};

}  // namespace weft::test
