// SPDX-License-Identifier: Apache-2.0
#include "replay/stage_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace banyan::replay {
namespace {

struct InLine {
  Link<InLine> link;
  LinePlace place;
};
using Line = StageLine<InLine, &InLine::link>;

std::vector<LineKey> drained(Line& line) {
  std::vector<LineKey> keys;
  while (!line.empty()) {
    InLine& item = *line.front();
    keys.push_back(item.place.key);
    line.erase(item);
  }
  return keys;
}

TEST(StageLineTest, LateItemsComeOutInTheOrderOfTheirKeys) {
  InLine items[4];
  Line line;
  line.insert(items[0], {5, 1});
  line.insert(items[1], {7, 2});
  line.insert(items[2], {6, 3});
  line.insert(items[3], {5, 0});
  EXPECT_EQ(line.size(), 4U);
  EXPECT_EQ(drained(line), (std::vector<LineKey>{{5, 0}, {5, 1}, {6, 3}, {7, 2}}));
  EXPECT_EQ(line.front(), nullptr);
  EXPECT_EQ(line.size(), 0U);
}

TEST(StageLineTest, AnItemMovesToAnotherLine) {
  InLine item, other;
  Line from, to;
  from.insert(item, {1, 1});
  from.insert(other, {1, 2});
  from.erase(item);
  to.insert(item, {9, 1});
  EXPECT_EQ(from.front(), &other);
  EXPECT_EQ(to.front(), &item);
}

TEST(StageLineTest, BehavesLikeAMap) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::vector<InLine> items(200);
  std::map<LineKey, InLine*> expected;
  Line line;
  std::vector<InLine*> out;
  for (InLine& item : items) out.push_back(&item);
  for (std::uint64_t step = 0; step < 20'000; ++step) {
    const bool puts_in = expected.empty() || (!out.empty() && random() % 2 == 0);
    if (puts_in) {
      InLine& item = *out.back();
      out.pop_back();
      const LineKey key{static_cast<std::int64_t>(step / 50 + random() % 8), step};
      line.insert(item, key);
      expected.emplace(key, &item);
    } else {
      auto found = expected.begin();
      std::advance(found, static_cast<std::ptrdiff_t>(random() % expected.size()));
      line.erase(*found->second);
      out.push_back(found->second);
      expected.erase(found);
    }
    ASSERT_EQ(line.size(), expected.size());
    ASSERT_EQ(line.front(), expected.empty() ? nullptr : expected.begin()->second);
  }
  std::size_t seen = 0;
  line.for_each([&](const InLine& item) { seen += expected.count(item.place.key); });
  EXPECT_EQ(seen, expected.size());
}

}  // namespace
}  // namespace banyan::replay
