// SPDX-License-Identifier: Apache-2.0
#include "common/core/intrusive_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace weft {
namespace {

struct Item : ListNode {
    int number = 0;
};

std::vector<int> numbers(IntrusiveList<Item>& list) {
    std::vector<int> result;
    list.for_each([&](Item& item) { result.push_back(item.number); });
    return result;
}

TEST(IntrusiveListTest, behaves_like_a_vector) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 chance(seed);
        std::vector<Item> items(20);
        for (std::size_t i = 0; i < items.size(); ++i) items[i].number = static_cast<int>(i);
        IntrusiveList<Item> list;
        std::vector<int> oracle;
        for (int step = 0; step < 500; ++step) {
            Item& item = items[chance() % items.size()];
            if (item.linked()) {
                list.remove(item);
                std::erase(oracle, item.number);
            } else if (chance() % 2 == 0) {
                list.push_back(item);
                oracle.push_back(item.number);
            } else {
                list.push_front(item);
                oracle.insert(oracle.begin(), item.number);
            }
            ASSERT_EQ(numbers(list), oracle);
            ASSERT_EQ(list.size(), oracle.size());
            ASSERT_EQ(list.empty(), oracle.empty());
        }
        while (!list.empty()) {
            ASSERT_EQ(list.front().number, oracle.front());
            list.pop_front();
            oracle.erase(oracle.begin());
        }
        for (const Item& item : items) ASSERT_FALSE(item.linked());
    }
}

TEST(IntrusiveListTest, append_moves_all_and_for_each_may_remove) {
    std::vector<Item> items(6);
    IntrusiveList<Item> first;
    IntrusiveList<Item> second;
    for (std::size_t i = 0; i < items.size(); ++i) {
        items[i].number = static_cast<int>(i);
        (i < 3 ? first : second).push_back(items[i]);
    }
    first.append(second);
    EXPECT_TRUE(second.empty());
    EXPECT_EQ(numbers(first), (std::vector<int>{0, 1, 2, 3, 4, 5}));
    first.for_each([&](Item& item) {
        if (item.number % 2 == 0) first.remove(item);
    });
    EXPECT_EQ(numbers(first), (std::vector<int>{1, 3, 5}));
    first.for_each([&](Item& item) { first.remove(item); });
    EXPECT_TRUE(first.empty());
}

TEST(IntrusiveListDeathTest, checks_its_rules) {
    EXPECT_DEATH(
        {
            IntrusiveList<Item> list;
            Item item;
            list.push_back(item);
            list.push_back(item);
        },
        "linked");
    EXPECT_DEATH({ IntrusiveList<Item>().pop_front(); }, "empty");
    EXPECT_DEATH(
        {
            Item item;
            IntrusiveList<Item>().push_back(item);
        },
        "empty");
}

}  // namespace
}  // namespace weft
