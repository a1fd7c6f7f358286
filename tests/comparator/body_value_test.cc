// SPDX-License-Identifier: Apache-2.0
//
// The table tests/cases/compare_forms.json: forms, multipart, JSON lines and events.
#include "comparator/body_value.h"

#include <gtest/gtest.h>

#include <string>

#include "comparator/body_diff.h"
#include "comparator/compare.h"
#include "tests/comparator/case_table.h"

namespace banyan::comparator {
namespace {

TEST(BodyValueTest, JudgesEveryCaseOfTheTable) { BodyCases("").check("compare_forms.json", 50); }

TEST(BodyValueTest, PartsThatAreNoTextAreToldApart) {
  const std::string type = "multipart/form-data; boundary=x";
  const auto body = [](std::string_view content) {
    return "--x\r\nContent-Disposition: form-data; name=f\r\n\r\n" + std::string(content) +
           "\r\n--x--\r\n";
  };
  const auto one = read_value(BodyForm::kMultipart, body("\xff\x01"), type);
  const auto same = read_value(BodyForm::kMultipart, body("\xff\x01"), type);
  const auto other = read_value(BodyForm::kMultipart, body("\xff\x02"), type);
  ASSERT_TRUE(one.ok() && same.ok() && other.ok());
  const auto content = [](const Result<Value>& value) {
    return std::string(value->find("f")->string_or("content", ""));
  };
  EXPECT_EQ(content(one), content(same));
  EXPECT_NE(content(one), content(other));
}

TEST(BodyValueTest, ValuesHaveABound) {
  // The list of lines and the array in its only line count as well.
  std::string at = "[1";
  for (std::size_t i = 0; i < kJsonNodesMax - 3; ++i) at += ",1";
  at += "]\n";
  EXPECT_TRUE(read_value(BodyForm::kLines, at, "").ok());
  const auto past = read_value(BodyForm::kLines, at + "1\n", "");
  ASSERT_FALSE(past.ok());
  EXPECT_EQ(past.error().code, ErrorCode::kExhausted);
  const std::string fields(2 * kJsonNodesMax, '&');
  EXPECT_TRUE(read_value(BodyForm::kForm, fields, "").ok()) << "empty ones are none";
  std::string form;
  for (std::size_t i = 0; i <= kJsonNodesMax; ++i) form += "a&";
  EXPECT_EQ(read_value(BodyForm::kForm, form, "").error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace banyan::comparator
