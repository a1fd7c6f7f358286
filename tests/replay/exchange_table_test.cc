// SPDX-License-Identifier: Apache-2.0
#include "replay/exchange_table.h"

#include <gtest/gtest.h>

#include <deque>

namespace banyan::replay {
namespace {

struct Item {
  ExchangeId exchange;
  Item* chained = nullptr;
};

TEST(ExchangeTableTest, FindsWhatIsInAndNothingElse) {
  constexpr std::uint64_t kItems = 5000;  // past several doublings
  std::deque<Item> items;
  ExchangeTable<Item> table;
  EXPECT_EQ(table.find(ExchangeId::make(1, Epoch{1}, 0, 0)), nullptr);
  for (std::uint64_t i = 0; i < kItems; ++i) {
    const auto lane = static_cast<std::uint16_t>(i % 3);
    table.insert(items.emplace_back(Item{ExchangeId::make(1, Epoch{7}, lane, i)}));
  }
  EXPECT_EQ(table.size(), kItems);
  for (std::uint64_t i = 0; i < kItems; i += 2) table.erase(items[i]);
  EXPECT_EQ(table.size(), kItems / 2);
  for (std::uint64_t i = 0; i < kItems; ++i) {
    EXPECT_EQ(table.find(items[i].exchange), i % 2 == 0 ? nullptr : &items[i]);
  }
  for (std::uint64_t i = 1; i < kItems; i += 2) table.erase(items[i]);
  EXPECT_TRUE(table.empty());
  table.insert(items[0]);
  EXPECT_EQ(table.find(items[0].exchange), &items[0]);
}

}  // namespace
}  // namespace banyan::replay
