// SPDX-License-Identifier: Apache-2.0
#include "replay/record_fetcher.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/clock.h"
#include "core/model/record_codec.h"
#include "tests/support/memory_log.h"

namespace banyan::replay {
namespace {

constexpr std::uint64_t kCount = 40;

class RecordFetcherTest : public testing::Test {
 protected:
  void fill(std::size_t bytes_each) {
    const std::string filler(bytes_each, 'x');
    for (std::uint64_t i = 0; i < kCount; ++i) {
      model::ChunkRecord chunk;
      chunk.exchange = ExchangeId::make(1, Epoch{1}, 1, i);
      chunk.bytes = filler;
      log_.append(chunk);
    }
    log_.before_read = [this] { ++reads_; };
  }
  // What was read to get it.
  std::uint64_t reads_of(std::uint64_t number) {
    reads_ = 0;
    const auto fetched = fetcher_.fetch("main", Offset{number});
    EXPECT_TRUE(fetched.ok()) << fetched.error().message;
    if (!fetched.ok()) return 0;
    const auto peeked = model::peek(*fetched);
    EXPECT_TRUE(peeked.ok());
    EXPECT_EQ(peeked->exchange, ExchangeId::make(1, Epoch{1}, 1, number));
    return reads_;
  }

  ManualClock clock_;
  support::MemoryLog log_{clock_};
  RecordFetcher fetcher_{log_};
  std::uint64_t reads_ = 0;
};

TEST_F(RecordFetcherTest, ReadsOnWhereLittleLiesBetween) {
  fill(100);
  EXPECT_EQ(reads_of(0), 1U);
  EXPECT_EQ(reads_of(20), 20U);
  EXPECT_EQ(reads_of(21), 1U);
  EXPECT_EQ(reads_of(5), 1U);  // Back: begun anew.
}

TEST_F(RecordFetcherTest, BeginsAnewWhereMuchLiesBetween) {
  fill(100'000);
  EXPECT_EQ(reads_of(0), 1U);
  EXPECT_EQ(reads_of(11), 11U);  // A million bytes: not yet more than 1 MiB.
  EXPECT_EQ(reads_of(kCount - 1), 12U);
}

}  // namespace
}  // namespace banyan::replay
