// SPDX-License-Identifier: Apache-2.0
//
// Files of other programs, and hostile ones.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/text.h"
#include "interchange/exchange_check.h"
#include "interchange/json_items.h"
#include "interchange/proto_reader.h"
#include "interchange/shell_quote.h"
#include "tests/interchange/exchanges.h"

namespace banyan::interchange {
namespace {

constexpr std::string_view kSeparator = "\n\xF0\x9F\x90\xB5\xF0\x9F\x99\x88\xF0\x9F\x99\x89\n";

std::string har(const std::string& entries) {
  return "\xEF\xBB\xBF{ \"log\" : {\"pages\":[{\"a\":\"]}\\\"\"}], \"entries\" : [" + entries +
         "] , \"comment\":\"x\"} }\n";
}

TEST(HarReaderTest, UndoesWhatABrowserChanges) {
  const ReadBack read = read_as(Format::kHar, har(R"({
    "startedDateTime":"2024-05-01T10:00:00.250+02:00","time":12.5,
    "timings":{"receive":2.5},
    "request":{"method":"POST","url":"https://user@shop.example:8443/a b?x=é#part","httpVersion":"h2",
      "headers":[{"name":":authority","value":"shop.example:8443"},{"name":":path","value":"/"},
                 {"name":"accept","value":"*/*"},{"name":"content-length","value":"99"},
                 {"name":"connection","value":"x-hop"},{"name":"x-hop","value":"1"}],
      "postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a","value":"1"},{"name":"b","value":"2"}]}},
    "response":{"status":200,"httpVersion":"HTTP/1.1",
      "headers":[{"name":"set-cookie","value":"a=1\nb=2"},{"name":"content-encoding","value":"br"},
                 {"name":"content-length","value":"7"}],
      "content":{"size":5,"text":"aGVsbG8=","encoding":"base64"}}})"));
  ASSERT_EQ(read.exchanges.size(), 1U) << read.problems.front();
  const Exchange& exchange = read.exchanges[0];
  EXPECT_FALSE(exchange.is_ours);
  EXPECT_EQ(exchange.started.wall_ns, 1'714'550'400'250'000'000);
  EXPECT_EQ(exchange.target, "/a%20b?x=%C3%A9");
  EXPECT_EQ(exchange.http_version, 20);
  EXPECT_EQ(
      exchange.fields,
      (Fields{{"Host", "shop.example:8443"}, {"accept", "*/*"}, {"X-Forwarded-Proto", "https"}}));
  EXPECT_EQ(exchange.body.bytes, "a=1&b=2");
  EXPECT_EQ(exchange.answer->fields, (Fields{{"set-cookie", "a=1"}, {"set-cookie", "b=2"}}));
  EXPECT_EQ(exchange.answer->body.bytes, "hello");
  EXPECT_EQ(exchange.answer->ended.wall_ns - exchange.started.wall_ns, 12'500'000);
  EXPECT_EQ(exchange.answer->first_byte.wall_ns - exchange.started.wall_ns, 10'000'000);
  EXPECT_EQ(read.losses.of("answers' bodies are decoded in the file; their Content-Encoding is "
                           "removed"),
            1U);
}

TEST(HarReaderTest, TellsOfBodiesThatAreNotThere) {
  const ReadBack read = read_as(Format::kHar, har(R"({
    "startedDateTime":"2024-05-01T10:00:00Z","request":{"method":"POST","url":"http://a","headers":[],"bodySize":9},
    "response":{"status":0,"headers":[],"content":{}}})"));
  ASSERT_EQ(read.exchanges.size(), 1U);
  EXPECT_EQ(read.exchanges[0].target, "/");
  EXPECT_EQ(read.exchanges[0].body.held, Held::kNone);
  EXPECT_FALSE(read.exchanges[0].answer);
}

TEST(HarReaderTest, GoesOnBehindABadEntry) {
  const std::string good = R"({"startedDateTime":"2024-05-01T10:00:00Z",
      "request":{"method":"GET","url":"http://a/","headers":[]},"response":{"status":204,"headers":[]}})";
  const ReadBack read =
      read_as(Format::kHar, har("{}," + good + ",[1,{}],null,{\"a\":tru}," + good));
  EXPECT_EQ(read.exchanges.size(), 2U);
  EXPECT_EQ(read.problems.size(), 4U);
  EXPECT_EQ(read.problems[0].rfind("log.entries[0]: ", 0), 0U) << read.problems[0];
  EXPECT_FALSE(read.is_broken);
}

