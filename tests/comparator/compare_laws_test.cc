// SPDX-License-Identifier: Apache-2.0
//
// Laws over generated JSON values: nothing differs from itself however it is spelled, swapped sides
// mirror, a shuffle under `unordered` is covered, and an injected edit is found, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "comparator/compare.h"
#include "core/json/json_writer.h"
#include "core/json/value.h"
#include "tests/support/comparison_laws.h"

namespace banyan::comparator {
namespace {

using json::Value;
using Type = Value::Type;

constexpr int kCases = 2000;
constexpr unsigned kDefaultSeed = 20261123;

unsigned seed() {
  const char* given = std::getenv("BANYAN_TEST_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : kDefaultSeed;
}

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t end) { return random_() % end; }

  Value value(int depth) {
    Value out;
    switch (below(depth > 0 ? 7 : 5)) {
      case 0: break;
      case 1:
        out.type = Type::kBool;
        out.boolean = below(2) == 0;
        break;
      case 2:
      case 3: return number(static_cast<int>(below(2000)) - 1000);
      case 4: return text("s" + std::to_string(below(50)) + (below(4) == 0 ? "é\"\n" : ""));
      case 5:
        out.type = Type::kArray;
        for (std::size_t i = below(5); i > 0; --i) out.items.push_back(value(depth - 1));
        break;
      default: return object(depth);
    }
    return out;
  }

  Value object(int depth) {
    Value out;
    out.type = Type::kObject;
    for (std::size_t i = 0, n = below(5); i < n; ++i) {
      out.members.emplace_back("m" + std::to_string(i), value(depth - 1));
    }
    return out;
  }

  Value number(int number) {
    Value out = Value::of_type(Type::kNumber);
    out.text = std::to_string(number);
    return out;
  }
  Value text(std::string text) { return Value::of_text(std::move(text)); }

  // Another spelling of the same meaning.
  std::string respelled(const Value& value) {
    Value copy = value;
    respell(copy);
    std::string out;
    json::write(copy, out);
    std::string spaced = below(2) == 0 ? " \n" : "";
    return spaced + out + spaced;
  }

  void shuffle(std::vector<Value>& items) { std::shuffle(items.begin(), items.end(), random_); }

 private:
  void respell(Value& value) {
    if (value.type == Type::kNumber && below(2) == 0) value.text += below(2) == 0 ? ".0" : "e0";
    for (Value& item : value.items) respell(item);
    for (auto& member : value.members) respell(member.second);
    std::shuffle(value.members.begin(), value.members.end(), random_);
  }

