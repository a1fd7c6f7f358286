// SPDX-License-Identifier: Apache-2.0
#include "replay/resume_scan.h"

#include <utility>
#include <variant>

namespace banyan::replay {
namespace {

bool is_end_of_live_copy(const model::SourcedRecord& record) {
  auto decoded = model::decode(record.encoded);
  if (!decoded.ok()) return false;
  if (const auto* shadow = std::get_if<model::ShadowRecord>(&*decoded))
    return shadow->run.is_live();
  if (const auto* skip = std::get_if<model::SkipRecord>(&*decoded)) return skip->run.is_live();
  return false;
}

bool is_past(const model::SourcedRecord& record, const model::Cursor& end) {
  return record.offset >= end.next_of(record.stream);
}

}  // namespace

Status ResumeScan::scan(const model::Cursor& from) {
  due_.clear();
  ended_.clear();
  is_full_ = false;
  const model::Cursor end = log_.end();
  if (end_.places.empty()) end_ = end;
  auto opened = log_.open_source(from, model::Fence::kWritten);
  if (!opened.ok()) return opened.error();
  model::RecordSource& source = **opened;
  model::SourcedRecord record;
  for (;;) {
    auto more = source.next(record);
    if (!more.ok()) return more.error();
    if (!*more) break;
    // Behind the end only what arrives meanwhile is left, and none of that has ended yet.
    if (record.kind != model::SourcedRecord::Kind::kRecord || is_past(record, end)) {
      if (source.position().next_of(record.stream) > end.next_of(record.stream) &&
          end.places.size() <= 1) {
        break;
      }
      continue;
    }
    if (record.type == model::RecordType::kRequest && !is_full_) {
      on_request(record);
    } else if (record.type == model::RecordType::kShadow ||
               record.type == model::RecordType::kSkip) {
      if (!is_end_of_live_copy(record)) continue;
      if (due_.erase(record.exchange) == 0 && !is_full_ && end.places.size() > 1 &&
          ended_.size() < ids_max_) {
        ended_.insert(record.exchange);
      }
    }
  }
  if (!is_full_) covered_ = end;
  return {};
}

void ResumeScan::on_request(const model::SourcedRecord& record) {
  if (ended_.erase(record.exchange) > 0) return;
  due_.insert(record.exchange);
  covered_.set(record.stream, record.offset.next());
  is_full_ = due_.size() >= ids_max_;
}

Result<bool> ResumeScan::is_due(std::string_view stream, Offset offset, ExchangeId exchange) {
  if (offset >= end_.next_of(stream)) return true;
  if (offset >= covered_.next_of(stream)) {
    model::Cursor from = covered_;
    from.set(stream, offset);
    BANYAN_RETURN_IF_ERROR(scan(from));
  }
  return due_.erase(exchange) > 0;
}

}  // namespace banyan::replay
