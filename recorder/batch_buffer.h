// SPDX-License-Identifier: Apache-2.0
//
// Records as they will stand in the file: batches one after the other, each behind room for its
// header. A lane fills a buffer, the sequencer has it written and readers of the tail hold it, so
// that a record is copied once, into the lane.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/mutex.h"
#include "core/model/record_codec.h"
#include "recorder/format.h"

namespace banyan::recorder {

// What a record may take in a buffer beside its own bytes: its length, and where it begins a batch
// the padding of the one before and the room for a header.
inline constexpr std::size_t kRecordOverheadBytesMax = 5 + kBatchAlignment - 1 + kBatchHeaderBytes;
// Memory of buffers that wait to be used again.
inline constexpr std::size_t kPooledBytesMax = 4U << 20;

struct BatchBuffer {
  struct Batch {
    std::size_t at = 0;   // of the header
    std::size_t end = 0;  // of the payload, without padding
    std::uint32_t records = 0;
  };
  std::string bytes;
  std::vector<Batch> batches;

  bool empty() const { return batches.empty(); }
  std::uint64_t records() const;
  // One record, with its length before it; in a further batch where this one would grow too large.
  void add(std::string_view encoded);
  // The same, written where it will stand.
  void add(const model::Unwritten& record);
  // Room for a header; the payload is to be appended to `bytes` and `end` and `records` to be set.
  Batch& begin_batch();
  // Pads what stands there to the alignment of batches.
  void pad();
  std::string_view payload(const Batch& batch) const;
  void clear();
  // So that its last batch has room for a record of this size, or is new.
  void make_room(std::size_t bytes);
  std::size_t memory_bytes() const {
    return sizeof(BatchBuffer) + bytes.capacity() + batches.capacity() * sizeof(Batch);
  }
};

// Buffers that were let go, for use again. Any thread.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  // An empty buffer with room for so much, better none that others have more use for; it comes back
  // here when the last holder lets go.
  std::shared_ptr<BatchBuffer> take(std::size_t expected_bytes = 0);
  std::size_t pooled_bytes() const;

 private:
  void give_back(std::unique_ptr<BatchBuffer> buffer);
  std::unique_ptr<BatchBuffer> take_free(std::size_t expected_bytes);

  mutable Mutex mutex_;
  std::vector<std::unique_ptr<BatchBuffer>> free_ GUARDED_BY(mutex_);
  std::size_t free_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace banyan::recorder
