// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <fstream>

#include "tests/unit/initiator/ublk/simulated_driver.h"

namespace weft::ublk::test {
namespace {

constexpr std::uint16_t kDepth = 4;

// Completes at once, or keeps what it is given.
class TestTree final : public block::BlockDevice {
  public:
    explicit TestTree(Executor& executor) : BlockDevice(executor) {
        geometry_.blocks = 1000;
        geometry_.volatile_cache = true;
    }
    [[nodiscard]] const block::Geometry& geometry() const override { return geometry_; }
    [[nodiscard]] std::size_t scratch_bytes() const override { return 16; }
    void fail_all() {
        while (!kept.empty()) {
            block::IoRequest& io = *kept.front();
            kept.pop_front();
            complete(io, block::IoStatus::connection_lost);
        }
    }
    void resize(std::uint64_t blocks) { geometry_.blocks = blocks; }

    bool keep = false;
    std::deque<block::IoRequest*> kept;

  private:
    void do_submit(block::IoRequest& io) override {
        if (keep)
            kept.push_back(&io);
        else
            complete(io, block::IoStatus::ok);
    }
    block::Geometry geometry_;
};

class DeviceTest : public testing::Test {
  protected:
    void use(std::uint64_t features) {
        // Never destroyed: what a device leaves to the driver is used until the process ends.
        driver_ = new SimulatedDriver(features);
        drivers().emplace_back(driver_);
        control_ = driver_->control();
    }
    static std::vector<std::unique_ptr<SimulatedDriver>>& drivers() {
        static std::vector<std::unique_ptr<SimulatedDriver>> all;
        return all;
    }
    [[nodiscard]] DeviceOptions options(const std::string& name = "vol") const {
        DeviceOptions options;
        options.name = name;
        options.uuid = Uuid::from_name("test", name);
        options.queue_depth = kDepth;
        options.io_bytes_max = 16384;
        options.state_dir = driver_->state_dir();
        options.places = driver_->places;
        return options;
    }
    Result<std::unique_ptr<Device>> start(const DeviceOptions& with) {
        return Device::start(*control_, with, {reactor_, regions_, tree_, driver_->ports()});
    }
    std::unique_ptr<Device> started() {
        auto device = start(options());
        EXPECT_TRUE(device) << device.error().what;
        return device ? std::move(*device) : nullptr;
    }
    // As if the process had been killed; for the driver there is no difference to one that left without
    // asking it.
    void die(std::unique_ptr<Device> device) {
        const std::uint32_t number = device->number();
        (void)device->leave(0s);
        device.reset();
        driver_->server_died(number);
    }
    void send(std::uint16_t tag, const abi::IoDescriptor& request) {
        reactor_.post([&] { driver_->send(0, tag, request); });
    }
    void stop(Device& device, bool force = false) {
        const auto stopped = device.stop({force, [this] { tree_.fail_all(); }, 1s});
        EXPECT_TRUE(stopped) << stopped.error().what;
    }
    void put_disk_node() { std::ofstream(driver_->places.dev + "/ublkb0") << "disk"; }
    [[nodiscard]] bool saw(std::uint32_t opcode) const {
        return std::count(driver_->commands.begin(), driver_->commands.end(), opcode) > 0;
    }
    [[nodiscard]] std::string setting(const std::string& name) const {
        std::ifstream file(driver_->places.sys_block + "/ublkb0/queue/" + name);
        std::string line;
        std::getline(file, line);
        return line;
    }
    void expect_nothing_left() {
        EXPECT_TRUE(driver_->devices.empty());
        EXPECT_EQ(driver_->traces(), std::vector<std::string>());
    }

