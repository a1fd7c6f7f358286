// SPDX-License-Identifier: Apache-2.0
#include "recorder/batch_buffer.h"

#include <utility>

#include "core/base/bytes.h"

namespace banyan::recorder {
namespace {

// A larger buffer that was filled to less than a quarter grew in a burst that is over; used again
// it would only tie up memory.
constexpr std::size_t kSpaciousBytesMin = 16U << 10;

bool is_worth_keeping(const BatchBuffer& buffer) {
  const std::size_t capacity = buffer.bytes.capacity();
  return capacity < kSpaciousBytesMin || buffer.bytes.size() >= capacity / 4;
}

}  // namespace

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

void BatchBuffer::add(std::string_view encoded) {
  // A batch ends before the record that would take it past its target.
  if (batches.empty() || payload(batches.back()).size() + encoded.size() > kBatchBytesTarget) {
    begin_batch();
  }
  ByteWriter(bytes).bytes(encoded);
  batches.back().end = bytes.size();
  ++batches.back().records;
}

std::string_view BatchBuffer::payload(const Batch& batch) const {
  const std::size_t begin = batch.at + kBatchHeaderBytes;
  return std::string_view(bytes).substr(begin, batch.end - begin);
}

void BatchBuffer::clear() {
  bytes.clear();
  batches.clear();
}

std::shared_ptr<BatchBuffer> BufferPool::take() {
  std::unique_ptr<BatchBuffer> buffer;
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      buffer = std::move(free_.back());
      free_.pop_back();
      free_bytes_ -= buffer->memory_bytes();
    }
  }
  if (buffer == nullptr) buffer = std::make_unique<BatchBuffer>();
  return std::shared_ptr<BatchBuffer>(buffer.release(),
                                      [pool = shared_from_this()](BatchBuffer* let_go) {
                                        pool->give_back(std::unique_ptr<BatchBuffer>(let_go));
                                      });
}

void BufferPool::give_back(std::unique_ptr<BatchBuffer> buffer) {
  if (!is_worth_keeping(*buffer)) return;
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
