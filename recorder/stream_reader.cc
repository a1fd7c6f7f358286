// SPDX-License-Identifier: Apache-2.0
#include "recorder/stream_reader.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/base/clock.h"
#include "core/base/prefetch.h"

namespace banyan::recorder {
namespace {

// A segment that vanishes between locate() and open() was taken by retention; look again, but not
// for ever.
constexpr int kLocateTriesMax = 8;
// Records of a file's batch that are indexed at once; a hostile batch may claim millions.
constexpr std::size_t kRowRecordsMax = 256;
// Beside a writer in a rush a reader of files rests so many times as long as it worked, so that it
// takes a sixteenth of a core and of the disk. At most so long at once: it may be interrupted.
constexpr std::int64_t kRestTimes = 15;
constexpr std::int64_t kRestNsMax = 20'000'000;

}  // namespace

Result<bool> StreamReader::look() {
  while (true) {
    if (hole_ || has_row()) return true;
    if (fill_row()) continue;
    row_ = nullptr;
    tail_batch_ = nullptr;
    // Asked before each batch: the fence may also have gone back, where a failed segment is being
    // written anew. It stands between batches only, so a batch is read whole.
    fence_ = catalog_->fence(fence_kind_);
    if (next_ >= fence_) {
      become_follower();
      return false;
    }
    if (follow_tail() || pass_spans()) continue;
    const auto step =
        segment_ == nullptr || next_ >= segment_->end() ? enter_segment() : read_batch();
    if (!step.ok()) return step.error();
    if (*step == Step::kNothing) return false;
  }
}

// Only in the tail, and over the batches that it remembers (pass_spans), whose bounds are also
// those of what one look may pass over: who reads a long log has to hear of the way he made.
void StreamReader::pass_unwanted() {
  if (row_ != tail_batch_.get() || next_ >= row_->end()) return;
  if (!row_->kinds.meets(wanted_)) {
    next_ = row_->end();
    return;
  }
  const IndexedRecord* record = &row_->records[next_.value - row_->base.value];
  const IndexedRecord* const end = row_->records.data() + row_->records.size();
  while (record != end && !record->kind.meets(wanted_)) {
    ++record;
    ++next_.value;
  }
}

void StreamReader::take(model::SourcedRecord& out) {
  if (hole_) {
    give_hole(out, hole_->end, hole_->cause);
    hole_.reset();
    return;
  }
  const std::size_t at = next_.value - row_->base.value;
  const IndexedRecord& record = row_->records[at];
  taken_wall_ns_ = row_->append_wall_ns;
  if (record.encoded.empty()) {
    // The checksum was right, so a writer of ours went wrong; still no reason to stop reading.
    give_hole(out, next_.next(), "damaged");
    return;
  }
  out.kind = model::SourcedRecord::Kind::kRecord;
  out.stream = catalog_->stream();
  out.offset = next_;
  out.append_wall_ns = row_->append_wall_ns;
  out.encoded = record.encoded;
  out.type = record.type;
  out.exchange = record.exchange;
  next_ = next_.next();
  if (next_ < row_->end()) prefetch(row_->records[at + 1].encoded, kRecordStartBytes);
}

void StreamReader::give_hole(model::SourcedRecord& out, Offset end, std::string_view cause) {
  out = model::SourcedRecord{};
  out.kind = model::SourcedRecord::Kind::kHole;
  out.stream = catalog_->stream();
  out.offset = next_;
  out.hole_end = end;
  out.hole_cause = cause;
  next_ = end;
}

// Who has come to the end will come again, so the tail waits for him from now on; who looks for
// something and goes never gets here.
void StreamReader::become_follower() {
  if (!catalog_->is_live()) return;
  if (place_ == nullptr) place_ = std::make_unique<TailPlace>(catalog_->tail(), next_);
  place_->move_to(next_);
}

bool StreamReader::follow_tail() {
  if (!catalog_->is_live()) return false;
  tail_batch_ = catalog_->tail().find(next_);
  if (tail_batch_ == nullptr) return false;
  row_ = tail_batch_.get();
  if (place_ != nullptr) place_->move_to(row_->end());
  // The place in the file is not followed meanwhile.
  segment_ = nullptr;
  reader_ = nullptr;
  return true;
}

// Of a file that lies behind the tail: over batches without anything that is wanted.
bool StreamReader::pass_spans() {
  if (wanted_ == model::RecordKinds::all() || !catalog_->is_live()) return false;
  const Offset to = catalog_->tail().pass_over(next_, wanted_, fence_);
  if (to == next_) return false;
  next_ = to;
  return true;
}

// The next row of the file's batch at hand. False where it has none.
bool StreamReader::fill_row() {
  if (at_ >= batch_end_) return false;
  file_row_.base = at_;
  file_row_.clear();
  std::string_view record;
  while (file_row_.records.size() < kRowRecordsMax && at_ < batch_end_ && payload_.next(record)) {
    file_row_.add(index_record(record));
    at_ = at_.next();
  }
  row_ = &file_row_;
  if (!file_row_.records.empty()) return true;
  hole_ = Hole{batch_end_, "damaged"};  // Fewer records than the header says, or malformed ones.
  at_ = batch_end_;
  return true;
}

Result<StreamReader::Step> StreamReader::enter_segment() {
  segment_ = nullptr;
  Error last;
  for (int i = 0; i < kLocateTriesMax; ++i) {
    const Catalog::Place place = catalog_->locate(next_);
    if (place.segment == nullptr) return Step::kNothing;
    auto reader = place.segment->open_reader(files_);
    if (!reader.ok()) {
      last = reader.error();
      if (last.code != ErrorCode::kNotFound) return last;
      if (!catalog_->is_live()) BANYAN_RETURN_IF_ERROR(catalog_->refresh(files_));
      continue;
    }
    const auto position = place.segment->position_of(files_, place.offset);
    if (!position.ok()) return position.error();
    segment_ = place.segment;
    reader_ = *std::move(reader);
    reader_->seek(*position);
    if (place.has_hole) {
      hole_ = Hole{place.offset, place.hole_cause};
    } else {
      next_ = place.offset;
    }
    return Step::kAgain;
  }
  return last;
}

// Threads of readers may lower their priority but not raise it again, so the pause is made here.
// Who is this far behind cannot catch up with a writer at full speed anyway; the writer's clients
// count.
void StreamReader::make_way() {
  if (!catalog_->is_live() || !catalog_->is_rushed(SystemClock::instance().mono_ns())) {
    worked_ns_ = 0;
    return;
  }
  const std::int64_t rest_ns = std::min(worked_ns_ * kRestTimes, kRestNsMax);
  std::this_thread::sleep_for(std::chrono::nanoseconds(rest_ns));
  catalog_->count_rest(rest_ns);
  worked_ns_ = 0;
}

Result<StreamReader::Step> StreamReader::read_batch() {
  make_way();
  const std::int64_t began_ns = SystemClock::instance().mono_ns();
  auto step = next_batch();
  worked_ns_ += SystemClock::instance().mono_ns() - began_ns;
  return step;
}

Result<StreamReader::Step> StreamReader::next_batch() {
  SegmentReader::Batch batch;
  const Position at = reader_->position();
  auto found = reader_->next(batch, SegmentReader::Check::kHeader);
  if (!found.ok()) return found.error();
  if (*found == SegmentReader::Found::kBatch) {
    // Before the place that was asked for: its payload is not read.
    if (batch.header.end() <= next_) return Step::kAgain;
    reader_->seek(at);
    found = reader_->next(batch);
    if (!found.ok()) return found.error();
  }
  if (*found != SegmentReader::Found::kBatch) {
    // What was read ahead may be older than the fence.
    fence_ = catalog_->fence(fence_kind_);
    if (next_ >= fence_ || next_ >= segment_->end()) return Step::kAgain;
    reader_->forget();
    found = reader_->next(batch);
    if (!found.ok()) return found.error();
  }
  if (*found == SegmentReader::Found::kBatch) return begin_batch(batch);
  const bool is_tail = segment_->end().value == kOpenEnd && !catalog_->is_live();
  if (is_tail && *found == SegmentReader::Found::kEnd) return Step::kNothing;
  return pass_damage();
}

Result<StreamReader::Step> StreamReader::begin_batch(const SegmentReader::Batch& batch) {
  if (batch.header.end() <= next_) return Step::kAgain;
  const Offset end = segment_->end();
  if (batch.header.base >= end) {  // Superseded by the next segment.
    if (next_ < end) hole_ = Hole{end, "damaged"};
    return Step::kAgain;
  }
  payload_ = PayloadReader(batch.payload);
  at_ = batch.header.base;
  batch_end_ = batch.header.end();
  file_row_.append_wall_ns = batch.header.append_wall_ns;
  if (batch.header.base > next_) hole_ = Hole{batch.header.base, "damaged"};
  return Step::kAgain;
}

// The bytes at the reader's place are no batch although one is due there.
Result<StreamReader::Step> StreamReader::pass_damage() {
  const auto goes_on = reader_->resync(next_);
  if (!goes_on.ok()) return goes_on.error();
  if (*goes_on) return Step::kAgain;  // begin_batch() finds the hole by the offsets.
  const Offset end = segment_->end();
  if (end.value != kOpenEnd) {
    hole_ = Hole{end, "damaged"};
    return Step::kAgain;
  }
  if (!catalog_->is_live()) return Step::kNothing;  // A tail that is torn, or being written.
  hole_ = Hole{fence_, "damaged"};
  segment_ = nullptr;  // The place in the file is not known any more.
  return Step::kAgain;
}

}  // namespace banyan::recorder
