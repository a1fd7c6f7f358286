// SPDX-License-Identifier: Apache-2.0
#include "access_log/format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "core/json/value.h"

namespace banyan::access_log {
namespace {

constexpr Format kFormats[] = {Format::kJson, Format::kEcs, Format::kCommon, Format::kCombined};

proxy::AccessEntry entry() {
  proxy::AccessEntry entry;
  entry.started_wall_ns = 971'186'136'250'000'000;  // 2000-10-10T13:55:36.25Z
  entry.duration_ns = 12'500'000;
  entry.first_byte_ns = 11'000'000;
  entry.exchange = "0001ab";
  entry.client = "192.0.2.7";
  entry.peer = "10.0.0.1";
  entry.method = "GET";
  entry.target = "/orders/7?full=1";
  entry.host = "shop.example";
  entry.protocol = "HTTP/1.1";
  entry.referer = "https://shop.example/";
  entry.user_agent = "curl/8";
  entry.status = 200;
  entry.route = "orders";
  entry.primary = entry.answered_by = "candidate";
  entry.upstream = "127.0.0.1:9002";
  entry.mirror = "selected";
  entry.request_bytes = 3;
  entry.answer_bytes = 2326;
  return entry;
}

std::string line(Format format, const proxy::AccessEntry& one) {
  std::string out;
  append_line(format, one, out);
  return out;
}

json::Value parsed(const std::string& text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value.ok()) << text;
  return value.ok() ? *std::move(value) : json::Value();
}

std::string at(const json::Value& value, std::initializer_list<const char*> path) {
  const json::Value* now = &value;
  for (const char* name : path) {
    now = now->find(name);
    if (now == nullptr) return "(absent)";
  }
  return now->text;
}

TEST(AccessFormatTest, CommonAndCombinedAreAsEverybodyWritesThem) {
  EXPECT_EQ(
      line(Format::kCommon, entry()),
      "192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] \"GET /orders/7?full=1 HTTP/1.1\" 200 2326\n");
  EXPECT_EQ(line(Format::kCombined, entry()),
            "192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] \"GET /orders/7?full=1 HTTP/1.1\" 200 2326 "
            "\"https://shop.example/\" \"curl/8\"\n");
}

TEST(AccessFormatTest, AbsentFieldsAreDashes) {
  proxy::AccessEntry empty;
  EXPECT_EQ(line(Format::kCombined, empty),
            "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 499 - \"-\" \"-\"\n");
}

TEST(AccessFormatTest, JsonHasEachFact) {
  proxy::AccessEntry one = entry();
  one.tls_version = "TLSv1.3";
  one.tls_cipher = "TLS_AES_128_GCM_SHA256";
  one.server_name = "shop.example";
  one.was_aborted = one.is_truncated = true;
  one.error = "cut";
  const json::Value value = parsed(line(Format::kJson, one));
  EXPECT_EQ(at(value, {"time"}), "2000-10-10T13:55:36.250000Z");
  EXPECT_EQ(at(value, {"exchange"}), "0001ab");
  EXPECT_EQ(at(value, {"client"}), "192.0.2.7");
  EXPECT_EQ(at(value, {"peer"}), "10.0.0.1");
  EXPECT_EQ(at(value, {"target"}), "/orders/7?full=1");
  EXPECT_EQ(at(value, {"status"}), "200");
  EXPECT_EQ(at(value, {"route"}), "orders");
  EXPECT_EQ(at(value, {"answered_by"}), "candidate");
  EXPECT_EQ(at(value, {"upstream"}), "127.0.0.1:9002");
  EXPECT_EQ(at(value, {"duration"}), "0.0125");
  EXPECT_EQ(at(value, {"first_byte"}), "0.011");
  EXPECT_EQ(at(value, {"request_bytes"}), "3");
  EXPECT_EQ(at(value, {"bytes"}), "2326");
  EXPECT_EQ(at(value, {"tls", "version"}), "TLSv1.3");
  EXPECT_EQ(at(value, {"tls", "server_name"}), "shop.example");
  EXPECT_TRUE(value.bool_or("aborted", false));
  EXPECT_TRUE(value.bool_or("truncated", false));
}

TEST(AccessFormatTest, EcsFieldsAreWhereTheSchemaHasThem) {
  proxy::AccessEntry one = entry();
  one.tls_version = "TLSv1.2";
  const json::Value value = parsed(line(Format::kEcs, one));
  EXPECT_EQ(at(value, {"@timestamp"}), "2000-10-10T13:55:36.250000Z");
  EXPECT_EQ(at(value, {"event", "duration"}), "12500000");
  EXPECT_EQ(at(value, {"event", "outcome"}), "success");
  EXPECT_EQ(at(value, {"http", "request", "method"}), "GET");
  EXPECT_EQ(at(value, {"http", "request", "referrer"}), "https://shop.example/");
  EXPECT_EQ(at(value, {"http", "response", "status_code"}), "200");
  EXPECT_EQ(at(value, {"http", "response", "body", "bytes"}), "2326");
  EXPECT_EQ(at(value, {"http", "version"}), "1.1");
  EXPECT_EQ(at(value, {"url", "path"}), "/orders/7");
  EXPECT_EQ(at(value, {"url", "query"}), "full=1");
  EXPECT_EQ(at(value, {"url", "scheme"}), "https");
  EXPECT_EQ(at(value, {"client", "ip"}), "192.0.2.7");
  EXPECT_EQ(at(value, {"source", "ip"}), "10.0.0.1");
  EXPECT_EQ(at(value, {"tls", "version"}), "1.2");
  EXPECT_EQ(at(value, {"banyan", "route"}), "orders");
  one.status = 503;
  EXPECT_EQ(at(parsed(line(Format::kEcs, one)), {"event", "outcome"}), "failure");
  one.status = 0;
  EXPECT_EQ(at(parsed(line(Format::kEcs, one)), {"event", "outcome"}), "unknown");
}

// A peer's bytes can end neither the line nor their field.
TEST(AccessFormatTest, HostileBytesStayInTheirField) {
  const std::string hostile = std::string("/a\"b\\c\nd\re\0f\x1b[31m\x7f\xff\xc3\xa9 g", 23);
  proxy::AccessEntry one = entry();
  one.target = one.user_agent = one.referer = one.host = one.method = hostile;
  for (const Format format : kFormats) {
    const std::string text = line(format, one);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
    EXPECT_EQ(text.back(), '\n');
    for (const char c : text.substr(0, text.size() - 1)) {
      EXPECT_GE(static_cast<unsigned char>(c), 0x20) << text;
    }
  }
  const std::string combined = line(Format::kCombined, one);
  EXPECT_NE(combined.find("/a\\x22b\\x5Cc\\x0Ad\\x0De\\x00f\\x1B[31m\\x7F\\xFF\\xC3\\xA9 g"),
            std::string::npos)
      << combined;
  EXPECT_EQ(std::count(combined.begin(), combined.end(), '"'), 6);
  parsed(line(Format::kJson, one));
  parsed(line(Format::kEcs, one));
}

TEST(AccessFormatTest, FieldsAreBoundedAtTheirEdge) {
  const std::string target_at(kTargetBytesMax, 'a'), target_past(kTargetBytesMax + 1, 'a');
  proxy::AccessEntry one = entry();
  one.target = target_at;
  EXPECT_EQ(at(parsed(line(Format::kJson, one)), {"target"}), target_at);
  one.target = target_past;
  EXPECT_EQ(at(parsed(line(Format::kJson, one)), {"target"}), target_at + "\xE2\x80\xA6");
  EXPECT_NE(line(Format::kCommon, one).find("a\\xE2\\x80\\xA6 HTTP/1.1"), std::string::npos);
  // Never in the middle of a character.
  const std::string accents = std::string(kFieldBytesMax - 1, 'a') + "\xC3\xA9";
  one.user_agent = accents;
  EXPECT_EQ(at(parsed(line(Format::kJson, one)), {"user_agent"}),
            std::string(kFieldBytesMax - 1, 'a') + "\xE2\x80\xA6");
  // Only continuation bytes: bounded as well.
  const std::string broken(3 * kFieldBytesMax, '\x80');
  one.user_agent = broken;
  EXPECT_LT(line(Format::kJson, one).size(), 8 * kFieldBytesMax);
}

TEST(AccessFormatTest, AnyBytesGiveOneParsableLine) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 64, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    proxy::AccessEntry one = entry();
    one.target = one.referer = one.user_agent = one.method = bytes;
    for (const Format format : kFormats) {
      const std::string text = line(format, one);
      ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << hex_of_bytes(bytes);
      if (format == Format::kJson || format == Format::kEcs) {
        ASSERT_TRUE(json::parse(text).ok()) << hex_of_bytes(bytes);
      }
    }
  }
}

}  // namespace
}  // namespace banyan::access_log
