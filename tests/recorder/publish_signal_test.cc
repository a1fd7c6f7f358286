// SPDX-License-Identifier: Apache-2.0
#include "recorder/publish_signal.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using model::Fence;
using model::RecordKinds;
using model::RecordType;

constexpr std::chrono::seconds kPatience{60};
const RecordKinds kVerdicts = RecordKinds::of({RecordType::kVerdict});
const RecordKinds kRequests = RecordKinds::of({RecordType::kRequest});

TEST(PublishSignalTest, WhoWaitsSleepsOverWhatItHasNoUseFor) {
  PublishSignal signal;
  std::atomic<bool> interrupted{false};
  std::atomic<bool> is_there{false};
  std::atomic<bool> was_woken_for_it{false};
  std::thread waiter([&] {
    signal.wait(signal.count(Fence::kWritten), {Fence::kWritten, kVerdicts}, kPatience,
                interrupted);
    was_woken_for_it = is_there.load();
  });
  ASSERT_TRUE(wait_until([&] { return signal.waiters() == 1; }));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(signal.publish(Fence::kWritten, kRequests));
  EXPECT_EQ(signal.waiters(), 1);
  is_there = true;
  EXPECT_TRUE(signal.publish(Fence::kWritten, kRequests | kVerdicts));
  waiter.join();
  EXPECT_TRUE(was_woken_for_it);
  EXPECT_EQ(signal.waiters(), 0);
}

TEST(PublishSignalTest, EachWaiterIsWokenForItsOwn) {
  PublishSignal signal;
  std::atomic<bool> interrupted[2] = {false, false};
  const auto wait_for = [&](RecordKinds kinds, std::atomic<bool>& flag) {
    signal.wait(signal.count(Fence::kWritten), {Fence::kWritten, kinds}, kPatience, flag);
  };
  std::thread verdicts([&] { wait_for(kVerdicts, interrupted[0]); });
  std::thread requests([&] { wait_for(kRequests, interrupted[1]); });
  ASSERT_TRUE(wait_until([&] { return signal.waiters() == 2; }));
  signal.publish(Fence::kWritten, kRequests);
  requests.join();
  EXPECT_EQ(signal.waiters(), 1);
  signal.publish(Fence::kWritten, kVerdicts);
  verdicts.join();
}

TEST(PublishSignalTest, WhoReadsWhatIsDurableSleepsOverWhatIsWritten) {
  PublishSignal signal;
  std::atomic<bool> interrupted{false};
  std::thread waiter([&] {
    signal.wait(signal.count(Fence::kDurable), {Fence::kDurable, RecordKinds::all()}, kPatience,
                interrupted);
  });
  ASSERT_TRUE(wait_until([&] { return signal.waiters() == 1; }));
  const std::uint64_t durable = signal.count(Fence::kDurable);
  const std::uint64_t written = signal.count(Fence::kWritten);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(signal.publish(Fence::kWritten, kRequests));
  EXPECT_EQ(signal.waiters(), 1);
  EXPECT_EQ(signal.count(Fence::kDurable), durable);
  EXPECT_EQ(signal.count(Fence::kWritten), written + 1000);
  EXPECT_TRUE(signal.publish(Fence::kDurable, RecordKinds::all()));
  waiter.join();
  EXPECT_EQ(signal.count(Fence::kDurable), durable + 1);
  EXPECT_EQ(signal.count(Fence::kWritten), written + 1001);  // It is written as well.
}

// What was published between a look and the wait: it may have been wanted.
TEST(PublishSignalTest, WhatCameBeforeTheWaitIsNotSleptOver) {
  PublishSignal signal;
  std::atomic<bool> interrupted{false};
  const std::uint64_t seen = signal.count(Fence::kWritten);
  signal.publish(Fence::kWritten, kVerdicts);
  const auto began = std::chrono::steady_clock::now();
  signal.wait(seen, {Fence::kWritten, kVerdicts}, kPatience, interrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - began, kPatience / 2);
}

TEST(PublishSignalTest, ListenersAreToldWhatIsNew) {
  PublishSignal signal;
  std::vector<RecordKinds> told;
  auto handle = signal.add_listener([&told](RecordKinds kinds) {
    told.push_back(kinds);
    return kinds.meets(kVerdicts);
  });
  EXPECT_FALSE(signal.publish(Fence::kWritten, kRequests));
  EXPECT_TRUE(signal.publish(Fence::kDurable, RecordKinds::all()));
  handle.reset();
  EXPECT_FALSE(signal.publish(Fence::kWritten, kVerdicts));
  EXPECT_EQ(told, (std::vector<RecordKinds>{kRequests, RecordKinds::all()}));
}

}  // namespace
}  // namespace banyan::recorder
