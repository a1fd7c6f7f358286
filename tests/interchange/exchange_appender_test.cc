// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange_appender.h"

#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "core/crypto/key_ring.h"
#include "tests/interchange/exchanges.h"
#include "tests/support/memory_file_system.h"
#include "tests/support/memory_log.h"

namespace banyan::interchange {
namespace {

class ExchangeAppenderTest : public testing::Test {
 protected:
  void SetUp() override {
    keys_ = *crypto::KeyRing::open(files_, "/keys", Epoch{1}, "");
    redactor_ = *model::Redactor::create({}, *keys_);
  }

  Status append(const Exchange& exchange) {
    auto sink = log_.open_sink("import");
    AppendOptions options;
    options.format = "gor";
    options.inline_bytes_max = 1000;
    options.key_of = key_of_;
    ExchangeAppender appender(
        *sink, *redactor_, options, [this] { return ExchangeId::make(7, Epoch{1}, 1, ++counter_); },
        [](const Exchange&) {
          return RouteFacts{"found", true};
        });
    const Status status = appender.append(exchange);
    losses_ = appender.losses();
    return status;
  }

  ManualClock clock_;
  support::MemoryFileSystem files_;
  support::MemoryLog log_{clock_};
  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<model::Redactor> redactor_;
  std::function<std::string(const Exchange&, std::string_view)> key_of_;
  std::uint64_t counter_ = 0;
  Tally losses_;
  std::vector<std::string> storage_;
};

TEST_F(ExchangeAppenderTest, GivesIdsOfItsOwnAndNeverMirrors) {
  Exchange exchange = awkward_exchange();
  exchange.is_ours = true;
  exchange.mirror = MirrorDecision::kSelected;
  exchange.source_id = exchange.id.to_string();
  ASSERT_TRUE(append(exchange).ok());
  const auto requests = log_.all<model::RequestRecord>(storage_);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].exchange, ExchangeId::make(7, Epoch{1}, 1, 1));
  EXPECT_EQ(requests[0].mirror, MirrorDecision::kOff);
  EXPECT_EQ(requests[0].decision, "imported from gor, " + exchange.source_id);
  EXPECT_EQ(requests[0].route, "orders");
  EXPECT_EQ(requests[0].started.wall_ns, exchange.started.wall_ns);
  EXPECT_EQ(requests[0].body.bytes, all_bytes());
}

TEST_F(ExchangeAppenderTest, AllRecordsOfASubjectNameItsKey) {
  const std::string key(16, 'k');
  key_of_ = [&](const Exchange& exchange, std::string_view session) {
    EXPECT_EQ(exchange.target, awkward_exchange().target);
    EXPECT_EQ(session, "tokened");
    return key;
  };
  Exchange exchange = awkward_exchange();
  exchange.session = "tokened";
  exchange.body.bytes.assign(2000, 'q');
  exchange.answer->body.bytes.assign(2000, 'a');
  ASSERT_TRUE(append(exchange).ok());
  for (const auto& request : log_.all<model::RequestRecord>(storage_)) {
    EXPECT_EQ(request.of.key, key);
  }
  for (const auto& response : log_.all<model::ResponseRecord>(storage_)) {
    EXPECT_EQ(response.of.key, key);
  }
  const auto chunks = log_.all<model::ChunkRecord>(storage_);
  EXPECT_EQ(chunks.size(), 2U);  // of each side one
  for (const auto& chunk : chunks) EXPECT_EQ(chunk.of.key, key);
  EXPECT_EQ(log_.records().size(), 4U);
}

TEST_F(ExchangeAppenderTest, RedactsAndSealsSecretsOfForeignFiles) {
  Exchange exchange = awkward_exchange();
  exchange.fields.push_back({"Authorization", "Bearer plain-secret"});
  exchange.answer->fields.push_back({"Set-Cookie", "id=plain-secret"});
  ASSERT_TRUE(append(exchange).ok());
  for (const std::string& record : log_.records()) {
    EXPECT_EQ(record.find("plain-secret"), std::string::npos);
  }
  const auto requests = log_.all<model::RequestRecord>(storage_);
  EXPECT_EQ(requests[0].route, "found");
  auto restored = redactor_->restore(requests[0].exchange, requests[0].target, requests[0].fields,
                                     requests[0].body.bytes, requests[0].sealed);
  ASSERT_TRUE(restored.ok());
  EXPECT_EQ(restored->fields.back().second, "Bearer plain-secret");
}

TEST_F(ExchangeAppenderTest, LeavesTokensAsTheyAre) {
  Exchange exchange = awkward_exchange();
  const std::string token = "banyan:t:00112233445566778899aabbccddeeff";
  exchange.fields = {
      {"Host", "a"}, {"Authorization", token}, {"Cookie", "a=" + token + "; b=" + token + "; c="}};
  ASSERT_TRUE(append(exchange).ok());
  const auto requests = log_.all<model::RequestRecord>(storage_);
  EXPECT_EQ(owned(requests[0].fields), exchange.fields);
  // What only looks like one at its beginning is a secret all the same.
  exchange.fields = {{"Authorization", token + "0"}};
  ASSERT_TRUE(append(exchange).ok());
  EXPECT_NE(log_.all<model::RequestRecord>(storage_)[1].fields[0].value, token + "0");
}

TEST_F(ExchangeAppenderTest, PutsLargeBodiesIntoChunks) {
  Exchange exchange = awkward_exchange();
  exchange.body = whole_body(std::string(ExchangeAppender::kChunkBytesMax + 1, 'r'));
  exchange.answer->body = whole_body(std::string(1001, 'a'));
  ASSERT_TRUE(append(exchange).ok());
  const auto chunks = log_.all<model::ChunkRecord>(storage_);
  ASSERT_EQ(chunks.size(), 3U);
  EXPECT_EQ(chunks[0].bytes.size(), ExchangeAppender::kChunkBytesMax);
  EXPECT_TRUE(chunks[1].is_last);
  EXPECT_EQ(chunks[1].length, exchange.body.length);
  EXPECT_EQ(chunks[2].side, model::Side::kPrimary);
  const auto responses = log_.all<model::ResponseRecord>(storage_);
  EXPECT_EQ(responses[0].answer.body.kind, model::Body::Kind::kChunks);
  EXPECT_TRUE(responses[0].answer.body.is_complete);
}

TEST_F(ExchangeAppenderTest, PutsTrailersOfARequestIntoItsLastChunk) {
  Exchange exchange = awkward_exchange();
  exchange.body = {};
  exchange.trailers = {{"X-Sum", "1"}};
  ASSERT_TRUE(append(exchange).ok());
  const auto chunks = log_.all<model::ChunkRecord>(storage_);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_TRUE(chunks[0].is_last);
  EXPECT_EQ(owned(chunks[0].trailers), exchange.trailers);
}

TEST_F(ExchangeAppenderTest, ClosesWhatHasNoAnswer) {
  Exchange exchange = awkward_exchange();
  exchange.answer.reset();
  ASSERT_TRUE(append(exchange).ok());
  const auto outcomes = log_.all<model::OutcomeRecord>(storage_);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].kind, OutcomeKind::kUnknown);
  EXPECT_EQ(outcomes[0].cause, "imported_without_answer");
}

TEST_F(ExchangeAppenderTest, TellsThatTheLogRefuses) {
  log_.set_refusing(true);
  const Status status = append(awkward_exchange());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace banyan::interchange
