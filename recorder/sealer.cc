// SPDX-License-Identifier: Apache-2.0
#include "recorder/sealer.h"

#include <string>
#include <utility>

#include "core/base/background.h"
#include "core/base/hash.h"
#include "core/obs/log.h"
#include "recorder/meta.h"
#include "recorder/segment_reader.h"

namespace banyan::recorder {
namespace {

Error not_to_be_sealed(const Segment& segment, const char* why) {
  return make_error(ErrorCode::kUnsupported, ErrorOrigin::kDisk,
                    segment.path() + " gets no footer: " + why);
}

Result<SegmentNotes> read_notes(FileSystem& files, Segment& segment) {
  auto reader = segment.open_reader(files);
  if (!reader.ok()) return reader.error();
  SegmentNotes notes;
  notes.footer.index.end = segment.base();
  SegmentReader::Batch batch;
  while (true) {
    notes.end = (*reader)->position();
    const auto found = (*reader)->next(batch);
    if (!found.ok()) return found.error();
    // A footer that was torn by a crash lies behind the last record, and nothing else does.
    if (*found != SegmentReader::Found::kBatch) break;
    if (batch.header.base >= segment.end()) {
      return not_to_be_sealed(segment, "its end was written anew in the next segment");
    }
    notes.footer.index.add(batch.header, batch.position);
    notes.last_hash = batch.header.hash;
    PayloadReader payload(batch.payload);
    std::string_view record;
    Offset offset = batch.header.base;
    while (payload.next(record)) {
      notes.footer.add_record(offset, index_record(record));
      offset = offset.next();
    }
  }
  if (notes.footer.index.end != segment.end()) {
    return not_to_be_sealed(segment, "a part of it is damaged");
  }
  return notes;
}

// The footer's batch and the pointer to it.
Result<std::string> encode_batch_of(const SegmentNotes& notes, const Segment& segment,
                                    const DataKey* key) {
  const SegmentHeader& of = segment.header();
  const std::string plain = encode(notes.footer);
  if (plain.size() > kRecordBytesMax) return not_to_be_sealed(segment, "its footer is too large");
  BatchHeader header;
  header.is_footer = true;
  header.raw_bytes = static_cast<std::uint32_t>(plain.size());
  header.base = notes.footer.index.end;
  header.append_wall_ns = notes.footer.index.last_append_wall_ns;
  header.lane_sequence = random_u64();
  header.segment_uid = of.uid;
  header.durable = notes.end;
  header.previous_hash = notes.last_hash;
  std::string stored = plain;
  if (key != nullptr) {
    stored.clear();
    header.is_encrypted = true;
    key->encrypt(header, of.uuid, plain, stored);
  }
  header.stored_bytes = static_cast<std::uint32_t>(stored.size());
  header.payload_hash = xxh3_64(stored, of.seed());
  std::string bytes(kBatchHeaderBytes, '\0');
  encode_batch_header(header, of.seed(), bytes.data());
  bytes += stored;
  bytes.resize(header.bytes(), '\0');
  return bytes + encode_footer_pointer(notes.end);
}

}  // namespace

Status seal_segment(FileSystem& files, Segment& segment, std::unique_ptr<SegmentNotes> notes) {
  const auto present = segment.footer(files);
  if (present.ok()) return {};
  const ErrorCode code = present.error().code;
  if (code != ErrorCode::kNotFound && code != ErrorCode::kDamaged) return present.error();
  if (segment.header().version == 1) return not_to_be_sealed(segment, "its format has none");
  if (notes == nullptr) {
    auto read = read_notes(files, segment);
    if (!read.ok()) return read.error();
    notes = std::make_unique<SegmentNotes>(*std::move(read));
  }
  notes->footer.finish();
  const auto key = segment.data_key();
  if (!key.ok()) return key.error();
  const auto bytes = encode_batch_of(*notes, segment, key->get());
  if (!bytes.ok()) return bytes.error();
  auto file = files.open(segment.path(), FileSystem::Mode::kReadWriteExisting);
  if (!file.ok()) return file.error();
  BANYAN_RETURN_IF_ERROR((*file)->truncate(notes->end.value));
  BANYAN_RETURN_IF_ERROR((*file)->write_at(notes->end, *bytes));
  BANYAN_RETURN_IF_ERROR((*file)->sync());
  (*file)->forget_cached(Position{0}, notes->end);
  segment.set_bytes(notes->end.value + bytes->size());
  return {};
}

void Sealer::start(std::vector<std::shared_ptr<Segment>> backlog) {
  {
    MutexLock lock(mutex_);
    backlog_ = std::move(backlog);
  }
  thread_ = std::thread([this] {
    run_in_background("sealer");
    run();
  });
}

void Sealer::add(std::shared_ptr<Segment> segment, std::unique_ptr<SegmentNotes> notes) {
  {
    MutexLock lock(mutex_);
    waiting_.push_back(Waiting{std::move(segment), std::move(notes)});
  }
  wake_.notify_one();
}

void Sealer::stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
    backlog_.clear();
  }
  wake_.notify_one();
  thread_.join();
}

Sealer::Stats Sealer::stats() const {
  Stats stats;
  stats.sealed = sealed_.load(std::memory_order_relaxed);
  stats.left_out = left_out_.load(std::memory_order_relaxed);
  MutexLock lock(mutex_);
  stats.waiting = waiting_.size() + backlog_.size();
  return stats;
}

// The newest first: it is the one that people ask about.
Sealer::Waiting Sealer::next() {
  MutexLock lock(mutex_);
  while (waiting_.empty() && backlog_.empty() && !is_stopping_) lock.wait(wake_);
  Waiting next;
  if (!waiting_.empty()) {
    next = std::move(waiting_.back());
    waiting_.pop_back();
  } else if (!backlog_.empty()) {
    next.segment = std::move(backlog_.back());
    backlog_.pop_back();
  }
  return next;
}

void Sealer::run() {
  while (true) {
    Waiting waiting = next();
    if (waiting.segment == nullptr) return;
    const auto status = seal_segment(files_, *waiting.segment, std::move(waiting.notes));
    if (status.ok()) {
      sealed_.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    left_out_.fetch_add(1, std::memory_order_relaxed);
    // Retention may have been faster, and an older format is no news.
    const ErrorCode code = status.error().code;
    if (code != ErrorCode::kNotFound && code != ErrorCode::kUnsupported) {
      obs::log_warning("recorder",
                       "a sealed segment stays without its index: " + status.error().message);
    }
  }
}

}  // namespace banyan::recorder
