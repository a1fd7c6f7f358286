// SPDX-License-Identifier: Apache-2.0
#include "core/base/background.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

namespace banyan {

void run_in_background(const char* name) {
  (void)pthread_setname_np(pthread_self(), name);
  const sched_param none{};
  (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
  // In Linux the nice value is the thread's own (nice(2), "C library/kernel differences").
  (void)!::nice(kBackgroundNice);
}

}  // namespace banyan