    InlineReactor reactor_;
    RegionDirectory regions_;
    TestTree tree_{reactor_};
    SimulatedDriver* driver_ = nullptr;
    std::unique_ptr<Control> control_;
};

TEST_F(DeviceTest, is_made_serves_and_leaves_nothing) {
    use(kNewFeatures);
    auto device = started();
    EXPECT_FALSE(device->recovered());
    EXPECT_EQ(device->number(), 0U);
    SimulatedDevice& inside = driver_->devices.at(0);
    EXPECT_EQ(inside.device.state, abi::kLive);
    EXPECT_EQ(inside.device.queues, 1);
    EXPECT_EQ(inside.device.io_bytes_max, 16384U);
    EXPECT_EQ(inside.parameters.basic.device_sectors, 8000U);
    EXPECT_EQ(driver_->traces().size(), 4U) << "record, lock, udev's file, link";
    EXPECT_EQ(setting("io_timeout"), "1000");
    EXPECT_EQ(setting("scheduler"), "none");
    send(2, {abi::kWrite, 8, 0, 0});
    ASSERT_EQ(driver_->answers.size(), 1U);
    EXPECT_EQ(driver_->answers[0].result, 4096);
    EXPECT_EQ(device->status().counters.requests, 1U);
    EXPECT_EQ(device->status().memory_bytes, kDepth * (16384U + 16));
    EXPECT_EQ(Device::memory_bytes(options(), 16), kDepth * (16384U + 16));
    put_disk_node();
    stop(*device);
    EXPECT_TRUE(saw(abi::kTryStopDev));
    expect_nothing_left();
}

TEST_F(DeviceTest, an_old_kernel_gets_only_what_it_knows) {
    use(kOldFeatures);
    auto device = started();
    EXPECT_EQ(driver_->devices.at(0).device.flags,
              abi::kUserRecovery | abi::kUserRecoveryReissue | abi::kCommandIoctlEncode);
    EXPECT_NE(control_->kernel().promises().find("older than 6.16"), std::string::npos);
    put_disk_node();
    stop(*device);
    EXPECT_FALSE(saw(abi::kTryStopDev));
    expect_nothing_left();
}

TEST_F(DeviceTest, takes_the_number_it_is_told_or_says_that_it_is_taken) {
    use(kNewFeatures);
    DeviceOptions other = options("other");
    other.number = 5;
    auto first = start(other);
    ASSERT_TRUE(first);
    EXPECT_EQ((*first)->path(), driver_->places.dev + "/ublkb5");
    DeviceOptions same = options();
    same.number = 5;
    const auto second = start(same);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().what.find("taken"), std::string::npos);
    EXPECT_EQ(driver_->devices.size(), 1U);
    stop(**first, true);
    expect_nothing_left();
}

// Whichever command of a start fails, nothing stays behind and the next start succeeds.
TEST_F(DeviceTest, a_start_that_fails_anywhere_is_undone) {
    use(kOldFeatures);
    int failures = 0;
    for (int at = 0;; ++at) {
        driver_->fail_at = at;
        auto device = start(options());
        driver_->fail_at = -1;
        if (device) {
            stop(**device, true);
            break;
        }
        ++failures;
        SCOPED_TRACE(device.error().what);
        expect_nothing_left();
    }
    EXPECT_GE(failures, 3) << "ADD_DEV, SET_PARAMS, START_DEV";
    expect_nothing_left();
}

TEST_F(DeviceTest, a_fetch_that_is_refused_fails_the_start_instead_of_hanging_it) {
    use(kNewFeatures);
    driver_->fetch_error = -EINVAL;
    const auto device = start(options());
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().code, EINVAL);
    EXPECT_FALSE(saw(abi::kStartDev));
    expect_nothing_left();
}

TEST_F(DeviceTest, is_taken_over_from_a_dead_daemon) {
    for (const std::uint64_t features : {kOldFeatures, kNewFeatures}) {
        use(features);
        auto first = started();
        die(std::move(first));
        driver_->busy_recoveries = 3;
        DeviceOptions changed = options();
        changed.queue_depth = 100;
        auto second = start(changed);
        ASSERT_TRUE(second) << second.error().what;
        EXPECT_TRUE((*second)->recovered());
        EXPECT_EQ((*second)->number(), 0U);
        EXPECT_EQ(driver_->devices.size(), 1U);
        EXPECT_EQ(driver_->devices.at(0).device.state, abi::kLive);
        EXPECT_FALSE(fs::exists(driver_->state_dir() + "/vol.ublk.recovering"));
        send(kDepth - 1, {abi::kRead, 8, 0, 0});
        EXPECT_EQ(driver_->answers.back().result, 4096);
        stop(**second, true);
        expect_nothing_left();
    }
}

TEST_F(DeviceTest, is_known_again_without_its_record) {
    use(kNewFeatures);
    die(started());
    fs::remove_all(driver_->state_dir());
    auto second = started();
    EXPECT_TRUE(second->recovered());
    stop(*second, true);
}

