// SPDX-License-Identifier: Apache-2.0
// What a machine without RDMA is told. With a device there is more to see: tests/system/verbs_smoke.
#include "common/verbs/fabric.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/manual_executor.h"

namespace weft::verbs {
namespace {

class NoSleeper final : public reactor::Sleeper {
  public:
    bool poll() override { return false; }
    bool arm() override { return true; }
    void disarm() override {}
    void sleep(Duration) override {}
    void watch(int, Watch&) override {}
    void ignore(int) override {}
};

bool has_devices() {
    std::error_code error;
    const std::filesystem::directory_iterator devices("/sys/class/infiniband", error);
    return !error && devices != std::filesystem::directory_iterator();
}

TEST(Fabric, SaysHowToMakeADevice) {
    if (has_devices()) GTEST_SKIP() << "this machine has RDMA devices";
    test::ManualExecutor executor;
    NoSleeper sleeper;
    const auto fabric = Fabric::create(executor, sleeper);
    ASSERT_FALSE(fabric);
    EXPECT_NE(fabric.error().what.find("no RDMA device"), std::string::npos);
    EXPECT_NE(fabric.error().what.find("rdma link add"), std::string::npos);
    EXPECT_NE(fabric.error().what.find("modprobe rdma_rxe"), std::string::npos);
    const auto probed = probe();
    ASSERT_FALSE(probed);
    EXPECT_EQ(probed.error().what, fabric.error().what);
}

TEST(Fabric, NamesTheDevicesThereAre) {
    if (!has_devices()) GTEST_SKIP() << "this machine has no RDMA device";
    const auto probed = probe("no_such_device");
    ASSERT_FALSE(probed);
    EXPECT_NE(probed.error().what.find("no_such_device; there are: "), std::string::npos);
}

}  // namespace
}  // namespace weft::verbs
