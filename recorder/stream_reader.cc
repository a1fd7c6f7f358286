// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "recorder/log_source.h"

namespace banyan::recorder {
namespace {

// A segment that vanishes between locate() and open() was taken by retention; look again, but not
// for ever.
constexpr int kLocateTriesMax = 8;

}  // namespace

Result<bool> StreamReader::next(model::SourcedRecord& out) {
  while (true) {
    if (is_in_batch_ && deliver_record(out)) return true;
    if (next_ >= fence_) {
      fence_ = catalog_->fence(fence_kind_);
      if (next_ >= fence_) return false;
    }
    auto step =
        segment_ == nullptr || next_ >= segment_->end() ? enter_segment(out) : read_batch(out);
    if (!step.ok()) return step.error();
    if (*step == Step::kDelivered) return true;
    if (*step == Step::kNothing) return false;
  }
}

// False where the batch is done.
bool StreamReader::deliver_record(model::SourcedRecord& out) {
  std::string_view record;
  while (at_ < batch_.end()) {
    if (!payload_.next(record)) {
      // The checksum was right, so a writer of ours went wrong; still no reason to stop reading.
      is_in_batch_ = false;
      deliver_hole(out, batch_.end(), "damaged");
      return true;
    }
    const Offset offset = at_;
    at_ = at_.next();
    if (offset < next_) continue;
    const auto peeked = model::peek(record);
    if (!peeked.ok()) {
      deliver_hole(out, at_, "damaged");
      return true;
    }
    out.kind = model::SourcedRecord::Kind::kRecord;
    out.stream = catalog_->stream();
    out.offset = offset;
    out.append_wall_ns = batch_.append_wall_ns;
    out.encoded = record;
    out.type = peeked->type;
    out.exchange = peeked->exchange;
    next_ = at_;
    return true;
  }
  is_in_batch_ = false;
  return false;
}

void StreamReader::deliver_hole(model::SourcedRecord& out, Offset end, std::string_view cause) {
  out = model::SourcedRecord{};
  out.kind = model::SourcedRecord::Kind::kHole;
  out.stream = catalog_->stream();
  out.offset = next_;
  out.hole_end = end;
  out.hole_cause = cause;
  next_ = end;
}

Result<StreamReader::Step> StreamReader::enter_segment(model::SourcedRecord& out) {
  segment_ = nullptr;
  Error last;
  for (int i = 0; i < kLocateTriesMax; ++i) {
    const Catalog::Place place = catalog_->locate(next_);
    if (place.segment == nullptr) return Step::kNothing;
    const auto file = place.segment->open(files_);
    if (!file.ok()) {
      last = file.error();
      if (last.code != ErrorCode::kNotFound) return last;
      if (!catalog_->is_live()) BANYAN_RETURN_IF_ERROR(catalog_->refresh(files_));
      continue;
    }
    const auto position = place.segment->position_of(files_, place.offset);
    if (!position.ok()) return position.error();
    segment_ = place.segment;
    reader_.emplace(*file, segment_->header());
    reader_->seek(*position);
    if (place.has_hole) {
      deliver_hole(out, place.offset, place.hole_cause);
      return Step::kDelivered;
    }
    next_ = place.offset;
    return Step::kAgain;
  }
  return last;
}

Result<StreamReader::Step> StreamReader::read_batch(model::SourcedRecord& out) {
  SegmentReader::Batch batch;
  auto found = reader_->next(batch);
  if (!found.ok()) return found.error();
  if (*found != SegmentReader::Found::kBatch) {
    // What was read ahead may be older than the fence. The fence may also have gone back, where a
    // failed segment is being written anew elsewhere.
    fence_ = catalog_->fence(fence_kind_);
    if (next_ >= fence_ || next_ >= segment_->end()) return Step::kAgain;
    reader_->forget();
    found = reader_->next(batch);
    if (!found.ok()) return found.error();
  }
  if (*found == SegmentReader::Found::kBatch) return begin_batch(batch, out);
  const bool is_tail = segment_->end().value == kOpenEnd && !catalog_->is_live();
  if (is_tail && *found == SegmentReader::Found::kEnd) return Step::kNothing;
  return pass_damage(out);
}

Result<StreamReader::Step> StreamReader::begin_batch(const SegmentReader::Batch& batch,
                                                     model::SourcedRecord& out) {
  if (batch.header.end() <= next_) return Step::kAgain;  // Before the place that was asked for.
  const Offset end = segment_->end();
  if (batch.header.base >= end) {  // Superseded by the next segment.
    if (next_ < end) {
      deliver_hole(out, end, "damaged");
      return Step::kDelivered;
    }
    return Step::kAgain;
  }
  batch_ = batch.header;
  payload_ = PayloadReader(batch.payload);
  at_ = batch.header.base;
  is_in_batch_ = true;
  if (batch.header.base > next_) {
    deliver_hole(out, batch.header.base, "damaged");
    return Step::kDelivered;
  }
  return Step::kAgain;
}

// The bytes at the reader's place are no batch although one is due there.
Result<StreamReader::Step> StreamReader::pass_damage(model::SourcedRecord& out) {
  const auto goes_on = reader_->resync(next_);
  if (!goes_on.ok()) return goes_on.error();
  if (*goes_on) return Step::kAgain;  // begin_batch() finds the hole by the offsets.
  const Offset end = segment_->end();
  if (end.value != kOpenEnd) {
    deliver_hole(out, end, "damaged");
    return Step::kDelivered;
  }
  if (!catalog_->is_live()) return Step::kNothing;  // A tail that is torn, or being written.
  deliver_hole(out, fence_, "damaged");
  segment_ = nullptr;  // The place in the file is not known any more.
  return Step::kDelivered;
}

}  // namespace banyan::recorder
