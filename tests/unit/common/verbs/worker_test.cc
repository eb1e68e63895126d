// SPDX-License-Identifier: Apache-2.0
#include "common/verbs/worker.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

namespace weft::verbs {
namespace {

TEST(Worker, RunsJobsInOrderElsewhere) {
    Worker worker;
    std::vector<int> ran;
    std::promise<std::thread::id> done;
    for (int i = 0; i < 10; ++i) worker.submit([&ran, i] { ran.push_back(i); });
    worker.submit([&done] { done.set_value(std::this_thread::get_id()); });
    EXPECT_NE(done.get_future().get(), std::this_thread::get_id());
    EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Worker, FinishesTheJobItRunsAndDropsTheRest) {
    std::promise<void> begun;
    std::promise<void> go_on;
    bool first = false;
    const auto token = std::make_shared<int>(0);
    std::thread releaser;
    {
        Worker worker;
        worker.submit([&] {
            begun.set_value();
            go_on.get_future().wait();
            first = true;
        });
        worker.submit([token] {});
        begun.get_future().wait();
        releaser = std::thread([&] { go_on.set_value(); });
    }
    releaser.join();
    EXPECT_TRUE(first);
    EXPECT_EQ(token.use_count(), 1);
}

TEST(Worker, StartsNoThreadWithoutAJob) { const Worker worker; }

}  // namespace
}  // namespace weft::verbs
