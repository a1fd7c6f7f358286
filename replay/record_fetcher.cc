// SPDX-License-Identifier: Apache-2.0
#include "replay/record_fetcher.h"

#include <utility>

namespace banyan::replay {

model::Cursor only_stream(const model::LogAccess& log, std::string_view stream, Offset from) {
  model::Cursor cursor = log.end();
  cursor.set(stream, from);
  return cursor;
}

Status RecordFetcher::open(std::string_view stream, Offset offset) {
  auto opened = log_.open_source(only_stream(log_, stream, offset), model::Fence::kWritten);
  if (!opened.ok()) return opened.error();
  source_ = std::move(*opened);
  stream_ = stream;
  return {};
}

Result<std::string_view> RecordFetcher::fetch(std::string_view stream, Offset offset) {
  const bool is_ahead = source_ != nullptr && stream_ == stream && next_ <= offset.value &&
                        offset.value - next_ <= kReadOverMax;
  if (!is_ahead) BANYAN_RETURN_IF_ERROR(open(stream, offset));
  std::uint64_t bytes_read_over = 0;
  model::SourcedRecord record;
  for (;;) {
    auto more = source_->next(record);
    if (!more.ok()) {
      rest();
      return more.error();
    }
    if (!*more) break;
    if (record.stream != stream_) continue;
    const bool is_hole = record.kind == model::SourcedRecord::Kind::kHole;
    next_ = is_hole ? record.hole_end.value : record.offset.value + 1;
    if (is_hole && record.hole_end > offset) {
      std::string cause(record.hole_cause);
      rest();
      return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk, std::move(cause));
    }
    if (is_hole) continue;
    if (record.offset < offset) {
      bytes_read_over += record.encoded.size();
      if (bytes_read_over <= kReadOverBytesMax) continue;
      BANYAN_RETURN_IF_ERROR(open(stream, offset));
      continue;
    }
    if (record.offset == offset) return record.encoded;
    break;
  }
  rest();
  return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk, "the record is not in the log");
}

void RecordFetcher::rest() { source_.reset(); }

}  // namespace banyan::replay
