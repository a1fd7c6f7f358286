// SPDX-License-Identifier: Apache-2.0
#include "recorder/segment_reader.h"

#include <algorithm>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/codec/lz4.h"

namespace banyan::recorder {
namespace {

// Steps grow while whole steps are filled (catching up) and shrink at the tail, where a cut is
// small.
constexpr std::size_t kStepBytesMin = 16U << 10;
constexpr std::size_t kStepBytesMax = 1U << 20;

}  // namespace

SegmentReader::SegmentReader(std::shared_ptr<const File> file, const SegmentHeader& header)
    : file_(std::move(file)), seed_(header.seed()), uid_(header.uid), step_(256U << 10) {}

Result<std::string_view> SegmentReader::view(Position position, std::size_t size) {
  const bool is_inside = position >= buffer_at_ &&
                         position.value + size <= buffer_at_.value + buffer_.size() &&
                         !buffer_.empty();
  if (!is_inside) {
    const std::size_t wanted = std::max(size, step_);
    BANYAN_RETURN_IF_ERROR(file_->read_at(position, wanted, buffer_));
    buffer_at_ = position;
    step_ = buffer_.size() == wanted ? std::min(step_ * 2, kStepBytesMax)
                                     : std::max(step_ / 2, kStepBytesMin);
  }
  return std::string_view(buffer_).substr(position.value - buffer_at_.value, size);
}

Result<SegmentReader::Found> SegmentReader::next(Batch& out, Check check) {
  const auto head = view(at_, kBatchHeaderBytes);
  if (!head.ok()) return head.error();
  if (head->empty()) return Found::kEnd;
  const auto header = decode_batch_header(*head, seed_);
  if (!header || header->segment_uid != uid_) return Found::kBad;
  out.header = *header;
  out.position = at_;
  out.end = Position{at_.value + batch_bytes(header->stored_bytes)};
  out.payload = {};
  if (check == Check::kAll) {
    const auto whole = view(at_, kBatchHeaderBytes + header->stored_bytes);
    if (!whole.ok()) return whole.error();
    if (whole->size() < kBatchHeaderBytes + header->stored_bytes) return Found::kBad;
    const std::string_view stored = whole->substr(kBatchHeaderBytes);
    if (xxh3_64(stored, seed_) != header->payload_hash) return Found::kBad;
    if (header->codec == Codec::kNone) {
      out.payload = stored;
    } else {
      auto raw = codec::lz4_decompress(stored, header->raw_bytes);
      if (!raw.ok()) return Found::kBad;
      raw_ = *std::move(raw);
      out.payload = raw_;
    }
  }
  at_ = out.end;
  return Found::kBatch;
}

Result<bool> SegmentReader::resync(Offset least) {
  const Position start = at_;
  Batch found;
  for (Position place{start.value + kBatchAlignment};; place.value += kBatchAlignment) {
    const auto head = view(place, kBatchHeaderBytes);
    if (!head.ok()) return head.error();
    if (head->size() < kBatchHeaderBytes) break;
    if ((*head)[0] != 'B' || (*head)[1] != 'N') continue;
    const auto header = decode_batch_header(*head, seed_);
    if (!header || header->segment_uid != uid_ || header->end() <= least) continue;
    at_ = place;
    const auto result = next(found);
    if (!result.ok()) return result.error();
    at_ = place;
    if (*result == Found::kBatch) return true;
  }
  at_ = start;
  return false;
}

bool PayloadReader::next(std::string_view& record) {
  if (rest_.empty() || is_damaged_) return false;
  ByteReader reader(rest_);
  record = reader.bytes();
  if (!reader.ok()) {
    is_damaged_ = true;
    return false;
  }
  rest_.remove_prefix(reader.consumed());
  return true;
}

}  // namespace banyan::recorder
