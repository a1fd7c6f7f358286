// SPDX-License-Identifier: Apache-2.0
//
// Threads that no client waits for: docs/decisions/0041-clients-first.md.
#pragma once

namespace banyan {

// Added to the thread's nice value: about a tenth of the weight of a thread that serves clients
// (sched(7): each step is worth about a fifth more or less).
inline constexpr int kBackgroundNice = 10;

// Names the calling thread (at most 15 bytes) and puts it behind those that serve clients:
// SCHED_BATCH, so that its wake-up interrupts nobody, and kBackgroundNice, so that without an idle
// core the clients' requests go first. Once per thread. Where the kernel refuses, the thread works
// as any other.
void run_in_background(const char* name);

}  // namespace banyan
