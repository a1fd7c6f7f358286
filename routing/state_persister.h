// SPDX-License-Identifier: Apache-2.0
//
// Keeps one small file equal to the newest content it was given, on a thread of its own, so that
// nobody who steers traffic ever waits for a disk he did not ask to wait for. Only the newest
// content counts: what was replaced before it was written is never written. Failed writes are tried
// again with a growing pause (100 ms to 5 s).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace banyan::routing {

class StatePersister {
 public:
  // `files` must live until a call that hangs inside of it has returned, even beyond this object.
  StatePersister(FileSystem& files, std::string directory, std::string name);
  // Tries once more if something is unwritten, waits at most `last_patience`, then leaves the
  // thread to a disk that hangs.
  ~StatePersister();
  StatePersister(const StatePersister&) = delete;
  StatePersister& operator=(const StatePersister&) = delete;

  // Never blocks. The answer numbers the content; wait() takes it. Any thread.
  std::uint64_t save(std::string content);
  // Until this content or a newer one is on disk; the disk's error as soon as a try to write it
  // failed; kUnavailable when `patience` passed. Any thread.
  Status wait(std::uint64_t number, std::chrono::nanoseconds patience);
  bool is_behind() const;
  std::uint64_t failures() const;
  std::string last_error() const;  // "" once all is written

  void set_last_patience(std::chrono::nanoseconds patience);

 private:
  struct Shared;
  static void run(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;
  std::chrono::nanoseconds last_patience_{std::chrono::seconds(2)};
};

}  // namespace banyan::routing
