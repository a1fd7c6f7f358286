// SPDX-License-Identifier: Apache-2.0
#include "recorder/segment_reader.h"

#include <algorithm>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/prefetch.h"
#include "core/codec/lz4.h"
#include "core/codec/zstd_block.h"

namespace banyan::recorder {
namespace {

// Steps grow while whole steps are filled (catching up) and shrink at the tail, where a cut is
// small. The largest holds some batches of full size, because what a step cuts off is read again.
constexpr std::size_t kStepBytesMin = 16U << 10;
constexpr std::size_t kStepBytesMax = 1U << 20;

}  // namespace

SegmentReader::SegmentReader(std::shared_ptr<const File> file, const SegmentHeader& header,
                             std::shared_ptr<const DataKey> key)
    : file_(std::move(file)),
      version_(header.version),
      header_bytes_(header.batch_header_bytes()),
      uuid_(header.uuid),
      seed_(header.seed()),
      uid_(header.uid),
      key_(std::move(key)),
      step_(256U << 10) {}

Result<std::string_view> SegmentReader::view(Position position, std::size_t size) {
  const bool is_inside = position >= buffer_at_ &&
                         position.value + size <= buffer_at_.value + buffer_.size() &&
                         !buffer_.empty();
  if (!is_inside) {
    // Who jumps over payloads wants headers.
    if (position.value > buffer_at_.value + buffer_.size()) step_ = kStepBytesMin;
    const std::size_t wanted = std::max(size, step_);
    BANYAN_RETURN_IF_ERROR(file_->read_at(position, wanted, buffer_));
    buffer_at_ = position;
    step_ = buffer_.size() == wanted ? std::min(step_ * 2, kStepBytesMax)
                                     : std::max(step_ / 2, kStepBytesMin);
  }
  return std::string_view(buffer_).substr(position.value - buffer_at_.value, size);
}

Result<bool> SegmentReader::read_payload(Batch& out, Check check) {
  const BatchHeader& header = out.header;
  const auto whole = view(out.position, header_bytes_ + header.stored_bytes);
  if (!whole.ok()) return whole.error();
  if (whole->size() < header_bytes_ + header.stored_bytes) return false;
  const std::string_view stored = whole->substr(header_bytes_);
  if (xxh3_64(stored, seed_) != header.payload_hash) return false;
  out.stored = stored;
  if (check == Check::kStored) return true;
  if (header.is_encrypted != (key_ != nullptr)) return false;
  out.payload = stored;
  if (header.is_encrypted) {
    auto plain = key_->decrypt(header, uuid_, stored);
    if (!plain.ok()) return false;
    plain_ = *std::move(plain);
    out.payload = plain_;
  }
  if (header.codec == Codec::kNone) return out.payload.size() == header.raw_bytes;
  auto raw = header.codec == Codec::kLz4 ? codec::lz4_decompress(out.payload, header.raw_bytes)
                                         : codec::zstd_decompress(out.payload, header.raw_bytes);
  if (!raw.ok()) return false;
  raw_ = *std::move(raw);
  out.payload = raw_;
  return true;
}

Result<SegmentReader::Found> SegmentReader::next(Batch& out, Check check) {
  const auto head = view(at_, header_bytes_);
  if (!head.ok()) return head.error();
  if (head->empty()) return Found::kEnd;
  const auto header = decode_batch_header(*head, seed_, version_);
  if (!header || header->segment_uid != uid_) return Found::kBad;
  if (header->is_footer) return Found::kEnd;
  out.header = *header;
  out.position = at_;
  out.end = Position{at_.value + header->bytes()};
  out.stored = {};
  out.payload = {};
  if (check != Check::kHeader) {
    const auto is_whole = read_payload(out, check);
    if (!is_whole.ok()) return is_whole.error();
    if (!*is_whole) return Found::kBad;
  }
  at_ = out.end;
  return Found::kBatch;
}

Result<std::string_view> SegmentReader::footer() {
  const auto head = view(at_, header_bytes_);
  if (!head.ok()) return head.error();
  const auto header = decode_batch_header(*head, seed_, version_);
  Batch batch;
  if (header && header->segment_uid == uid_ && header->is_footer) {
    batch.header = *header;
    batch.position = at_;
    const auto is_whole = read_payload(batch, Check::kAll);
    if (!is_whole.ok()) return is_whole.error();
    if (*is_whole) return batch.payload;
  }
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk, "there is no whole footer");
}

Result<bool> SegmentReader::resync(Offset least) {
  const Position start = at_;
  Batch found;
  for (Position place{start.value + kBatchAlignment};; place.value += kBatchAlignment) {
    const auto head = view(place, header_bytes_);
    if (!head.ok()) return head.error();
    if (head->size() < header_bytes_) break;
    if ((*head)[0] != 'B' || (*head)[1] != 'N') continue;
    const auto header = decode_batch_header(*head, seed_, version_);
    if (!header || header->segment_uid != uid_ || header->end() <= least) continue;
    if (header->is_footer) continue;
    at_ = place;
    const auto result = next(found, Check::kStored);
    if (!result.ok()) return result.error();
    at_ = place;
    if (*result == Found::kBatch) return true;
  }
  at_ = start;
  return false;
}

Result<SegmentHeader> read_segment_header(FileSystem& files, const std::string& path) {
  auto file = files.open(path, FileSystem::Mode::kReadOnly);
  if (!file.ok()) return file.error();
  std::string bytes;
  BANYAN_RETURN_IF_ERROR((*file)->read_at(Position{0}, kSegmentHeaderBytes, bytes));
  return decode_segment_header(bytes, path);
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
  prefetch(rest_, kRecordStartBytes);
  return true;
}

}  // namespace banyan::recorder
