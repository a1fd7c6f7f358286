// SPDX-License-Identifier: Apache-2.0
#include "core/model/secret_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace banyan::model {
namespace {

using testing::HasSubstr;

// Matches stand in <>.
std::string mark(const SecretPatterns& patterns, std::string_view text,
                 SecretPlace place = kInBody) {
  std::size_t matches_left = SecretPatterns::kMatchesMax + 1;
  ReplacedText replaced;
  const TokenOf mark_it = [](std::string_view secret) { return "<" + std::string(secret) + ">"; };
  const bool is_found = patterns.replace(text, place, mark_it, matches_left, replaced);
  if (is_found) {
    EXPECT_TRUE(patterns.may_match(text, place)) << text;
  }
  return is_found ? replaced.text : std::string(text);
}

std::string mark_known(std::string_view kind, std::string_view text) {
  SecretPatterns patterns;
  EXPECT_TRUE(patterns.add_known(kind, kInEverything, false).ok());
  return mark(patterns, text);
}

TEST(SecretPatternsTest, ACardNumberIsIssuedAndPassesLuhn) {
  for (const char* card :
       {"4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4222222222222",
        "378282246310005", "3782 822463 10005", "5555555555554444", "2223003122003222",
        "6011111111111117", "30569309025904", "3530111333300000", "6200000000000005"}) {
    EXPECT_EQ(mark_known("card", card), "<" + std::string(card) + ">");
    EXPECT_EQ(mark_known("card", "no. " + std::string(card) + ", thanks"),
              "no. <" + std::string(card) + ">, thanks");
    EXPECT_EQ(mark_known("card", "x" + std::string(card) + "."), "x<" + std::string(card) + ">.");
  }
  EXPECT_EQ(mark_known("card", "4111111111111111 5500005555555559"),
            "<4111111111111111> <5500005555555559>");
  EXPECT_EQ(mark_known("card", "on 2026-11-28 4111 1111 1111 1111 2 items"),
            "on 2026-11-28 <4111 1111 1111 1111> 2 items");
}

TEST(SecretPatternsTest, OtherNumbersAreNoCards) {
  for (const char* other :
       {"4111111111111112", "1111111111111117", "411111111111", "41111111111111111111111",
        "0.4111111111111111", "4111111111111111.25", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111  1111  1111  1111", "4111_1111_1111_1111", "", "4", "-", "2026-11-28 12:00:00"}) {
    EXPECT_EQ(mark_known("card", other), other);
  }
}

TEST(SecretPatternsTest, AnAddressHasADomainWithADot) {
  EXPECT_EQ(mark_known("email", "to ada@example.com."), "to <ada@example.com>.");
  EXPECT_EQ(mark_known("email", "<a.b+c@x-y.co.uk>,d@e.org"), "<<a.b+c@x-y.co.uk>>,<d@e.org>");
  EXPECT_EQ(mark_known("email", "jörg@müller.de"), "<jörg@müller.de>");
  EXPECT_EQ(mark_known("email", "mailto:a@b.cc@d.ee"), "mailto:<a@b.cc>@d.ee");
  for (const char* other : {"@", "a@", "@b.com", "a@localhost", "a@10.0.0.1", "a@b.", "a @b.com",
                            "a@-b.com", "a@.com", "a@b.c", "@@@@", "a@b@c"}) {
    EXPECT_EQ(mark_known("email", other), other);
  }
}

TEST(SecretPatternsTest, CredentialsStandBehindTheirSchemeOrHaveTheShapeOfAToken) {
  EXPECT_EQ(mark_known("bearer", "Bearer abc123de, x"), "Bearer <abc123de>, x");
  EXPECT_EQ(mark_known("bearer", "auth=\"BEARER abcdefghijklmnopqrstuvwx\""),
            "auth=\"BEARER <abcdefghijklmnopqrstuvwx>\"");
  EXPECT_EQ(mark_known("bearer", "basic YTpi"),
            "basic YTpi");  // Shorter than any that is looked at.
  EXPECT_EQ(mark_known("bearer", "basic YWRhOnNlY3JldA=="), "basic <YWRhOnNlY3JldA==>");
  const std::string jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N";
  EXPECT_EQ(mark_known("bearer", jwt), "<" + jwt + ">");
  EXPECT_EQ(mark_known("bearer", "a=" + jwt + "&b"), "a=<" + jwt + ">&b");
  EXPECT_EQ(mark_known("bearer", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0xx."),
            "<eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0xx.>");
  for (const char* other :
       {"the bearer understands", "basic understanding", "forbearer abc123de", "Bearer short",
        "eyJhbGciOiJub25lIn0.short.x", "xeyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0xx.aaa", "Bearer",
        "Bearer ", "550e8400-e29b-41d4-a716-446655440000"}) {
    EXPECT_EQ(mark_known("bearer", other), other);
  }
}

TEST(SecretPatternsTest, AnExpressionReplacesItsMatchOrItsFirstGroup) {
  SecretPatterns patterns;
  ASSERT_TRUE(patterns.add_expression("KD-[0-9]{4}", kInBody, false).ok());
  ASSERT_TRUE(patterns.add_expression("pin=([0-9]+)", kInBody | kInQuery, false).ok());
  EXPECT_EQ(mark(patterns, "KD-1234 and KD-12345, pin=99"), "<KD-1234> and <KD-1234>5, pin=<99>");
  EXPECT_EQ(mark(patterns, "KD-1234 pin=1", kInQuery), "KD-1234 pin=<1>");
  EXPECT_EQ(mark(patterns, "KD-1234 pin=1", kInHeaders), "KD-1234 pin=1");
  EXPECT_TRUE(patterns.has(kInQuery));
  EXPECT_FALSE(patterns.has(kInPath));
}

TEST(SecretPatternsTest, OverlappingMatchesBecomeOne) {
  SecretPatterns patterns;
  ASSERT_TRUE(patterns.add_known("email", kInBody, false).ok());
  ASSERT_TRUE(patterns.add_expression("[a-z]+=[a-z]+", kInBody, false).ok());
  EXPECT_EQ(mark(patterns, "mail=ada@example.com!"), "<mail=ada@example.com>!");
}

TEST(SecretPatternsTest, RefusesExpressionsThatAreNoneOrTooLarge) {
  const auto error_of = [](const std::string& expression) {
    SecretPatterns patterns;
    const Status status = patterns.add_expression(expression, kInEverything, false);
    return status.ok() ? std::string() : status.error().message;
  };
  EXPECT_THAT(error_of("(a"), HasSubstr("does not compile"));
  EXPECT_THAT(error_of("(?=a)b"), HasSubstr("does not compile"));
  EXPECT_THAT(error_of("a*"), HasSubstr("empty text"));
  EXPECT_THAT(error_of("((\\pL{100}){100}){10}"), HasSubstr("does not compile"));
  EXPECT_EQ(error_of(std::string(SecretPatterns::kExpressionBytesMax, 'a')), "");
  EXPECT_THAT(error_of(std::string(SecretPatterns::kExpressionBytesMax + 1, 'a')),
              HasSubstr("at most"));
  SecretPatterns many;
  for (std::size_t i = 0; i < SecretPatterns::kRulesMax; ++i) {
    EXPECT_TRUE(many.add_known("card", kInBody, false).ok());
  }
  EXPECT_FALSE(many.add_known("card", kInBody, false).ok());
  EXPECT_FALSE(many.add_expression("a", kInBody, false).ok());
  EXPECT_THAT(many.add_known("ssn", kInBody, false).error().message, HasSubstr("pattern:card"));
}

TEST(SecretPatternsTest, WhatIsDroppedIsSentAsAToken) {
  SecretPatterns patterns;
  ASSERT_TRUE(patterns.add_known("card", kInBody, true).ok());
  ASSERT_TRUE(patterns.add_known("email", kInBody, false).ok());
  EXPECT_TRUE(patterns.has_dropping(kInBody));
  std::size_t matches_left = 10;
  ReplacedText replaced;
  ASSERT_TRUE(patterns.replace(
      "a@b.com 4111111111111111", kInBody, [](std::string_view) { return std::string("T"); },
      matches_left, replaced));
  EXPECT_EQ(replaced.text, "T T");
  EXPECT_EQ(replaced.to_send, "a@b.com T");
  EXPECT_EQ(replaced.dropped, 1);
  EXPECT_EQ(matches_left, 8U);
}

TEST(SecretPatternsTest, StopsAtTheNumberOfMatchesThatIsLeft) {
  SecretPatterns patterns;
  ASSERT_TRUE(patterns.add_known("email", kInBody, false).ok());
  std::string text;
  for (int i = 0; i < 20; ++i) text += "a@b.com ";
  for (const std::size_t left : {20U, 19U, 0U}) {
    std::size_t matches_left = left;
    ReplacedText replaced;
    EXPECT_EQ(patterns.replace(
                  text, kInBody, [](std::string_view) { return std::string("T"); }, matches_left,
                  replaced),
              left > 0);
    EXPECT_EQ(matches_left, 0U);
  }
}

// Megabytes that nearly match everywhere: the time grows with the text and not with its square.
TEST(SecretPatternsTest, HostileTextsTakeLinearTime) {
  const auto repeat = [](std::string_view piece) {
    std::string text;
    while (text.size() < (2U << 20)) text += piece;
    return text;
  };
  SecretPatterns patterns;
  for (const char* kind : {"card", "email", "bearer"}) {
    ASSERT_TRUE(patterns.add_known(kind, kInBody, false).ok());
  }
  ASSERT_TRUE(patterns.add_expression("(x+x+)+y", kInBody, false).ok());
  for (const char* piece : {"4", "4111 ", "1-", "@", "a@", "a@a.", "eyJ", "eyJ.", "Bearer ", "=",
                            "x", " ", "\xff", "bearer a"}) {
    const std::string text = repeat(piece);
    const auto start = std::chrono::steady_clock::now();
    mark(patterns, text);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << piece;
  }
}

}  // namespace
}  // namespace banyan::model
