// SPDX-License-Identifier: Apache-2.0
//
// The law of this room: what a format can hold reads back as it was.
#include <gtest/gtest.h>

#include "tests/interchange/exchanges.h"

namespace banyan::interchange {
namespace {

void expect_same_message(const Exchange& read, const Exchange& wrote) {
  EXPECT_EQ(read.method, wrote.method);
  EXPECT_EQ(read.target, wrote.target);
  EXPECT_EQ(read.fields, wrote.fields);
  EXPECT_EQ(read.trailers, wrote.trailers);
  EXPECT_EQ(read.body.bytes, wrote.body.bytes);
  EXPECT_EQ(read.body.held, wrote.body.held);
  ASSERT_EQ(read.answer.has_value(), wrote.answer.has_value());
  if (!read.answer) return;
  EXPECT_EQ(read.answer->status, wrote.answer->status);
  EXPECT_EQ(read.answer->fields, wrote.answer->fields);
  EXPECT_EQ(read.answer->trailers, wrote.answer->trailers);
  EXPECT_EQ(read.answer->body.bytes, wrote.answer->body.bytes);
  EXPECT_EQ(read.answer->body.held, wrote.answer->body.held);
}

class RoundTripTest : public testing::TestWithParam<Format> {};

TEST_P(RoundTripTest, GivesTheSameMessages) {
  std::vector<Exchange> wrote(3, awkward_exchange());
  wrote[1].id = ExchangeId::make(1, Epoch{2}, 3, 5);
  wrote[1].method = "HEAD";
  wrote[1].body = {};
  wrote[1].fields.erase(wrote[1].fields.begin() + 6);
  wrote[1].answer->body = {};
  wrote[1].answer->fields.push_back({"Content-Length", "77"});
  wrote[2].id = ExchangeId::make(1, Epoch{2}, 3, 6);
  wrote[2].fields.erase(wrote[2].fields.begin() + 6);
  wrote[2].trailers = {{"X-Sum", "1"}, {"x-sum", "2"}};
  wrote[2].answer->trailers = {{"X-End", "\xff"}};
  for (const std::size_t piece_bytes : {1, 7, 4096}) {
    const ReadBack read = read_as(GetParam(), written_as(GetParam(), wrote), piece_bytes);
    EXPECT_TRUE(read.problems.empty()) << read.problems.front();
    ASSERT_EQ(read.exchanges.size(), wrote.size());
    for (std::size_t i = 0; i < wrote.size(); ++i) expect_same_message(read.exchanges[i], wrote[i]);
  }
}

TEST_P(RoundTripTest, KeepsACutBodyCut) {
  Exchange wrote = awkward_exchange();
  wrote.body.bytes = wrote.body.bytes.substr(0, 100);
  wrote.body.held = Held::kPart;
  const ReadBack read = read_as(GetParam(), written_as(GetParam(), {wrote}));
  ASSERT_EQ(read.exchanges.size(), 1U);
  expect_same_message(read.exchanges[0], wrote);
}

TEST_P(RoundTripTest, TellsOfARequestWithoutAnAnswer) {
  Exchange wrote = awkward_exchange();
  wrote.answer.reset();
  const ReadBack read = read_as(GetParam(), written_as(GetParam(), {wrote}));
  ASSERT_EQ(read.exchanges.size(), 1U);
  expect_same_message(read.exchanges[0], wrote);
}

TEST_P(RoundTripTest, HoldsNothingAtAll) {
  const ReadBack read = read_as(GetParam(), written_as(GetParam(), {}));
  EXPECT_TRUE(read.exchanges.empty());
  EXPECT_TRUE(read.problems.empty());
}

// Wherever a file is cut, what is whole before the cut is read and nothing is made up. (Not at each
// byte of the large ones: it takes seconds.)
TEST_P(RoundTripTest, SurvivesACutAnywhere) {
  const Exchange wrote = awkward_exchange();
  const std::string whole = written_as(GetParam(), {wrote, wrote});
  for (std::size_t size = 0; size < whole.size(); size += GetParam() == Format::kGor ? 1 : 11) {
    const ReadBack read = read_as(GetParam(), std::string_view(whole).substr(0, size));
    ASSERT_LE(read.exchanges.size(), 2U);
    for (const Exchange& exchange : read.exchanges) {
      ASSERT_EQ(exchange.body.bytes, wrote.body.bytes);
      ASSERT_EQ(exchange.fields, wrote.fields);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, RoundTripTest,
                         testing::Values(Format::kHar, Format::kNdjson, Format::kGor),
                         [](const auto& one) { return std::string(to_string(one.param)); });

class OwnFormatTest : public testing::TestWithParam<Format> {};

TEST_P(OwnFormatTest, KeepsWhatOnlyTheLogKnows) {
  Exchange wrote = awkward_exchange();
  wrote.primary = wrote.answer->system = System::kCandidate;
  wrote.mirror = MirrorDecision::kSelected;
  wrote.http_version = 20;
  wrote.body.is_redacted = true;
  wrote.body.length = 300;
  wrote.delivery = Delivery::kClientLeft;
  wrote.target = "/caf\xe9";
  wrote.verdict = Verdict::kTolerated;
  wrote.shadow = wrote.answer;
  wrote.shadow->system = System::kLegacy;
  wrote.shadow->status = 503;
  wrote.shadow->body = whole_body(all_bytes());
  const ReadBack read = read_as(GetParam(), written_as(GetParam(), {wrote}));
  ASSERT_EQ(read.exchanges.size(), 1U) << read.problems.front();
  const Exchange& back = read.exchanges[0];
  EXPECT_TRUE(back.is_ours);
  EXPECT_EQ(back.id, wrote.id);
  EXPECT_EQ(back.target, wrote.target);
  EXPECT_EQ(back.started.wall_ns, wrote.started.wall_ns);
  EXPECT_EQ(back.route, wrote.route);
  EXPECT_EQ(back.session, wrote.session);
  EXPECT_EQ(back.is_write, wrote.is_write);
  EXPECT_EQ(back.primary, System::kCandidate);
  EXPECT_EQ(back.mirror, MirrorDecision::kSelected);
  EXPECT_EQ(back.http_version, 20);
  EXPECT_TRUE(back.body.is_redacted);
  EXPECT_EQ(back.body.length, 300U);
  EXPECT_EQ(back.delivery, Delivery::kClientLeft);
  EXPECT_EQ(back.verdict, Verdict::kTolerated);
  ASSERT_TRUE(back.shadow);
  EXPECT_EQ(back.shadow->status, 503);
  EXPECT_EQ(back.shadow->body.bytes, wrote.shadow->body.bytes);
  EXPECT_EQ(back.shadow->fields, wrote.shadow->fields);
}

TEST_P(OwnFormatTest, KeepsHowAnExchangeWithoutAnswerEnded) {
  Exchange wrote = awkward_exchange();
  wrote.answer.reset();
  wrote.outcome =
      StoredOutcome{OutcomeKind::kBanyan, 502, Forwarded::kPart, "connect_failed", {9, 9}};
  const ReadBack read = read_as(GetParam(), written_as(GetParam(), {wrote}));
  ASSERT_EQ(read.exchanges.size(), 1U);
  ASSERT_TRUE(read.exchanges[0].outcome);
  EXPECT_EQ(read.exchanges[0].outcome->kind, OutcomeKind::kBanyan);
  EXPECT_EQ(read.exchanges[0].outcome->status, 502);
  EXPECT_EQ(read.exchanges[0].outcome->forwarded, Forwarded::kPart);
  EXPECT_EQ(read.exchanges[0].outcome->cause, "connect_failed");
}

TEST_P(OwnFormatTest, RefusesABodyThatIsNotAsLongAsItIsToldToBe) {
  std::string text = written_as(GetParam(), {awkward_exchange()});
  const std::string told = R"("held":"all","length":256)";
  text.replace(text.find(told), told.size(), R"("held":"all","length":255)");
  const ReadBack read = read_as(GetParam(), text);
  ASSERT_EQ(read.problems.size(), 1U);
  EXPECT_NE(read.problems[0].find("banyan.request.body.length"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Formats, OwnFormatTest, testing::Values(Format::kHar, Format::kNdjson),
                         [](const auto& one) { return std::string(to_string(one.param)); });

TEST(GorWriterTest, RefusesWhatHoldsTheSeparator) {
  const std::string separator = "\n\xF0\x9F\x90\xB5\xF0\x9F\x99\x88\xF0\x9F\x99\x89\n";
  // In the middle; across the head's end; across the separator's own beginning.
  for (const std::string& body :
       {"a" + separator + "b", separator.substr(1), separator.substr(0, separator.size() - 1)}) {
    Exchange exchange = awkward_exchange();
    exchange.body = whole_body(body);
    exchange.fields = {{"Host", "a"}, {"Content-Length", std::to_string(body.size())}};
    const auto writer = make_gor_writer();
    std::string out;
    EXPECT_FALSE(writer->write(exchange, out));
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(writer->losses().of(
                  "exchanges hold the separator of payloads in their request; not written"),
              1U);
    // In an answer only the answer is left out.
    exchange.answer->body = exchange.body;
    exchange.body = {};
    exchange.fields.pop_back();
    exchange.answer->fields = {{"Content-Length", std::to_string(body.size())}};
    EXPECT_TRUE(writer->write(exchange, out));
    EXPECT_EQ(read_as(Format::kGor, out).exchanges.size(), 1U);
    EXPECT_FALSE(read_as(Format::kGor, out).exchanges[0].answer);
  }
}

TEST(GorWriterTest, WritesTheLengthThatARedactedBodyHas) {
  Exchange exchange = awkward_exchange();
  exchange.body = whole_body("{\"password\":\"banyan:t:00112233445566778899aabbccddeeff\"}");
  exchange.body.is_redacted = true;
  const ReadBack read = read_as(Format::kGor, written_as(Format::kGor, {exchange}));
  ASSERT_EQ(read.exchanges.size(), 1U);
  EXPECT_EQ(read.exchanges[0].body.bytes, exchange.body.bytes);
  EXPECT_EQ(read.exchanges[0].body.held, Held::kAll);
}

}  // namespace
}  // namespace banyan::interchange
