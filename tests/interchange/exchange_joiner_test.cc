// SPDX-License-Identifier: Apache-2.0
#include "interchange/exchange_joiner.h"

#include <gtest/gtest.h>

#include "core/model/subject_seal.h"
#include "tests/support/memory_log.h"
#include "tests/support/records.h"

namespace banyan::interchange {
namespace {

using support::exchange_id;

// As the log gives it where the subject's key is gone.
template <typename Record>
std::string erased(Record record) {
  const std::string key(16, 's');
  record.of.key = key;
  std::string open, sealed;
  model::encode(record, open);
  EXPECT_TRUE(model::seal_record(open, "", sealed).ok());
  return sealed;
}

class ExchangeJoinerTest : public testing::Test {
 protected:
  void join(const JoinOptions& options = {}, bool finishes = true) {
    ExchangeJoiner joiner(
        options, [](const auto&, const auto&) { return true; },
        [this](Exchange& exchange) {
          joined_.push_back(std::move(exchange));
          return Status();
        });
    auto source = log_.open_source(log_.begin(), model::Fence::kWritten);
    model::SourcedRecord sourced;
    while (*(*source)->next(sourced)) ASSERT_TRUE(joiner.add(sourced).ok());
    if (finishes) {
      ASSERT_TRUE(joiner.finish().ok());
    }
    counts_ = joiner.counts();
  }

  void append_chunk(model::Side side, std::uint32_t sequence, std::string_view bytes,
                    bool is_last = false) {
    model::ChunkRecord chunk;
    chunk.exchange = exchange_id(1);
    chunk.side = side;
    chunk.sequence = sequence;
    chunk.bytes = bytes;
    chunk.is_last = is_last;
    chunk.is_complete = is_last;
    chunk.length = is_last ? 6 : 0;
    log_.append(chunk);
  }