TEST(JsonItemsTest, EndsWhereTheDocumentIsNone) {
  for (const std::string_view text :
       {"", "[]", "{", "{}", "{\"log\":1}", "{\"log\":{\"entries\":{}}}",
        "{\"log\":{\"entries\":[1 2]}}", "{\"log\":{\"entries\":[1,]}}",
        "{\"log\":{\"entries\":[\"a]}}", "{\"log\":{\"entries\":[]}} x",
        "{\"log\":{\"entries\":[]}", "{\"log\" {\"entries\":[]}}"}) {
    StringInput bytes(text, 1);
    BufferedInput input(bytes);
    JsonItems items(input, {"log", "entries"}, 100);
    std::string item;
    JsonItems::Step step = items.next(item);
    while (step == JsonItems::Step::kItem) step = items.next(item);
    EXPECT_EQ(step, JsonItems::Step::kBroken) << text;
    EXPECT_EQ(items.next(item), JsonItems::Step::kEnd) << text;
  }
}

TEST(JsonItemsTest, SkipsAnItemOverItsBoundAndGoesOn) {
  const std::string text = "{\"log\":{\"entries\":[[\"" + std::string(96, 'x') + "\"],[\"" +
                           std::string(97, 'x') + "\"],2]}}";
  StringInput bytes(text, 10);
  BufferedInput input(bytes);
  JsonItems items(input, {"log", "entries"}, 100);
  std::string item;
  EXPECT_EQ(items.next(item), JsonItems::Step::kItem);
  EXPECT_EQ(item.size(), 100U);
  EXPECT_EQ(items.next(item), JsonItems::Step::kTooLong);
  EXPECT_EQ(items.next(item), JsonItems::Step::kItem);
  EXPECT_EQ(item, "2");
  EXPECT_EQ(items.next(item), JsonItems::Step::kEnd);
}

TEST(BufferedInputTest, CutsAtSeparatorsThatArePiecesApart) {
  for (const std::size_t piece : {1, 2, 3, 100}) {
    StringInput bytes("one--two---a long one--last", piece);
    BufferedInput input(bytes);
    std::string_view out;
    EXPECT_EQ(*input.take_until("--", 5, out), BufferedInput::Cut::kFound);
    EXPECT_EQ(out, "one");
    EXPECT_EQ(*input.take_until("--", 5, out), BufferedInput::Cut::kFound);
    EXPECT_EQ(out, "two");
    EXPECT_EQ(*input.take_until("--", 5, out), BufferedInput::Cut::kTooLong);
    EXPECT_EQ(*input.take_until("--", 5, out), BufferedInput::Cut::kEnd);
    EXPECT_EQ(out, "last");
    EXPECT_EQ(*input.take_until("--", 5, out), BufferedInput::Cut::kEnd);
    EXPECT_EQ(out, "");
    EXPECT_EQ(input.position(), 27U);
  }
}

