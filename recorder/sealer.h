// SPDX-License-Identifier: Apache-2.0
//
// Gives sealed segments their footers, on a thread of its own so that appends never wait for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "core/base/file_system.h"
#include "core/base/mutex.h"
#include "recorder/catalog.h"

namespace banyan::recorder {

// add() and stop(): the owner. Stats: any thread.
class Sealer {
 public:
  explicit Sealer(FileSystem& files) : files_(files) {}
  ~Sealer() { stop(); }
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  // `backlog`: segments of earlier starts, perhaps without a footer. They come last, and a stop
  // does not wait for them.
  void start(std::vector<std::shared_ptr<Segment>> backlog);
  // Nothing is written to it any more but its footer. Without notes it is read again for them.
  void add(std::shared_ptr<Segment> segment, std::unique_ptr<SegmentNotes> notes);
  // What was added still gets its footer.
  void stop();

  struct Stats {
    std::uint64_t sealed = 0;    // got a footer here
    std::uint64_t left_out = 0;  // damaged or superseded, or their disk failed
    std::uint64_t waiting = 0;
  };
  Stats stats() const;

 private:
  struct Waiting {
    std::shared_ptr<Segment> segment;
    std::unique_ptr<SegmentNotes> notes;  // null: none
  };

  void run();
  // No segment when it shall end.
  Waiting next();

  FileSystem& files_;
  std::thread thread_;
  mutable Mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> waiting_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Segment>> backlog_ GUARDED_BY(mutex_);
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::atomic<std::uint64_t> sealed_{0};
  std::atomic<std::uint64_t> left_out_{0};
};

// Appends the footer and syncs it; nothing where the segment has one. `notes`, if any, were made
// while all of it was written. kUnsupported where it is not to have one: older format, damaged, or
// its end was written anew elsewhere.
Status seal_segment(FileSystem& files, Segment& segment,
                    std::unique_ptr<SegmentNotes> notes = nullptr);

}  // namespace banyan::recorder
