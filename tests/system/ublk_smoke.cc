// SPDX-License-Identifier: Apache-2.0
// Serves volumes as ublk devices, as the initiator does, with nothing behind them but files mapped from a
// tmpfs: their contents outlive this program, so that it may be killed. Told what to do by lines on standard
// input:
//   status I | hold I | release I | stop I | force I | leave
// hold: requests of volume I wait, as if its target were away. Answers are lines on standard output.
// Used by ublk_*.sh.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/core/log.h"
#include "common/reactor/reactor.h"
#include "common/uring/ring.h"
#include "initiator/ublk/device.h"

namespace weft::test {
namespace {

using block::IoOp;
using block::IoRequest;
using block::IoStatus;

struct Settings {
    std::string file;  // of volume I: file.I
    std::string state_dir;
    std::uint64_t bytes = std::uint64_t{256} << 20U;
    std::uint32_t block_size = 4096;
    std::uint16_t depth = 128;
    std::uint32_t volumes = 1;
    std::uint32_t delay_us = 0;
    std::uint32_t die_at_command = 0;  // at the so-manieth command to the driver; 0: never
    bool cache = true;
    bool hold = false;  // from the beginning
};

class TmpfsDevice final : public block::BlockDevice {
  public:
    TmpfsDevice(Executor& executor, const Settings& settings, std::byte* memory)
        : BlockDevice(executor), memory_(memory), delay_(std::chrono::microseconds(settings.delay_us)) {
        geometry_.block_size = settings.block_size;
        geometry_.blocks = settings.bytes / settings.block_size;
        geometry_.discard_granularity = 1;
        geometry_.write_zeroes = true;
        geometry_.discard_zeroes = true;
        geometry_.volatile_cache = settings.cache;
        holding_ = settings.hold;
    }
    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 16; }

    void hold(bool on) {
        holding_ = on;
        if (!on) finish_all(false);
    }
    void fail_all() {
        failing_ = true;
        finish_all(true);
    }
    std::uint64_t flushes = 0, discards = 0, zeroes = 0, fuas = 0;

  private:
    void do_submit(IoRequest& io) override {
        if (failing_) {
            complete(io, IoStatus::connection_lost);
            return;
        }
        if (!holding_ && delay_ == Duration::zero()) {
            execute(io);
            return;
        }
        new (io.scratch) Instant(executor().now() + delay_);
        waiting_.push_back(io);
        if (!holding_ && !timer_.armed()) executor().start(timer_, delay_);
    }

    void on_due() {
        while (!waiting_.empty() && !holding_) {
            const Instant due = *reinterpret_cast<Instant*>(waiting_.front().scratch);
            if (due > executor().now()) {
                executor().start(timer_, due - executor().now());
                return;
            }
            execute(waiting_.pop_front());
        }
    }

    void finish_all(bool failed) {
        while (!waiting_.empty()) {
            IoRequest& io = waiting_.pop_front();
            if (failed)
                complete(io, IoStatus::connection_lost);
            else
                execute(io);
        }
        executor().cancel(timer_);
    }

    void execute(IoRequest& io) {
        std::byte* at = memory_ + io.lba * geometry_.block_size;
        const std::size_t length = io.blocks * geometry_.block_size;
        fuas += io.fua ? 1U : 0U;
        switch (io.op) {
            case IoOp::read: std::memcpy(io.data.base, at, length); break;
            case IoOp::write: std::memcpy(at, io.data.base, length); break;
            case IoOp::flush: ++flushes; break;
            case IoOp::discard:
                ++discards;
                std::memset(at, 0, length);
                break;
            case IoOp::write_zeroes:
                ++zeroes;
                std::memset(at, 0, length);
                break;
        }
        complete(io, IoStatus::ok);
    }

    std::byte* memory_;
    Duration delay_;
    block::Geometry geometry_;
    bool holding_ = false;
    bool failing_ = false;
    IntrusiveList<IoRequest> waiting_;
    TimerCall<TmpfsDevice, &TmpfsDevice::on_due> timer_{*this};
};

// Kills this process at its so-manieth command, with those before it surely in the kernel.
class DeadlyPort final : public ublk::QueuePort {
  public:
    DeadlyPort(std::unique_ptr<QueuePort> port, uring::Ring& ring, std::uint32_t at)
        : port_(std::move(port)), ring_(ring), left_(at) {}
    void issue(uring::Operation& operation, std::uint32_t opcode,
               const ublk::abi::IoCommand& command) override {
        port_->issue(operation, opcode, command);
        if (--left_ > 0) return;
        ring_.flush();
        std::raise(SIGKILL);
    }

  private:
    std::unique_ptr<QueuePort> port_;
    uring::Ring& ring_;
    std::uint32_t left_;
};

std::byte* map_volume(const std::string& path, std::uint64_t bytes) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return nullptr;
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

struct Volume {
    std::unique_ptr<TmpfsDevice> store;
    std::unique_ptr<ublk::Device> device;
};

class Server {
  public:
    explicit Server(Settings settings) : settings_(std::move(settings)) {}

    bool start() {
        auto control = ublk::Control::open();
        if (!control) return report(control.error());
        control_ = std::move(*control);
        std::cout << control_->kernel().promises() << std::endl;
        auto ring = uring::Ring::create(512, &regions_);
        if (!ring) return report(ring.error());
        ring_ = std::move(*ring);
        reactor_.emplace(reactor::Options{}, *ring_);
        thread_ = std::thread([this] { reactor_->run(); });
        for (std::uint32_t i = 0; i < settings_.volumes; ++i)
            if (!add(i)) return false;
        std::cout << "serving" << std::endl;
        return true;
    }