TEST(GorReaderTest, JoinsAnswersThatComeLate) {
  const std::string request = "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
  const std::string sep(kSeparator);
  const ReadBack read = read_as(
      Format::kGor,
      "1 a 100 0\n" + request + sep + "1 b 200 0\n" + request + sep + "3 a 100 7\n" + answer +
          "xx" + sep + "2 b 200 5\n" + answer + "bb" + sep + "2 c 1 1\n" + answer + "cc" + sep +
          "2 a 100 9\n" + answer + "aa" + sep + "1 d 300\n" +
          "POST /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + sep);
  ASSERT_EQ(read.exchanges.size(), 3U);
  EXPECT_EQ(read.exchanges[0].source_id, "b");
  EXPECT_EQ(read.exchanges[0].answer->body.bytes, "bb");
  EXPECT_EQ(read.exchanges[0].answer->fields, (Fields{{"Content-Length", "2"}}));
  EXPECT_EQ(read.exchanges[1].answer->ended.wall_ns, 109);
  EXPECT_EQ(read.exchanges[2].body.bytes, "abc");
  EXPECT_EQ(read.exchanges[2].body.held, Held::kPart) << "its last chunk is not there";
  EXPECT_FALSE(read.exchanges[2].answer);
  EXPECT_EQ(read.losses.entries().size(), 2U);
}

TEST(FormatTest, IsFoundByLooking) {
  EXPECT_EQ(detect_format("\xEF\xBB\xBF \n{ \"log\": {"), Format::kHar);
  EXPECT_EQ(detect_format("{\"@timestamp\":1}"), Format::kNdjson);
  EXPECT_EQ(detect_format("1 a3f 1700000000 0\nGET / HTTP/1.1"), Format::kGor);
  EXPECT_EQ(detect_format("CgJjMRIQCgwIgOLPqgYQ\n"), Format::kCapture);
  for (const std::string_view none :
       {"", " ", "{", "{}", "hello world", "GET / HTTP/1.1", "1 2 x"}) {
    EXPECT_EQ(detect_format(none), std::nullopt) << none;
  }
}

TEST(ExchangeCheckTest, HoldsAtItsBounds) {
  Exchange exchange = awkward_exchange();
  EXPECT_TRUE(check_exchange(exchange).ok());
  exchange.fields.assign(ExchangeLimits::kFieldsMax, {"A", "b"});
  EXPECT_TRUE(check_exchange(exchange).ok());
  exchange.fields.push_back({"A", "b"});
  EXPECT_FALSE(check_exchange(exchange).ok());
  exchange.fields = {{"A", std::string(ExchangeLimits::kHeadBytesMax - 1, 'x')}};
  EXPECT_TRUE(check_exchange(exchange).ok());
  exchange.fields[0].value += "x";
  EXPECT_FALSE(check_exchange(exchange).ok());
  exchange.fields.clear();
  exchange.target = std::string(ExchangeLimits::kTargetBytesMax, '/');
  EXPECT_TRUE(check_exchange(exchange).ok());
  exchange.target += "/";
  EXPECT_FALSE(check_exchange(exchange).ok());
  exchange.target = "/";
  exchange.method = std::string(ExchangeLimits::kMethodBytesMax, 'M');
  EXPECT_TRUE(check_exchange(exchange).ok());
  exchange.method += "M";
  EXPECT_FALSE(check_exchange(exchange).ok());
  exchange.method = "GET";
  exchange.body = whole_body(std::string(ExchangeLimits::kBodyBytesMax, 'b'));
  EXPECT_TRUE(check_exchange(exchange).ok());
  exchange.body.bytes += "b";
  EXPECT_FALSE(check_exchange(exchange).ok());
}

TEST(ExchangeCheckTest, RefusesWhatCouldSplitAMessage) {
  const auto is_good = [](auto change) {
    Exchange exchange = awkward_exchange();
    change(exchange);
    return check_exchange(exchange).ok();
  };
  EXPECT_FALSE(is_good([](Exchange& e) { e.method = "GET / HTTP/1.1\r\nA:"; }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.target = "/ HTTP/1.1\r\nA: b"; }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.target = "/a#b"; }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.target.clear(); }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.fields.push_back({"A B", "c"}); }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.fields.push_back({"", "c"}); }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.fields.push_back({"A", "b\r\nC: d"}); }));
  EXPECT_FALSE(is_good([](Exchange& e) {
    e.answer->fields.push_back({"A", std::string(1, '\0')});
  }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.answer->trailers.push_back({"A", "\n"}); }));
  EXPECT_FALSE(is_good([](Exchange& e) { e.answer->status = 99; }));
  EXPECT_FALSE(
      is_good([](Exchange& e) { e.route.assign(ExchangeLimits::kTextBytesMax + 1, 'r'); }));
}

TEST(ShellQuoteTest, QuotesWhateverIsThere) {
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b\"$(x)`y`\\!"), "'a b\"$(x)`y`\\!'");
  EXPECT_EQ(shell_quote("it's"), "$'it\\'s'");
  EXPECT_EQ(shell_quote("a\nb\xff"
                        "1\\"),
            "$'a\\x0ab\\xff1\\\\'");
  EXPECT_TRUE(fits_an_argument(std::string(64 * 1024, 'a')));
  EXPECT_FALSE(fits_an_argument(std::string(64 * 1024 + 1, 'a')));
  EXPECT_FALSE(fits_an_argument(std::string_view("a\0b", 3)));
}

TEST(CurlWriterTest, LetsNothingLeaveItsQuotesOrComments) {
  Exchange exchange = awkward_exchange();
  exchange.route = "r\nrm -rf /";
  exchange.target = "/'$(id)";
  exchange.body = whole_body("@/etc/passwd");
  const std::string out = written_as(Format::kCurl, {exchange});
  EXPECT_EQ(out.find("\nrm"), std::string::npos);
  EXPECT_NE(out.find("$'http://shop.example:8080/\\'$(id)'"), std::string::npos) << out;
  EXPECT_NE(out.find("base64 -d <<'BANYAN_BODY' | curl"), std::string::npos);
  EXPECT_NE(out.find("--data-binary @-"), std::string::npos);
}

TEST(ProtoReaderTest, StopsAtEveryKindOfDamage) {
  for (const std::string_view bytes : {
           std::string_view("\x0a", 1),  // no length
           std::string_view("\x0a\x05"
                            "ab",
                            4),              // cut
           std::string_view("\x00\x01", 2),  // field 0
           std::string_view("\x0b\x01", 2),  // a group
           std::string_view("\x09\x01", 2),  // fixed64, cut
           std::string_view("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12),
           std::string_view("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
       }) {
    ProtoReader reader(bytes);
    ProtoField field;
    while (reader.next(field)) {
    }
    EXPECT_FALSE(reader.ok());
  }
}

}  // namespace
}  // namespace banyan::interchange
