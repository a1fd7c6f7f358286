// SPDX-License-Identifier: Apache-2.0
#include "recorder/publish_signal.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

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
    signal.wait(signal.count(), kVerdicts, kPatience, interrupted);
    was_woken_for_it = is_there.load();
  });
  ASSERT_TRUE(wait_until([&] { return signal.waiters() == 1; }));
  for (int i = 0; i < 1000; ++i) signal.publish(kRequests);
  EXPECT_EQ(signal.waiters(), 1);
  is_there = true;
  signal.publish(kRequests | kVerdicts);
  waiter.join();
  EXPECT_TRUE(was_woken_for_it);
  EXPECT_EQ(signal.waiters(), 0);
}

TEST(PublishSignalTest, EachWaiterIsWokenForItsOwn) {
  PublishSignal signal;
  std::atomic<bool> interrupted[2] = {false, false};
  std::thread verdicts([&] { signal.wait(signal.count(), kVerdicts, kPatience, interrupted[0]); });
  std::thread requests([&] { signal.wait(signal.count(), kRequests, kPatience, interrupted[1]); });
  ASSERT_TRUE(wait_until([&] { return signal.waiters() == 2; }));
  signal.publish(kRequests);
  requests.join();
  EXPECT_EQ(signal.waiters(), 1);
  signal.publish(kVerdicts);
  verdicts.join();
}

// What was published between a look and the wait: it may have been wanted.
TEST(PublishSignalTest, WhatCameBeforeTheWaitIsNotSleptOver) {
  PublishSignal signal;
  std::atomic<bool> interrupted{false};
  const std::uint64_t seen = signal.count();
  signal.publish(kVerdicts);
  const auto began = std::chrono::steady_clock::now();
  signal.wait(seen, kVerdicts, kPatience, interrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - began, kPatience / 2);
}

TEST(PublishSignalTest, ListenersAreToldWhatIsNew) {
  PublishSignal signal;
  std::vector<RecordKinds> told;
  auto handle = signal.add_listener([&told](RecordKinds kinds) { told.push_back(kinds); });
  signal.publish(kRequests);
  signal.publish(RecordKinds::all());
  handle.reset();
  signal.publish(kVerdicts);
  EXPECT_EQ(told, (std::vector<RecordKinds>{kRequests, RecordKinds::all()}));
}

}  // namespace
}  // namespace banyan::recorder