    // Until standard input ends or "leave"; false: end at once, without tidying up.
    bool obey() {
        std::string line;
        while (std::getline(std::cin, line)) {
            std::istringstream words(line);
            std::string what;
            std::size_t index = 0;
            words >> what >> index;
            if (what == "leave") {
                for (Volume& volume : volumes_)
                    if (volume.device) report("leave", volume.device->leave(5s));
                return false;
            }
            if (index >= volumes_.size() || !volumes_[index].device)
                std::cout << "no such volume" << std::endl;
            else
                obey(what, volumes_[index]);
        }
        for (Volume& volume : volumes_)
            if (volume.device) stop(volume, false);
        return true;
    }

    bool end() {
        for (const Volume& volume : volumes_)
            if (volume.device) return false;
        reactor_->run_and_wait([this] { volumes_.clear(); });
        reactor_->stop();
        thread_.join();
        reactor_.reset();
        return true;
    }

  private:
    static bool report(const Error& error) {
        std::cout << "error: " << error.what << std::endl;
        return false;
    }
    static bool report(const char* what, const Result<void>& result) {
        if (!result)
            std::cout << what << " refused: " << result.error().what << std::endl;
        else
            std::cout << what << " ok" << std::endl;
        return result.has_value();
    }

    bool add(std::uint32_t index) {
        const std::string name = "v" + std::to_string(index);
        std::byte* memory = map_volume(settings_.file + "." + std::to_string(index), settings_.bytes);
        if (memory == nullptr) return report(Error{"cannot map the volume's file"});
        Volume& volume = volumes_.emplace_back();
        volume.store = std::make_unique<TmpfsDevice>(*reactor_, settings_, memory);
        ublk::DeviceOptions options;
        options.name = name;
        options.uuid = Uuid::from_name("ublk_smoke", name);
        options.queue_depth = settings_.depth;
        options.state_dir = settings_.state_dir;
        ublk::QueuePortMaker ports = ublk::ports_on(*ring_);
        if (settings_.die_at_command > 0) {
            ports = [this, inner = std::move(ports)](int fd) {
                return std::make_unique<DeadlyPort>(inner(fd), *ring_, settings_.die_at_command);
            };
        }
        auto device = ublk::Device::start(*control_, options, {*reactor_, regions_, *volume.store, ports});
        if (!device) return report(device.error());
        volume.device = std::move(*device);
        std::cout << "ready " << volume.device->path() << " "
                  << (volume.device->recovered() ? "recovered" : "new") << std::endl;
        return true;
    }

    void stop(Volume& volume, bool force) {
        ublk::Device::Stop how;
        how.force = force;
        how.fail_held = [&volume] { volume.store->fail_all(); };
        if (report(force ? "force" : "stop", volume.device->stop(how))) volume.device.reset();
    }

    void obey(const std::string& what, Volume& volume) {
        if (what == "stop" || what == "force") {
            stop(volume, what == "force");
        } else if (what == "hold" || what == "release") {
            reactor_->run_and_wait([&] { volume.store->hold(what == "hold"); });
            std::cout << what << " ok" << std::endl;
        } else if (what == "status") {
            const auto status = volume.device->status();
            std::cout << "status held=" << status.held << " requests=" << status.counters.requests
                      << " errors=" << status.counters.errors << " flushes=" << volume.store->flushes
                      << " discards=" << volume.store->discards << " zeroes=" << volume.store->zeroes
                      << " fuas=" << volume.store->fuas << " bytes=" << status.memory_bytes << std::endl;
        } else {
            std::cout << "unknown: " << what << std::endl;
        }
    }

    Settings settings_;
    std::unique_ptr<ublk::Control> control_;
    RegionDirectory regions_;
    std::unique_ptr<uring::Ring> ring_;
    std::optional<reactor::Reactor> reactor_;
    std::thread thread_;
    std::vector<Volume> volumes_;
};

}  // namespace
}  // namespace weft::test

int main(int argc, char** argv) {
    weft::test::Settings settings;
    CLI::App app("serves tmpfs files as ublk devices");
    app.add_option("--file", settings.file)->required();
    app.add_option("--state", settings.state_dir)->required();
    app.add_option("--bytes", settings.bytes);
    app.add_option("--block", settings.block_size);
    app.add_option("--depth", settings.depth);
    app.add_option("--volumes", settings.volumes);
    app.add_option("--delay-us", settings.delay_us);
    app.add_option("--die-at-command", settings.die_at_command);
    app.add_flag("!--no-cache", settings.cache);
    app.add_flag("--hold", settings.hold);
    CLI11_PARSE(app, argc, argv);
    if (!weft::log::start("ublk_smoke", "info")) return 2;
    weft::test::Server server(settings);
    const bool started = server.start();
    const bool tidy = started && server.obey();
    const bool ended = tidy && server.end();
    weft::log::stop();
    std::cout << std::flush;
    if (!started) ::_exit(1);
    if (!tidy) ::_exit(0);  // the driver keeps the ring's commands until the process has gone
    if (!ended) ::_exit(3);
    return 0;
}