TEST_F(DeviceTest, another_volumes_device_is_left_alone) {
    use(kNewFeatures);
    auto other = start(options("other"));
    ASSERT_TRUE(other);
    die(std::move(*other));
    auto ours = started();
    EXPECT_FALSE(ours->recovered());
    EXPECT_EQ(ours->number(), 1U);
    stop(*ours, true);
    EXPECT_EQ(driver_->devices.size(), 1U);
}

TEST_F(DeviceTest, one_of_another_size_is_not_taken_over_but_can_be_removed) {
    use(kNewFeatures);
    die(started());
    tree_.resize(2000);
    const auto second = start(options());
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().what.find("8000 sectors"), std::string::npos);
    EXPECT_EQ(driver_->devices.at(0).device.state, abi::kQuiesced);
    EXPECT_TRUE(*Device::remove_leftover(*control_, options()));
    EXPECT_FALSE(*Device::remove_leftover(*control_, options()));
    expect_nothing_left();
}

TEST_F(DeviceTest, a_take_over_cut_short_is_repeated_only_where_that_is_safe) {
    for (const std::uint64_t features : {kOldFeatures, kNewFeatures}) {
        use(features);
        die(started());
        // The second daemon dies between the two recovery commands: END_USER_RECOVERY fails and it ends.
        driver_->commands.clear();
        auto probe = control_->find(0);
        ASSERT_TRUE(probe);
        driver_->fail_at = 4;  // find, parameters, find again, begin, end
        const auto second = start(options());
        driver_->fail_at = -1;
        ASSERT_FALSE(second);
        ASSERT_TRUE(saw(abi::kEndUserRecovery)) << second.error().what;
        EXPECT_TRUE(fs::exists(driver_->state_dir() + "/vol.ublk.recovering"));
        driver_->server_died(0);
        auto third = started();
        EXPECT_EQ(third->recovered(), features == kNewFeatures);
        EXPECT_FALSE(fs::exists(driver_->state_dir() + "/vol.ublk.recovering"));
        EXPECT_EQ(driver_->devices.size(), 1U);
        stop(*third, true);
        expect_nothing_left();
    }
}

TEST_F(DeviceTest, the_mark_stands_if_the_take_over_may_have_begun) {
    use(kOldFeatures);
    die(started());
    const std::string mark = driver_->state_dir() + "/vol.ublk.recovering";
    driver_->recovery_error = EINVAL;
    EXPECT_FALSE(start(options()));
    EXPECT_FALSE(fs::exists(mark));
    driver_->recovery_error = ETIMEDOUT;
    EXPECT_FALSE(start(options()));
    EXPECT_TRUE(fs::exists(mark));
}

TEST_F(DeviceTest, a_mark_of_another_boot_means_nothing) {
    use(kOldFeatures);
    die(started());
    ASSERT_TRUE(RecordFile(driver_->state_dir(), "vol").mark_recovery(0, "boot-0"));
    auto second = started();
    EXPECT_TRUE(second->recovered());
    stop(*second, true);
}

TEST_F(DeviceTest, one_half_made_is_removed_and_made_anew) {
    use(kNewFeatures);
    ASSERT_TRUE(control_->add(3, kDepth, 16384, (die(started()), driver_->devices.at(0).device.server_tag)));
    auto second = started();
    EXPECT_TRUE(second->recovered());
    EXPECT_EQ(driver_->devices.size(), 1U) << "number 3 never started";
    stop(*second, true);
}

TEST_F(DeviceTest, a_live_one_is_not_touched) {
    use(kNewFeatures);
    auto first = started();
    DeviceOptions impatient = options();
    impatient.lock_limit = 0s;
    const auto second = start(impatient);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EBUSY);
    EXPECT_EQ(driver_->devices.at(0).device.state, abi::kLive);
    stop(*first, true);
}

