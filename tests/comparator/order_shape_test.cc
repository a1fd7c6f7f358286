// SPDX-License-Identifier: Apache-2.0
#include "comparator/order_shape.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "comparator/noise_sides.h"

namespace banyan::comparator {
namespace {

TEST(OrderShapeTest, TellsHowTheItemsStand) {
  const std::pair<const char*, const char*> kCases[] = {
      {"[1,2,10]", "ascending"},
      {"[10,9.5,-1]", "descending"},
      {R"(["a","b","b"])", "ascending"},
      {R"(["b","a","c"])", "ranks 2-1-3"},
      {R"(["red","green","blue","gold"])", "ranks 4-3-1-2"},
      {R"(["b","b","a"])", "descending"},
      {R"(["b","a","b"])", "ranks 2-1-2"},
      {"[4,3,1,2,0]", "ranks 4-3-1-2"},
      {R"([{"id":2,"a":[1,2]},{"a":1,"id":1}])", "descending"},
      {R"([{"id":2,"name":"a"},{"name":"b"}])", "ascending"},  // by name, which both have
      // Cut: by the items that are whole.
      {R"(["a","b","c…)", "ascending"},
      {R"([{"id":1},{"id":2},{"id":…)", "ascending"},
      {R"(["a]\",[","b"])", "ascending"},
      // Nothing to be told.
      {"", ""},
      {"[", ""},
      {"[]", ""},
      {"[1]", ""},
      {R"(["a…)", ""},
      {R"([1,"a"])", ""},
      {"[true,false]", ""},
      {"[[1],[2]]", ""},
      {R"([{"a":1},{"a":2}])", ""},
      {"12 items", ""},
      {"[1,2}", ""}};
  for (const auto& [shown, shape] : kCases) EXPECT_EQ(order_shape(shown), shape) << shown;
}

TEST(OrderShapeTest, OrdersOfFourAreNoMoreThanATallyHolds) {
  std::vector<std::string> items = {"1", "2", "3", "4", "5"};
  std::set<std::string> shapes;
  do {
    std::string shown = "[";
    for (const std::string& item : items) shown += (shown.size() > 1 ? "," : "") + item;
    shapes.insert(order_shape(shown + "]"));
  } while (std::next_permutation(items.begin(), items.end()));
  // The sorted ones have names of their own, and others begin as they do.
  EXPECT_EQ(shapes.size(), 26U);
  EXPECT_LT(shapes.size(), ShapeTally::kShapesMax);
}

TEST(OrderShapeTest, TakesAnyBytes) {
  std::mt19937_64 random(7);
  constexpr std::string_view kParts = "[]{}\",:\\a1…";
  for (int i = 0; i < 5000; ++i) {
    std::string text = "[";
    for (std::size_t size = random() % 30; size > 0; --size) {
      text.push_back(kParts[random() % kParts.size()]);
    }
    EXPECT_LE(order_shape(text).size(), 20U) << text;
  }
}

}  // namespace
}  // namespace banyan::comparator
