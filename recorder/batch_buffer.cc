// SPDX-License-Identifier: Apache-2.0
#include "recorder/batch_buffer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/prefetch.h"

namespace banyan::recorder {
namespace {

// A buffer with room for more than so many times what is expected grew in a burst; here it would
// only tie up memory of the tail. Small ones do for anything.
constexpr std::size_t kSpaciousTimes = 8;
constexpr std::size_t kSpaciousBytesMin = 16U << 10;

constexpr std::size_t kFetchedAheadBytes = 1536;

bool is_spacious(const BatchBuffer& buffer, std::size_t expected_bytes) {
  const std::size_t capacity = buffer.bytes.capacity();
  return capacity >= kSpaciousBytesMin && capacity / kSpaciousTimes >= expected_bytes;
}

}  // namespace

std::uint64_t BatchBuffer::records() const {
  std::uint64_t count = 0;
  for (const Batch& batch : batches) count += batch.records;
  return count;
}

void BatchBuffer::pad() {
  const std::size_t over = bytes.size() % kBatchAlignment;
  if (over != 0) bytes.append(kBatchAlignment - over, '\0');
}

BatchBuffer::Batch& BatchBuffer::begin_batch() {
  pad();
  Batch& batch = batches.emplace_back();
  batch.at = bytes.size();
  bytes.append(kBatchHeaderBytes, '\0');
  batch.end = bytes.size();
  return batch;
}

// A batch ends before the record that would take it past its target.
void BatchBuffer::make_room(std::size_t size) {
  if (batches.empty() || payload(batches.back()).size() + size > kBatchBytesTarget) begin_batch();
}

void BatchBuffer::add(std::string_view encoded) {
  make_room(encoded.size());
  ByteWriter(bytes).bytes(encoded);
  batches.back().end = bytes.size();
  ++batches.back().records;
}

// The length stands before the record and is known behind it: it gets the place that it may need
// at most, which is nearly always what it does need.
void BatchBuffer::add(const model::Unwritten& record) {
  make_room(record.bytes_max());
  const std::size_t at = bytes.size();
  const std::size_t place = varint_bytes(record.bytes_max());
  bytes.append(place, '\0');
  record.append_to(bytes);
  const std::size_t size = bytes.size() - at - place;
  const std::size_t needed = varint_bytes(size);
  if (needed < place) bytes.erase(at, place - needed);
  put_varint(bytes.data() + at, size);
  batches.back().end = bytes.size();
  ++batches.back().records;
  // The memory has gone round through the tail since it was last written to. Part of the next
  // record's place is at hand when it comes.
  prefetch_to_write(bytes.data() + bytes.size(),
                    std::min(bytes.capacity() - bytes.size(), kFetchedAheadBytes));
}

std::string_view BatchBuffer::payload(const Batch& batch) const {
  const std::size_t begin = batch.at + kBatchHeaderBytes;
  return std::string_view(bytes).substr(begin, batch.end - begin);
}

void BatchBuffer::clear() {
  bytes.clear();
  batches.clear();
}

// The smallest that is large enough, or else the largest; null where none fits the purpose.
std::unique_ptr<BatchBuffer> BufferPool::take_free(std::size_t expected_bytes) {
  MutexLock lock(mutex_);
  if (free_.empty()) return nullptr;
  const auto rank = [expected_bytes](const std::unique_ptr<BatchBuffer>& buffer) {
    const std::size_t capacity = buffer->bytes.capacity();
    return capacity >= expected_bytes ? capacity
                                      : std::numeric_limits<std::size_t>::max() - capacity;
  };
  const auto best = std::min_element(
      free_.begin(), free_.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  if (is_spacious(**best, expected_bytes)) return nullptr;
  std::swap(*best, free_.back());
  std::unique_ptr<BatchBuffer> buffer = std::move(free_.back());
  free_.pop_back();
  free_bytes_ -= buffer->memory_bytes();
  return buffer;
}

std::shared_ptr<BatchBuffer> BufferPool::take(std::size_t expected_bytes) {
  std::unique_ptr<BatchBuffer> buffer = take_free(expected_bytes);
  if (buffer == nullptr) buffer = std::make_unique<BatchBuffer>();
  // Some more, so that the next one a little larger fits as well.
  if (buffer->bytes.capacity() < expected_bytes) {
    buffer->bytes.reserve(expected_bytes + expected_bytes / 4);
  }
  return std::shared_ptr<BatchBuffer>(buffer.release(),
                                      [pool = shared_from_this()](BatchBuffer* let_go) {
                                        pool->give_back(std::unique_ptr<BatchBuffer>(let_go));
                                      });
}

void BufferPool::give_back(std::unique_ptr<BatchBuffer> buffer) {
  buffer->clear();
  const std::size_t bytes = buffer->memory_bytes();
  MutexLock lock(mutex_);
  if (free_bytes_ + bytes > kPooledBytesMax) return;
  free_bytes_ += bytes;
  free_.push_back(std::move(buffer));
}

std::size_t BufferPool::pooled_bytes() const {
  MutexLock lock(mutex_);
  return free_bytes_;
}

}  // namespace banyan::recorder
