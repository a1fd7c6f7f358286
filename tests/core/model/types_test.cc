// SPDX-License-Identifier: Apache-2.0
#include "core/model/types.h"

#include <gtest/gtest.h>

#include "core/model/record_io.h"

namespace banyan {
namespace {

TEST(TypesTest, ReasonsAreSpelledAsTheContractSays) {
  const std::string_view skipped[] = {"sampled",         "write",          "stale",
                                      "primary_refused", "primary_failed", "primary_unknown",
                                      "not_forwarded",   "client_aborted", "upgrade",
                                      "body_too_large",  "route_off"};
  for (const auto name : skipped) {
    const auto reason = parse_skip_reason(name);
    ASSERT_TRUE(reason) << name;
    EXPECT_EQ(to_string(*reason), name);
    EXPECT_FALSE(is_drop(*reason)) << name;
  }
  for (const std::string_view name : {"queue_full", "retention", "gap", "erased"}) {
    const auto reason = parse_skip_reason(name);
    ASSERT_TRUE(reason) << name;
    EXPECT_EQ(to_string(*reason), name);
    EXPECT_TRUE(is_drop(*reason)) << name;
  }
  EXPECT_FALSE(parse_skip_reason("Sampled"));
}

TEST(TypesTest, NamesGoBothWays) {
  for (const auto value : {System::kLegacy, System::kCandidate}) {
    EXPECT_EQ(parse_system(to_string(value)), value);
  }
  for (const auto value :
       {Durability::kNone, Durability::kInterval, Durability::kResponse, Durability::kRequest}) {
    EXPECT_EQ(parse_durability(to_string(value)), value);
  }
  for (const auto value : {RecordMode::kFull, RecordMode::kHead, RecordMode::kOff}) {
    EXPECT_EQ(parse_record_mode(to_string(value)), value);
  }
  for (const auto value : {OnFailure::kFailOpen, OnFailure::kFailClosed}) {
    EXPECT_EQ(parse_on_failure(to_string(value)), value);
  }
  for (const auto value :
       {Verdict::kEqual, Verdict::kTolerated, Verdict::kDifferent, Verdict::kIncomparable}) {
    EXPECT_EQ(parse_verdict(to_string(value)), value);
  }
  for (const std::string_view name : {"missing", "extra", "value", "type", "order", "length",
                                      "encoding", "no_answer", "unparseable", "status"}) {
    const auto kind = parse_difference_kind(name);
    ASSERT_TRUE(kind) << name;
    EXPECT_EQ(to_string(*kind), name);
  }
}

TEST(CursorTest, TextGoesBothWays) {
  model::Cursor cursor;
  cursor.set("main", Offset{1234});
  cursor.set("compare", Offset{17});
  EXPECT_EQ(cursor.to_string(), "compare:17,main:1234");
  EXPECT_EQ(*model::Cursor::parse(cursor.to_string()), cursor);
  EXPECT_EQ(model::Cursor::parse("main:1234,compare:17")->to_string(), cursor.to_string());
  EXPECT_EQ(cursor.next_of("main").value, 1234U);
  EXPECT_EQ(cursor.next_of("other").value, 0U);
  cursor.set("main", Offset{5});
  EXPECT_EQ(cursor.next_of("main").value, 5U);
  EXPECT_TRUE(model::Cursor::parse("")->places.empty());
  for (const char* bad : {"main", "main:", ":1", "main:x", "MAIN:1", "main:1,", "a b:1", "main:-1",
                          "main:99999999999999999999"}) {
    EXPECT_FALSE(model::Cursor::parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace banyan
