// SPDX-License-Identifier: Apache-2.0
#include "recorder/cut.h"

#include "core/base/hash.h"
#include "core/codec/lz4.h"
#include "recorder/segment_reader.h"

namespace banyan::recorder {
namespace {

constexpr std::size_t kCompressBytesMin = 256;

}  // namespace

Cut::Cut(Offset base, std::int64_t append_wall_ns, std::uint64_t seed,
         RecorderOptions::Compression compression, BufferPool& pool)
    : base_(base),
      end_(base),
      append_wall_ns_(append_wall_ns),
      seed_(seed),
      compression_(compression),
      pool_(&pool) {}

std::shared_ptr<BatchBuffer> Cut::compress(const BatchBuffer& raw) const {
  auto stored = pool_->take();
  for (const BatchBuffer::Batch& batch : raw.batches) {
    const std::string_view payload = raw.payload(batch);
    BatchBuffer::Batch& packed = stored->begin_batch();
    packed.records = batch.records;
    if (payload.size() >= kCompressBytesMin && codec::lz4_compress(payload, stored->bytes) > 0) {
      packed.codec = Codec::kLz4;
    } else {
      stored->bytes.append(payload);
    }
    packed.end = stored->bytes.size();
  }
  stored->pad();
  return stored;
}

void Cut::add(std::shared_ptr<BatchBuffer> buffer) {
  if (buffer->empty()) return;
  buffer->pad();
  const auto stored =
      compression_ == RecorderOptions::Compression::kLz4 ? compress(*buffer) : buffer;
  for (std::size_t i = 0; i < stored->batches.size(); ++i) {
    const BatchBuffer::Batch& from = stored->batches[i];
    const std::string_view payload = stored->payload(from);
    Batch batch;
    batch.header.codec = from.codec;
    batch.header.stored_bytes = static_cast<std::uint32_t>(payload.size());
    batch.header.raw_bytes = static_cast<std::uint32_t>(buffer->payload(buffer->batches[i]).size());
    batch.header.base = end_;
    batch.header.record_count = from.records;
    batch.header.append_wall_ns = append_wall_ns_;
    batch.header.payload_hash = xxh3_64(payload, seed_);
    batch.place = stored->bytes.data() + from.at;
    batch.at = bytes_ + from.at;
    end_.value += from.records;
    raw_bytes_ += batch.header.raw_bytes;
    batches_.push_back(batch);
  }
  bytes_ += stored->bytes.size();
  stored_.push_back(stored);
  raw_.push_back(std::move(buffer));
}

std::shared_ptr<const TailBatch> Cut::take_tail_batch() {
  if (raw_.empty()) return nullptr;
  auto out = std::make_shared<TailBatch>();
  out->base = base_;
  out->append_wall_ns = append_wall_ns_;
  out->records.reserve(records());
  for (const auto& buffer : raw_) {
    for (const BatchBuffer::Batch& batch : buffer->batches) {
      PayloadReader payload(buffer->payload(batch));
      std::string_view record;
      while (payload.next(record)) out->records.push_back(index_record(record));
    }
  }
  CHECK(out->end() == end_);
  out->buffers.assign(raw_.begin(), raw_.end());
  raw_.clear();
  return out;
}

}  // namespace banyan::recorder
