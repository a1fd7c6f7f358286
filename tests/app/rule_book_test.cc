// SPDX-License-Identifier: Apache-2.0
#include "app/rule_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/memory_file_system.h"

namespace banyan::app {
namespace {

using comparator::SavedRule;

SavedRule ignoring(std::string path) {
  SavedRule rule;
  rule.rule.ignore = {std::move(path)};
  rule.rule.reason = "because";
  rule.by = "ada";
  return rule;
}

class RuleBookTest : public testing::Test {
 protected:
  std::unique_ptr<RuleBook> open() {
    auto book = RuleBook::open(files_, "d", {});
    EXPECT_TRUE(book.ok());
    return *std::move(book);
  }
  support::MemoryFileSystem files_;
};

TEST_F(RuleBookTest, WhatIsSavedIsInForceAndStays) {
  std::string id;
  std::uint64_t version = 0;
  {
    const auto book = open();
    std::vector<RuleBook::Rules> published;
    book->set_publish([&](const RuleBook::Rules& rules) { published.push_back(rules); });
    const auto added = book->add(ignoring("body:$.a"));
    ASSERT_TRUE(added.ok());
    id = added->rule.id;
    ASSERT_EQ(published.size(), 1U);
    EXPECT_EQ(published[0]->version(), book->in_force().version);
    EXPECT_FALSE(book->add(ignoring("body:x")).ok());
    EXPECT_EQ(published.size(), 1U);
    version = book->in_force().version;
  }
  const auto book = open();
  EXPECT_EQ(book->in_force().version, version);
  comparator::ComparatorOptions config;
  config.rules.emplace_back().ignore = {"status"};
  book->replace_config(config);
  EXPECT_NE(book->in_force().version, version);
  EXPECT_EQ(book->in_force().saved.size(), 1U);
  EXPECT_EQ(book->remove("r-none", "ada").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(book->remove(id, "ada").ok());
  EXPECT_TRUE(open()->in_force().saved.empty());
}

TEST_F(RuleBookTest, ADamagedFileHidesNothingAndIsNotOverwritten) {
  ASSERT_TRUE(open()->add(ignoring("body:$.a")).ok());
  const std::string good = *files_.read_file("d/state/rules", 1 << 20);
  ASSERT_TRUE(files_.write_file_atomically("d/state/rules", good.substr(0, 30)).ok());
  const auto book = open();
  EXPECT_THAT(book->problem(), testing::HasSubstr("saved rules are not in force"));
  EXPECT_TRUE(book->in_force().saved.empty());
  EXPECT_EQ(book->add(ignoring("body:$.b")).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(*files_.read_file("d/state/rules", 1 << 20), good.substr(0, 30));
  // Mended, it is read with the next reload.
  ASSERT_TRUE(files_.write_file_atomically("d/state/rules", good).ok());
  book->replace_config({});
  EXPECT_EQ(book->problem(), "");
  EXPECT_EQ(book->in_force().saved.size(), 1U);
}

TEST_F(RuleBookTest, ADiskThatRefusesLeavesAllAsItWas) {
  const auto book = open();
  ASSERT_TRUE(book->add(ignoring("body:$.a")).ok());
  const std::uint64_t version = book->in_force().version;
  files_.fail_any_change(1, ENOSPC);
  EXPECT_FALSE(book->add(ignoring("body:$.b")).ok());
  EXPECT_EQ(book->in_force().version, version);
  EXPECT_EQ(book->in_force().saved.size(), 1U);
  files_.clear_failures();
  EXPECT_TRUE(book->add(ignoring("body:$.b")).ok());
}

TEST_F(RuleBookTest, TheMostThereMayBeIsABound) {
  const auto book = open();
  std::vector<SavedRule> rules;
  for (std::size_t i = 0; i < comparator::kSavedRulesMax; ++i) {
    rules.push_back(ignoring("body:$.a" + std::to_string(i)));
    comparator::name_rule(rules.back(), {});
  }
  ASSERT_TRUE(comparator::write_saved_rules(files_, "d", rules).ok());
  const auto full = open();
  EXPECT_EQ(full->in_force().saved.size(), comparator::kSavedRulesMax);
  EXPECT_EQ(full->add(ignoring("body:$.b")).error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace banyan::app
