// SPDX-License-Identifier: Apache-2.0
#include "core/model/record_io.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"

namespace banyan::model {
namespace {

// Spans that are no further apart are read through, which is cheaper than a new source.
constexpr std::uint64_t kNearRecords = 1000;

Error bad_cursor(std::string_view text) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                    "'" + escape_for_terminal(text, 100) +
                        "' is no place in the log; write STREAM:OFFSET, for example main:1234");
}

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// True where this record ends the body that read_chunks() collects.
bool closes_body(const AnyRecord& record, Side side, RunId run) {
  if (const auto* chunk = std::get_if<ChunkRecord>(&record)) {
    return side == Side::kRequest && chunk->side == side && chunk->is_last;
  }
  if (const auto* shadow = std::get_if<ShadowRecord>(&record)) {
    return side == Side::kShadow && shadow->run == run;
  }
  return side != Side::kShadow && (std::holds_alternative<ResponseRecord>(record) ||
                                   std::holds_alternative<OutcomeRecord>(record));
}

}  // namespace

Ticket RecordSink::write(const Unwritten& record) {
  constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20;
  thread_local std::string scratch;
  scratch.clear();
  record.append_to(scratch);
  const Ticket ticket = append(scratch);
  if (scratch.capacity() > kKeptBytesMax) scratch = std::string();
  return ticket;
}

Offset Cursor::next_of(std::string_view stream) const {
  for (const Place& place : places) {
    if (place.stream == stream) return place.next;
  }
  return Offset{0};
}

void Cursor::set(std::string_view stream, Offset next) {
  const auto at = std::lower_bound(
      places.begin(), places.end(), stream,
      [](const Place& place, std::string_view name) { return place.stream < name; });
  if (at != places.end() && at->stream == stream) {
    at->next = next;
  } else {
    places.insert(at, Place{std::string(stream), next});
  }
}

std::uint64_t Cursor::sum() const {
  std::uint64_t sum = 0;
  for (const Place& place : places) sum += place.next.value;
  return sum;
}

std::string Cursor::to_string() const {
  std::string text;
  for (const Place& place : places) {
    if (!text.empty()) text += ',';
    text += place.stream + ':' + std::to_string(place.next.value);
  }
  return text;
}

Result<Cursor> Cursor::parse(std::string_view text) {
  Cursor cursor;
  if (text.empty()) return cursor;
  for (const std::string_view part : split(text, ',')) {
    const auto colon = part.find(':');
    if (colon == std::string_view::npos) return bad_cursor(text);
    const auto offset = parse_u64(part.substr(colon + 1));
    if (!is_stream_name(part.substr(0, colon)) || !offset) return bad_cursor(text);
    cursor.set(part.substr(0, colon), Offset{*offset});
  }
  return cursor;
}

Status read_spans(LogAccess& log, const std::vector<LogSpan>& spans,
                  const std::function<bool(const SourcedRecord&)>& on_record) {
  std::unique_ptr<RecordSource> source;
  SourcedRecord item;
  const LogSpan* before = nullptr;
  for (const LogSpan& span : spans) {
    // A source may go on to the next span where that is near; else a new one jumps there.
    const bool is_near = before != nullptr && before->stream == span.stream &&
                         span.first.value - before->end.value < kNearRecords;
    if (!is_near) {
      Cursor cursor = log.end();  // Other streams are of no interest: start at their ends.
      cursor.set(span.stream, span.first);
      auto opened = log.open_source(cursor, Fence::kWritten);
      if (!opened.ok()) return opened.error();
      source = *std::move(opened);
    }
    before = &span;
    for (Offset at = span.first; at < span.end;) {
      const auto more = source->next(item);
      if (!more.ok()) return more.error();
      if (!*more) break;
      if (item.stream != span.stream) continue;
      at = item.kind == SourcedRecord::Kind::kHole ? item.hole_end : item.offset.next();
      if (item.offset >= span.first && !on_record(item)) return {};
    }
  }
  return {};
}

Status read_chunks(LogAccess& log, std::string_view stream, Offset from, ExchangeId exchange,
                   Side side, RunId run, const std::function<bool(const ChunkRecord&)>& on_piece) {
  Cursor cursor = log.end();  // Other streams are of no interest: start at their ends.
  cursor.set(stream, from);
  auto source = log.open_source(cursor, Fence::kWritten);
  if (!source.ok()) return source.error();
  SourcedRecord item;
  while (true) {
    const auto more = (*source)->next(item);
    if (!more.ok()) return more.error();
    if (!*more) {
      return make_error(
          ErrorCode::kNotFound, ErrorOrigin::kDisk,
          "the log ends before the body of exchange " + exchange.to_string() + " does");
    }
    if (item.stream != stream) continue;
    if (item.kind == SourcedRecord::Kind::kHole) {
      return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                        "the body of exchange " + exchange.to_string() +
                            " crosses a missing part of the log (" + std::string(item.hole_cause) +
                            ")");
    }
    if (item.exchange != exchange) continue;
    const auto record = decode(item.encoded);
    if (!record.ok()) return record.error();
    const auto* chunk = std::get_if<ChunkRecord>(&*record);
    const bool is_wanted =
        chunk != nullptr && chunk->side == side && (side != Side::kShadow || chunk->run == run);
    if (is_wanted && !on_piece(*chunk)) return {};
    if (closes_body(*record, side, run)) return {};
  }
}

}  // namespace banyan::model