  std::mt19937 random_;
};

std::string written(const Value& value) {
  std::string out;
  json::write(value, out);
  return out;
}

Comparison compare_json(const CompiledRules& rules, std::string_view legacy,
                        std::string_view candidate) {
  constexpr std::string_view kType = "application/json";
  return compare_answers(rules, "r", "GET", answer_of(kType, legacy), answer_of(kType, candidate));
}

std::shared_ptr<const CompiledRules> rules_of(CompareRuleOptions rule) {
  ComparatorOptions options;
  options.rules.push_back(std::move(rule));
  return *CompiledRules::compile(options);
}

// How often each (path, kind) comes, with the sides swapped if asked.
std::map<std::string, int> tally(const Comparison& comparison, bool is_swapped) {
  std::map<std::string, int> out;
  for (const auto& found : comparison.differences) {
    // A rename is one from either side, told at the legacy name.
    if (found.transition.rfind("renamed→", 0) == 0) {
      ++out["renamed " + found.legacy];
      continue;
    }
    DifferenceKind kind = found.kind;
    if (is_swapped && kind == DifferenceKind::kMissing)
      kind = DifferenceKind::kExtra;
    else if (is_swapped && kind == DifferenceKind::kExtra)
      kind = DifferenceKind::kMissing;
    ++out[found.path + " " + std::string(to_string(kind))];
  }
  return out;
}

TEST(CompareLawTest, NothingDiffersFromItselfHoweverSpelled) {
  const unsigned start = seed();
  SCOPED_TRACE("seed " + std::to_string(start));
  Generator generator(start);
  const auto rules = rules_of({});
  for (int i = 0; i < kCases; ++i) {
    const Value value = generator.value(4);
    const std::string text = written(value);
    const std::string other = generator.respelled(value);
    ASSERT_EQ(compare_json(*rules, text, other).verdict, Verdict::kEqual) << text << "\n" << other;
  }
}

TEST(CompareLawTest, SwappedSidesMirror) {
  const unsigned start = seed();
  SCOPED_TRACE("seed " + std::to_string(start));
  Generator generator(start);
  const auto bare = rules_of({});
  const auto ruled = rules_of({{}, {"body:$..m1"}, {{"body:**", ""}}, {{"body:**", 5, 0}}});
  CompareRuleOptions operations;
  operations.unordered = {{"body:$..m2", ""}};
  operations.operations = {{"type", "body:$..m2"},     {"presence", "body:$..m3"},
                           {"shape", "body:**"},       {"coerce", "body:$..m4"},
                           {"ignore_all", "body:$.*"}, {"null_eq_absent", "body:**"}};
  const auto operated = rules_of(operations);
  for (int i = 0; i < kCases; ++i) {
    const std::string a = written(generator.value(4));
    const std::string b = written(generator.value(4));
    for (const auto& rules : {bare, ruled, operated}) {
      const Comparison there = compare_json(*rules, a, b);
      const Comparison back = compare_json(*rules, b, a);
      ASSERT_EQ(there.verdict, back.verdict) << a << "\n" << b;
      ASSERT_EQ(tally(there, true), tally(back, false)) << a << "\n" << b;
    }
  }
}

TEST(CompareLawTest, AShuffleUnderUnorderedIsCovered) {
  const unsigned start = seed();
  SCOPED_TRACE("seed " + std::to_string(start));
  Generator generator(start);
  const auto bare = rules_of({});
  const auto rules = rules_of({{}, {}, {{"body:$", ""}}, {}});
  int moved = 0;
  for (int i = 0; i < kCases; ++i) {
    Value list;
    list.type = Type::kArray;
    for (std::size_t k = 0; k < 6; ++k) list.items.push_back(generator.value(2));
    const std::string before = written(list);
    generator.shuffle(list.items);
    const std::string after = written(list);
    const Verdict plain = compare_json(*bare, before, after).verdict;
    ASSERT_EQ(compare_json(*rules, before, after).verdict,
              plain == Verdict::kEqual ? Verdict::kEqual : Verdict::kTolerated)
        << before << "\n"
        << after;
    if (plain == Verdict::kDifferent) ++moved;
  }
  EXPECT_GT(moved, kCases / 2);
}

// Records that look like an API's: a list of items with ids and a few leaves.
TEST(CompareLawTest, AnInjectedEditIsFoundAndNothingElse) {
  const unsigned start = seed();
  SCOPED_TRACE("seed " + std::to_string(start));
  Generator generator(start);
  const auto rules = rules_of({});
  for (int i = 0; i < kCases; ++i) {
    Value list;
    list.type = Type::kArray;
    for (int k = 0, n = 2 + static_cast<int>(generator.below(8)); k < n; ++k) {
      Value& item = list.items.emplace_back(generator.object(2));
      item.members.emplace_back("id", generator.number(k + 1));
      item.members.emplace_back("price", generator.number(k * 7));
    }
    Value root;
    root.type = Type::kObject;
    root.members.emplace_back("items", list);
    const std::string before = written(root);
    auto& items = root.members[0].second.items;
    const std::size_t at = generator.below(items.size());
    Value& price = items[at].members.back().second;
    const std::string index = std::to_string(at);
    std::string path, kind, where;
    switch (generator.below(5)) {
      case 0:
        price = generator.number(100'000);
        path = "body:$.items[].price", kind = "value", where = "body:$.items[" + index + "].price";
        break;
      case 1:
        price = generator.text(price.text);
        path = "body:$.items[].price", kind = "type", where = "body:$.items[" + index + "].price";
        break;
      case 2:
        items[at].members.pop_back();
        path = "body:$.items[].price", kind = "missing",
        where = "body:$.items[" + index + "].price";
        break;
      case 3:
        items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
        path = "body:$.items[]", kind = "missing", where = "body:$.items[" + index + "]";
        break;
      default:
        std::swap(items[0], items[1]);
        path = "body:$.items", kind = "order", where = "body:$.items";
    }
    const Comparison got = compare_json(*rules, before, generator.respelled(root));
    ASSERT_EQ(got.differences.size(), 1U) << before << "\n" << written(root);
    EXPECT_EQ(got.differences[0].path, path);
    EXPECT_EQ(got.differences[0].at, where);
    EXPECT_EQ(to_string(got.differences[0].kind), kind);
    EXPECT_EQ(got.verdict, Verdict::kDifferent);
  }
}

// Records without a key: one leaf is changed and the item moved.
TEST(CompareLawTest, AnItemThatMovedAndChangedIsFoundAndNothingElse) {
  const unsigned start = seed();
  SCOPED_TRACE("seed " + std::to_string(start));
  Generator generator(start);
  const auto rules = rules_of({});
  for (int i = 0; i < kCases / 4; ++i) {
    Value list;
    list.type = Type::kArray;
    const std::size_t count = 3 + generator.below(30);
    for (std::size_t k = 0; k < count; ++k) {
      Value& item = list.items.emplace_back(Value::of_type(Type::kObject));
      item.members.emplace_back("day", generator.number(static_cast<int>(k * 3)));
      item.members.emplace_back("amount", generator.number(static_cast<int>(generator.below(9))));
      item.members.emplace_back("state", generator.text("s" + std::to_string(k % 3)));
      item.members.emplace_back("note", generator.text("n" + std::to_string(k)));
    }
    const std::string before = written(list);
    const std::size_t from = generator.below(count);
    std::size_t to = generator.below(count);
    while (to == from) to = generator.below(count);
    Value moved = list.items[from];
    moved.members[generator.below(4)].second = generator.number(100'000);
    list.items.erase(list.items.begin() + static_cast<std::ptrdiff_t>(from));
    list.items.insert(list.items.begin() + static_cast<std::ptrdiff_t>(to), moved);
    const Comparison got = compare_json(*rules, before, generator.respelled(list));
    ASSERT_EQ(got.differences.size(), 2U) << before << "\n" << written(list);
    EXPECT_EQ(to_string(got.differences[0].kind), "order");
    EXPECT_TRUE(got.differences[1].at.starts_with("body:$[" + std::to_string(from) + "]."));
  }
}

}  // namespace
}  // namespace banyan::comparator
