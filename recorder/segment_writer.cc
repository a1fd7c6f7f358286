// SPDX-License-Identifier: Apache-2.0
#include "recorder/segment_writer.h"

#include <utility>

#include "core/base/hash.h"
#include "core/codec/lz4.h"

namespace banyan::recorder {
namespace {

constexpr std::size_t kCompressBytesMin = 256;
constexpr std::size_t kCutKeptBytesMax = 8U << 20;

}  // namespace

void Cut::begin(Offset base, std::int64_t append_wall_ns, std::uint64_t seed,
                RecorderOptions::Compression compression) {
  base_ = base;
  end_ = base;
  append_wall_ns_ = append_wall_ns;
  seed_ = seed;
  compression_ = compression;
}

void Cut::add(const LaneBuffer& buffer) {
  if (buffer.empty()) return;
  const std::string_view all = buffer.bytes;
  std::size_t at = 0;
  for (const LaneBuffer::Split& split : buffer.splits) {
    add_batch(all.substr(at, split.end - at), split.records);
    at = split.end;
  }
  add_batch(all.substr(at), buffer.records);
}

void Cut::add_batch(std::string_view payload, std::uint32_t records) {
  Batch batch;
  batch.at = bytes_.size();
  bytes_.append(kBatchHeaderBytes, '\0');
  const bool is_compressed = compression_ == RecorderOptions::Compression::kLz4 &&
                             payload.size() >= kCompressBytesMin &&
                             codec::lz4_compress(payload, bytes_) > 0;
  if (!is_compressed) bytes_.append(payload);
  const std::string_view stored = std::string_view(bytes_).substr(batch.at + kBatchHeaderBytes);
  batch.header.codec = is_compressed ? Codec::kLz4 : Codec::kNone;
  batch.header.stored_bytes = static_cast<std::uint32_t>(stored.size());
  batch.header.raw_bytes = static_cast<std::uint32_t>(payload.size());
  batch.header.base = end_;
  batch.header.record_count = records;
  batch.header.append_wall_ns = append_wall_ns_;
  batch.header.payload_hash = xxh3_64(stored, seed_);
  bytes_.resize(batch.at + batch_bytes(stored.size()), '\0');
  end_.value += records;
  batches_.push_back(batch);
}

void Cut::clear() {
  if (bytes_.capacity() > kCutKeptBytesMax) bytes_ = std::string();
  bytes_.clear();
  batches_.clear();
  lane_ends.clear();
}

SegmentWriter::SegmentWriter(std::shared_ptr<File> file, std::shared_ptr<Segment> segment)
    : file_(std::move(file)), segment_(std::move(segment)), seed_(segment_->header().seed()) {}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(FileSystem& files,
                                                             const std::string& stream_directory,
                                                             SegmentHeader header,
                                                             std::uint64_t reserve_bytes) {
  const std::string path = stream_directory + "/" + segment_name(header.base);
  auto opened = files.open(path, FileSystem::Mode::kCreateNew);
  if (!opened.ok()) return opened.error();
  const std::shared_ptr<File> file = *std::move(opened);
  // Behind a failure nothing was published, so the file may go at once; its name is needed again.
  const auto undo = [&](Error error) {
    (void)files.remove(path);
    return error;
  };
  if (auto status = file->reserve(reserve_bytes); !status.ok()) return undo(status.error());
  if (auto status = file->write_at(Position{0}, encode(header)); !status.ok()) {
    return undo(status.error());
  }
  if (auto status = files.sync_directory(stream_directory); !status.ok()) {
    return undo(status.error());
  }
  auto segment = std::make_shared<Segment>(path, std::move(header));
  segment->lend(file);
  segment->set_bytes(kSegmentHeaderBytes);
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(file, std::move(segment)));
}

Status SegmentWriter::write(Cut& cut) {
  Position at = at_;
  std::uint64_t previous = previous_hash_;
  for (Cut::Batch& batch : cut.batches_) {
    batch.header.segment_uid = segment_->header().uid;
    batch.header.durable = durable_;
    batch.header.previous_hash = previous;
    encode_batch_header(batch.header, seed_, cut.bytes_.data() + batch.at);
    previous = batch.header.hash;
  }
  BANYAN_RETURN_IF_ERROR(file_->write_at(at, cut.bytes_));
  for (const Cut::Batch& batch : cut.batches_) {
    segment_->note_batch(batch.header, Position{at.value + batch.at});
  }
  at_.value += cut.bytes_.size();
  previous_hash_ = previous;
  segment_->set_bytes(at_.value);
  return {};
}

Status SegmentWriter::sync() {
  BANYAN_RETURN_IF_ERROR(file_->sync());
  durable_ = at_;
  return {};
}

void SegmentWriter::seal(FileSystem& files) {
  // Both only save space and time: a failure changes nothing for anybody.
  (void)file_->truncate(at_.value);
  (void)files.write_file_atomically(index_path_of(segment_->path()),
                                    encode(segment_->index_snapshot(), segment_->header()));
}

}  // namespace banyan::recorder
