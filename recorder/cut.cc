// SPDX-License-Identifier: Apache-2.0
#include "recorder/cut.h"

#include "core/base/hash.h"
#include "core/codec/lz4.h"
#include "core/codec/zstd_block.h"
#include "recorder/segment_reader.h"

namespace banyan::recorder {
namespace {

constexpr std::size_t kCompressBytesMin = 256;

}  // namespace

Cut::Cut(Offset base, std::int64_t append_wall_ns, Storing storing, BufferPool& pool)
    : base_(base),
      end_(base),
      append_wall_ns_(append_wall_ns),
      storing_(std::move(storing)),
      seed_(xxh3_64(storing_.uuid)),
      pool_(&pool) {}

// Compresses, then encrypts what is to be of the payload, behind the room for its header.
void Cut::store(std::string_view payload, BatchHeader& header, BatchBuffer& stored) const {
  using Compression = RecorderOptions::Compression;
  BatchBuffer::Batch& batch = stored.begin_batch();
  std::string& out = stored.bytes;
  const std::size_t at = out.size();
  if (payload.size() >= kCompressBytesMin) {
    if (storing_.compression == Compression::kLz4 && codec::lz4_compress(payload, out) > 0) {
      header.codec = Codec::kLz4;
    }
    if (storing_.compression == Compression::kZstd && codec::zstd_compress(payload, out) > 0) {
      header.codec = Codec::kZstd;
    }
  }
  if (storing_.key != nullptr) {
    std::string packed;
    if (header.codec != Codec::kNone) packed = out.substr(at);
    out.resize(at);
    header.is_encrypted = true;
    storing_.key->encrypt(header, storing_.uuid, header.codec == Codec::kNone ? payload : packed,
                          out);
  } else if (header.codec == Codec::kNone) {
    out.append(payload);
  }
  batch.end = out.size();
  batch.records = header.record_count;
}

void Cut::add(std::shared_ptr<BatchBuffer> buffer, std::uint16_t lane, std::uint64_t last) {
  if (buffer->empty()) return;
  buffer->pad();
  const std::uint64_t records = buffer->records();
  std::uint64_t sequence = last >= records ? last - records + 1 : 0;
  const auto stored = stores_as_is() ? buffer : pool_->take(buffer->bytes.size());
  for (std::size_t i = 0; i < buffer->batches.size(); ++i) {
    const std::string_view raw = buffer->payload(buffer->batches[i]);
    Batch batch;
    batch.header.raw_bytes = static_cast<std::uint32_t>(raw.size());
    batch.header.base = end_;
    batch.header.record_count = buffer->batches[i].records;
    batch.header.append_wall_ns = append_wall_ns_;
    batch.header.lane = lane;
    batch.header.lane_sequence = sequence;
    if (stored != buffer) store(raw, batch.header, *stored);
    const std::string_view payload = stored->payload(stored->batches[i]);
    batch.header.stored_bytes = static_cast<std::uint32_t>(payload.size());
    batch.header.payload_hash = xxh3_64(payload, seed_);
    batch.buffer = stored_.size();
    batch.at = bytes_ + stored->batches[i].at;
    batch.place = stored->batches[i].at;
    sequence += batch.header.record_count;
    end_.value += batch.header.record_count;
    raw_bytes_ += batch.header.raw_bytes;
    batches_.push_back(std::move(batch));
  }
  if (stored != buffer) stored->pad();
  bytes_ += stored->bytes.size();
  stored_.push_back(stored);
  raw_.push_back(std::move(buffer));
}

void Cut::index_records() {
  if (raw_.empty()) return;
  auto out = std::make_shared<TailBatch>();
  out->base = base_;
  out->append_wall_ns = append_wall_ns_;
  out->records.reserve(records());
  for (const auto& buffer : raw_) {
    for (const BatchBuffer::Batch& batch : buffer->batches) {
      PayloadReader payload(buffer->payload(batch));
      std::string_view record;
      KindSpan span{out->end(), {}, {}};
      while (payload.next(record)) {
        out->add(index_record(record));
        span.kinds = span.kinds | out->records.back().kind;
      }
      span.end = out->end();
      out->spans.push_back(span);
    }
  }
  CHECK(out->end() == end_);
  out->buffers.assign(raw_.begin(), raw_.end());
  raw_.clear();
  indexed_ = std::move(out);
}

std::shared_ptr<const TailBatch> Cut::take_tail_batch() {
  index_records();
  return std::exchange(indexed_, nullptr);
}

}  // namespace banyan::recorder