  ManualClock clock_;
  support::MemoryLog log_{clock_};
  std::vector<Exchange> joined_;
  JoinCounts counts_;
};

TEST_F(ExchangeJoinerTest, WhatIsErasedIsLeftOutAndCounted) {
  log_.append_encoded(erased(support::request(exchange_id(1))));
  log_.append_encoded(erased(support::response(exchange_id(1))));
  // Erased while it was read.
  log_.append(support::request(exchange_id(2)));
  log_.append_encoded(erased(support::response(exchange_id(2))));
  log_.append(support::request(exchange_id(3)));
  log_.append(support::response(exchange_id(3)));
  join();
  EXPECT_EQ(counts_.erased, 2U);
  ASSERT_EQ(joined_.size(), 1U);
  EXPECT_EQ(joined_[0].id, exchange_id(3));
}

TEST_F(ExchangeJoinerTest, WaitsForTheCopyAndItsVerdict) {
  log_.append(support::request(exchange_id(1)));
  log_.append(support::shadow(exchange_id(1)));
  log_.append(support::response(exchange_id(1)));
  join({}, false);
  EXPECT_TRUE(joined_.empty());
  log_.append(support::verdict(exchange_id(1), Verdict::kEqual));
  join({}, false);
  ASSERT_EQ(joined_.size(), 1U);
  EXPECT_EQ(joined_[0].answer->status, 200);
  EXPECT_EQ(joined_[0].shadow->system, System::kCandidate);
  EXPECT_EQ(joined_[0].verdict, Verdict::kEqual);
}

TEST_F(ExchangeJoinerTest, GivesTheCopyTheBodyThatStandsInTheResponse) {
  model::ShadowRecord shadow = support::shadow(exchange_id(1));
  shadow.answer.body.kind = model::Body::Kind::kAsPrimary;
  shadow.answer.body.bytes = {};
  log_.append(support::request(exchange_id(1)));
  log_.append(support::response(exchange_id(1)));
  log_.append(shadow);
  log_.append(support::verdict(exchange_id(1), Verdict::kEqual));
  // Of this one the RESPONSE is gone.
  shadow.exchange = exchange_id(2);
  log_.append(support::request(exchange_id(2)));
  log_.append(shadow);
  join();
  ASSERT_EQ(joined_.size(), 2U);
  EXPECT_EQ(joined_[0].shadow->body.bytes, "{\"a\":1}");
  EXPECT_EQ(joined_[0].shadow->body.held, Held::kAll);
  EXPECT_EQ(joined_[1].shadow->body.held, Held::kNone);
}

TEST_F(ExchangeJoinerTest, WaitsForNoCopyWhereNoneIsDue) {
  log_.append(support::request(exchange_id(1), "orders", MirrorDecision::kOff));
  log_.append(support::response(exchange_id(1)));
  log_.append(support::request(exchange_id(2)));
  log_.append(support::skip(exchange_id(2), SkipReason::kStale));
  log_.append(support::response(exchange_id(2)));
  log_.append(support::request(exchange_id(3)));
  log_.append(support::outcome(exchange_id(3), OutcomeKind::kBanyan));
  join({}, false);
  ASSERT_EQ(joined_.size(), 3U);
  EXPECT_EQ(joined_[2].outcome->cause, "connect_failed");
}

TEST_F(ExchangeJoinerTest, PutsChunksTogether) {
  model::RequestRecord request = support::request(exchange_id(1), "orders", MirrorDecision::kOff);
  request.body.kind = model::Body::Kind::kChunks;
  log_.append(request);
  append_chunk(model::Side::kRequest, 0, "abc");
  append_chunk(model::Side::kPrimary, 0, "12");
  append_chunk(model::Side::kPrimary, 1, "34");
  model::ResponseRecord response = support::response(exchange_id(1));
  response.answer.body = {};
  response.answer.body.kind = model::Body::Kind::kChunks;
  response.answer.body.length = 4;
  log_.append(response);
  join({}, false);
  EXPECT_TRUE(joined_.empty()) << "the request's body has not ended";
  append_chunk(model::Side::kRequest, 1, "def", true);
  join({}, false);
  ASSERT_EQ(joined_.size(), 1U);
  EXPECT_EQ(joined_[0].body.bytes, "abcdef");
  EXPECT_EQ(joined_[0].body.held, Held::kAll);
  EXPECT_EQ(joined_[0].answer->body.bytes, "1234");
  EXPECT_EQ(joined_[0].answer->body.held, Held::kAll);
}

TEST_F(ExchangeJoinerTest, TellsThatAChunkIsMissing) {
  model::RequestRecord request = support::request(exchange_id(1), "orders", MirrorDecision::kOff);
  request.body.kind = model::Body::Kind::kChunks;
  log_.append(request);
  append_chunk(model::Side::kRequest, 0, "abc");
  log_.append_hole(1, "damaged");
  append_chunk(model::Side::kRequest, 2, "def", true);
  log_.append(support::response(exchange_id(1)));
  join();
  ASSERT_EQ(joined_.size(), 1U);
  EXPECT_EQ(joined_[0].body.bytes, "abc");
  EXPECT_EQ(joined_[0].body.held, Held::kPart);
  EXPECT_EQ(counts_.holes, 1U);
}

TEST_F(ExchangeJoinerTest, LeavesOutABodyOverItsBound) {
  model::RequestRecord request = support::request(exchange_id(1), "orders", MirrorDecision::kOff);
  request.body.kind = model::Body::Kind::kChunks;
  log_.append(request);
  append_chunk(model::Side::kRequest, 0, "abc");
  append_chunk(model::Side::kRequest, 1, "def", true);
  log_.append(support::response(exchange_id(1)));
  JoinOptions options;
  options.body_bytes_max = 6;
  join(options);
  EXPECT_EQ(counts_.bodies_left_out, 1U) << "the answer's, of 7 bytes";
  options.body_bytes_max = 5;
  join(options);
  ASSERT_EQ(joined_.size(), 2U);
  EXPECT_EQ(joined_[0].body.held, Held::kAll);
  EXPECT_EQ(joined_[1].body.held, Held::kNone);
  EXPECT_EQ(joined_[1].body.length, 6U);
  EXPECT_EQ(counts_.bodies_left_out, 2U);
}

TEST_F(ExchangeJoinerTest, LetsGoOfTheOldestPastItsBound) {
  log_.append(support::request(exchange_id(1)));
  log_.append(support::response(exchange_id(1)));
  log_.append(support::request(exchange_id(2)));
  log_.append(support::request(exchange_id(3)));
  JoinOptions options;
  options.exchanges_max = 1;
  join(options);
  // The first had ended and lacks its copy alone; the second had not; the third is in the bound.
  ASSERT_EQ(joined_.size(), 2U);
  EXPECT_EQ(joined_[0].id, exchange_id(1));
  EXPECT_EQ(joined_[1].id, exchange_id(3));
  EXPECT_EQ(counts_.without_shadow, 1U);
  EXPECT_EQ(counts_.given_up, 1U);
  EXPECT_EQ(counts_.unended, 1U);
}

}  // namespace
}  // namespace banyan::interchange
