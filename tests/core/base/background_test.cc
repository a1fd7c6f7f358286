// SPDX-License-Identifier: Apache-2.0
#include "core/base/background.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>

namespace banyan {
namespace {

struct Seen {
  std::string name;
  int policy = -1;
  int nice = -1;
};

Seen look() {
  Seen seen;
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof(name));
  seen.name = name;
  sched_param none{};
  pthread_getschedparam(pthread_self(), &seen.policy, &none);
  seen.nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
  return seen;
}

TEST(BackgroundTest, TheThreadThatAsksStepsBackAndNoOther) {
  const Seen before = look();
  Seen seen;
  std::thread([&] {
    run_in_background("steps-back");
    seen = look();
  }).join();
  EXPECT_EQ(seen.name, "steps-back");
  EXPECT_EQ(seen.policy, SCHED_BATCH);
  EXPECT_EQ(seen.nice, std::min(before.nice + kBackgroundNice, 19));
  EXPECT_EQ(look().nice, before.nice);
  EXPECT_EQ(look().policy, before.policy);
}

}  // namespace
}  // namespace banyan