TEST_F(DeviceTest, stop_refuses_while_somebody_uses_the_disk) {
    use(kNewFeatures);
    auto device = started();
    put_disk_node();
    const std::string mounts = driver_->places.proc + "/self/mountinfo";
    std::ofstream(mounts) << "36 35 0:40 / /proc rw - proc proc rw\n"
                          << "50 35 259:1 / /srv/data rw shared:1 - ext4 " << device->path() << "p1 rw\n";
    auto stopped = device->stop({});
    ASSERT_FALSE(stopped);
    EXPECT_NE(stopped.error().what.find("is mounted on /srv/data"), std::string::npos)
        << stopped.error().what;
    fs::remove(mounts);

    fs::create_directories(driver_->places.sys_block + "/ublkb0/holders/dm-3");
    stopped = device->stop({});
    ASSERT_FALSE(stopped);
    EXPECT_NE(stopped.error().what.find("held by dm-3"), std::string::npos);
    fs::remove_all(driver_->places.sys_block);

    fs::create_directories(driver_->places.proc + "/42/fd");
    std::ofstream(driver_->places.proc + "/42/comm") << "reader\n";
    fs::create_symlink(device->path(), driver_->places.proc + "/42/fd/3");
    stopped = device->stop({});
    ASSERT_FALSE(stopped);
    EXPECT_NE(stopped.error().what.find("open in process 42 (reader)"), std::string::npos);
    fs::remove_all(driver_->places.proc + "/42");

    driver_->devices.at(0).openers = 1;  // one that /proc does not show
    EXPECT_FALSE(device->stop({}));
    driver_->devices.at(0).openers = 0;
    send(0, {abi::kRead, 8, 0, 0});
    EXPECT_EQ(driver_->answers.back().result, 4096) << "it serves on";
    stop(*device);
    expect_nothing_left();
}

TEST_F(DeviceTest, stop_by_force_fails_what_is_held_and_what_comes) {
    use(kOldFeatures);
    auto device = started();
    tree_.keep = true;
    send(0, {abi::kRead, 8, 0, 0});
    send(1, {abi::kWrite, 8, 0, 0});
    put_disk_node();
    const auto refused = device->stop({});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("2 requests that wait"), std::string::npos) << refused.error().what;
    EXPECT_EQ(device->status().held, 2U);
    stop(*device, true);
    ASSERT_EQ(driver_->answers.size(), 2U);
    EXPECT_EQ(driver_->answers[0].result, -ENOLINK);
    EXPECT_EQ(driver_->answers[1].result, -ENOLINK);
    expect_nothing_left();
}

TEST_F(DeviceTest, a_forced_stop_that_the_tree_will_not_follow_ends_at_the_next_start) {
    use(kNewFeatures);
    auto device = started();
    tree_.keep = true;
    send(0, {abi::kRead, 8, 0, 0});
    ASSERT_FALSE(device->stop({true, [] {}, 0s}));
    EXPECT_FALSE(saw(abi::kStopDev)) << "it would wait for ever";
    send(1, {abi::kRead, 8, 0, 0});
    EXPECT_EQ(driver_->answers.back().result, -EIO) << "refused";
    // The process is killed; its tree with it.
    reactor_.post([&] { tree_.fail_all(); });
    tree_.keep = false;
    die(std::move(device));
    auto second = started();
    EXPECT_FALSE(second->recovered());
    EXPECT_EQ(driver_->devices.size(), 1U);
    stop(*second, true);
    expect_nothing_left();
}

TEST_F(DeviceTest, leaving_keeps_the_disk_for_the_next_daemon) {
    for (const std::uint64_t features : {kOldFeatures, kNewFeatures}) {
        use(features);
        auto device = started();
        EXPECT_TRUE(device->leave(1s));
        EXPECT_EQ(saw(abi::kQuiesceDev), features == kNewFeatures);
        device.reset();
        if (features == kOldFeatures) {
            // What still arrives before the process ends is for the next one.
            send(0, {abi::kWrite, 8, 0, 0});
            EXPECT_TRUE(driver_->answers.empty());
            EXPECT_EQ(driver_->busy(0), 1U);
        }
        driver_->server_died(0);
        auto second = started();
        EXPECT_TRUE(second->recovered());
        stop(*second, true);
    }
}

TEST(Control, says_what_to_do_about_a_kernel_too_old) {
    SimulatedDriver driver(0x1e);
    class Refusing final : public ControlPort {
        Result<int> run(std::uint32_t, const abi::ControlCommand&, Duration) override {
            return fail_errno("refused", code);
        }

      public:
        explicit Refusing(int with) : code(with) {}
        int code;
    };
    const auto old = Control::open(std::make_unique<Refusing>(EOPNOTSUPP), "6.1.0");
    ASSERT_FALSE(old);
    EXPECT_NE(old.error().what.find("use a kernel >= 6.12"), std::string::npos);
    const auto user = Control::open(std::make_unique<Refusing>(EPERM), "6.12.0");
    ASSERT_FALSE(user);
    EXPECT_NE(user.error().what.find("run as root"), std::string::npos);
}

}  // namespace
}  // namespace weft::ublk::test
