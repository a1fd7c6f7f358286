// SPDX-License-Identifier: Apache-2.0
#include "ledger/ledger.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/memory_file_system.h"
#include "tests/support/memory_log.h"
#include "tests/support/records.h"

namespace banyan::ledger {
namespace {

using support::exchange_id;

class LedgerTest : public testing::Test {
 protected:
  std::unique_ptr<Ledger> open() {
    warnings_.clear();
    auto ledger = Ledger::open(files_, clock_, log_, "data/state", warnings_);
    EXPECT_TRUE(ledger.ok()) << ledger.error().message;
    return ledger.ok() ? std::move(ledger).value() : nullptr;
  }
  void exchange(std::uint64_t counter) {
    log_.append(support::request(exchange_id(counter)));
    log_.append(support::response(exchange_id(counter)));
  }
  // Polls: the following thread works in steps of milliseconds.
  template <typename Condition>
  static bool eventually(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      if (condition()) return true;
      std::this_thread::yield();
    }
    return condition();
  }

  ManualClock clock_;
  support::MemoryFileSystem files_;
  support::MemoryLog log_{clock_};
  std::vector<std::string> warnings_;
};

TEST_F(LedgerTest, CatchesUpBeforeItOpens) {
  exchange(1);
  log_.append(support::request(exchange_id(2)));
  const auto ledger = open();
  EXPECT_EQ(ledger->snapshot().total.admitted, 2U);
  ASSERT_EQ(ledger->open_exchanges().size(), 1U);
  EXPECT_EQ(ledger->open_exchanges()[0].exchange, exchange_id(2));
  EXPECT_EQ(ledger->open_exchanges()[0].route, "orders");
}

TEST_F(LedgerTest, FollowsTheDurableEndOnItsThread) {
  const auto ledger = open();
  ledger->start();
  exchange(1);
  EXPECT_TRUE(eventually([&] { return ledger->snapshot().total.answered.legacy == 1; }));
  log_.hold_durable(true);
  exchange(2);
  log_.append_hole(1, "damaged");
  log_.make_durable();
  EXPECT_TRUE(eventually([&] { return ledger->snapshot().total.gaps == 1; }));
  EXPECT_EQ(ledger->snapshot().total.admitted, 2U);
  ledger->stop();
}

TEST_F(LedgerTest, CountsOnlyWhatIsDurable) {
  log_.hold_durable(true);
  exchange(1);
  const auto ledger = open();
  EXPECT_EQ(ledger->snapshot().total.admitted, 0U);
}

TEST_F(LedgerTest, GoesOnFromItsCheckpointAtEveryPlace) {
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const auto ledger = open();
    ledger->start();
    log_.append(support::request(exchange_id(i)));
    if (i % 2 == 0) log_.append(support::response(exchange_id(i - 1)));
    ledger->count_refused(431);
    ledger->stop();
    const LedgerSnapshot snapshot = ledger->snapshot();
    EXPECT_EQ(snapshot.total.admitted, i);
    EXPECT_EQ(snapshot.refused.at(431), i);
    EXPECT_TRUE(warnings_.empty());
  }
  // What the checkpoint holds no longer needs the log.
  log_.retire(log_.size());
  EXPECT_EQ(open()->snapshot().total.admitted, 20U);
  auto offline = read_ledger(files_, log_, "data/state");
  ASSERT_TRUE(offline.ok());
  EXPECT_EQ(offline->total.answered.legacy, 10U);
  EXPECT_EQ(offline->refused.at(431), 20U);
}

TEST_F(LedgerTest, ADamagedCheckpointIsSaidLoudlyAndTheLogFoldedAgain) {
  exchange(1);
  {
    const auto ledger = open();
    ledger->start();
    exchange(2);
    ledger->stop();
  }
  auto bytes = files_.read_file("data/state/ledger", 1 << 20);
  ASSERT_TRUE(bytes.ok());
  (*bytes)[bytes->size() / 2] ^= 1;
  ASSERT_TRUE(files_.write_file_atomically("data/state/ledger", *bytes).ok());
  const auto ledger = open();
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("checksum"), std::string::npos);
  EXPECT_EQ(ledger->snapshot().total.admitted, 2U);
  EXPECT_TRUE(ledger->snapshot().is_balanced());
}

TEST_F(LedgerTest, CommitsACursorThatPinsWhatItStillNeeds) {
  const auto ledger = open();
  ledger->start();
  exchange(1);
  ledger->stop();
  EXPECT_EQ(log_.load_cursor("ledger")->next_of("main"), Offset{2});
}

TEST_F(LedgerTest, BytesThatAreNoRecordCountAsAGap) {
  exchange(1);
  std::string bytes;
  model::encode(support::request(exchange_id(2)), bytes);
  // Not to the end of its head, at any place; another type; another version.
  std::uint64_t broken = 0;
  model::RequestRecord head;
  for (std::size_t size = 18; size < bytes.size(); ++size) {
    if (model::decode_head(std::string_view(bytes).substr(0, size), head).ok()) break;
    log_.append_encoded(bytes.substr(0, size));
    ++broken;
  }
  EXPECT_GT(broken, 40U);
  bytes[1] = 9;
  log_.append_encoded(bytes);
  const auto ledger = open();
  EXPECT_EQ(ledger->snapshot().total.admitted, 1U);
  EXPECT_EQ(ledger->snapshot().total.gaps, broken + 1);
}

// Which route, whether a copy is due: all the account needs stands in front of the fields.
TEST_F(LedgerTest, WhatStandsBehindTheHeadIsNotLookedAt) {
  std::string bytes;
  model::encode(support::request(exchange_id(1)), bytes);
  log_.append_encoded(bytes.substr(0, bytes.size() - 3));
  const auto ledger = open();
  EXPECT_EQ(ledger->snapshot().total.admitted, 1U);
  EXPECT_EQ(ledger->snapshot().total.gaps, 0U);
}

}  // namespace
}  // namespace banyan::ledger
