// SPDX-License-Identifier: Apache-2.0
#include "admin/log_search.h"

#include <algorithm>
#include <variant>

#include "admin/json_shapes.h"
#include "admin/log_filter.h"
#include "admin/log_scan.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

std::string change_to_json(const model::RouteRecord& change) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("at", format_time(change.at.wall_ns)).member("route", change.route);
  json.member("action", change.action).member("by", change.by).member("reason", change.reason);
  json.member("routing_epoch", change.routing_epoch);
  write_dials(json, "before", change.before);
  write_dials(json, "after", change.after);
  json.end_object();
  return out;
}

Error not_a_place(std::string_view text) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                    "\"" + escape_for_terminal(text, 64) +
                        "\" is no place in the log: give an offset, stream:offset, a time "
                        "(2026-01-31T12:00:00Z) or -15m");
}

}  // namespace

Result<model::Cursor> parse_place(model::LogAccess& log, const Clock& clock,
                                  std::string_view text) {
  if (text.empty()) return log.begin();
  if (const auto offset = parse_u64(text)) {
    // A bare offset means the main stream, and the others from where they begin.
    model::Cursor cursor = log.begin();
    const std::string stream = cursor.places.empty() ? "main" : cursor.places.front().stream;
    cursor.set(cursor.places.size() > 1 ? "main" : stream, Offset{*offset});
    return cursor;
  }
  if (const auto time = parse_time(text, clock.wall_ns())) return log.find_time(*time);
  auto cursor = model::Cursor::parse(text);
  if (!cursor.ok()) return not_a_place(text);
  return cursor;
}

Result<std::string> log_page_json(model::LogAccess& log, const Clock& clock, const LogQuery& query,
                                  std::int64_t patience_ns) {
  const auto filter = LogFilter::parse(query.filter);
  if (!filter.ok()) return filter.error();
  auto from = parse_place(log, clock, query.from);
  if (!from.ok()) return from.error();
  std::int64_t to_wall_ns = INT64_MAX;
  if (!query.to.empty()) {
    const auto time = parse_time(query.to, clock.wall_ns());
    if (!time) return not_a_place(query.to);
    to_wall_ns = *time;
  }
  const auto from_time =
      parse_u64(query.from) ? std::nullopt : parse_time(query.from, clock.wall_ns());
  const std::size_t limit = std::min(query.limit, kPageRecordsMax);
  model::Cursor next = *from;
  Status damaged;
  bool is_past = false;
  std::size_t count = 0;
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/log/1").key("records").begin_array();
  const auto end = scan_forwards(
      log, *from, {}, Patience(patience_ns), [&](const model::SourcedRecord& sourced) {
        if (count >= limit || out.size() >= kPageBytesMax) return false;
        const bool is_hole = sourced.kind == model::SourcedRecord::Kind::kHole;
        if (!is_hole && sourced.append_wall_ns >= to_wall_ns) {
          is_past = true;
          return false;
        }
        next.set(sourced.stream, is_hole ? sourced.hole_end : sourced.offset.next());
        if (is_hole) {
          write_record(json, sourced, nullptr);
          ++count;
          return true;
        }
        if (from_time && sourced.append_wall_ns < *from_time) return true;
        if (!filter->may_match(sourced)) return true;
        const auto record = model::decode(sourced.encoded);
        if (!record.ok()) {
          damaged = record.status();
          return false;
        }
        if (!filter->matches(sourced, *record)) return true;
        write_record(json, sourced, &*record);
        ++count;
        return true;
      });
  if (!end.ok()) return end.error();
  BANYAN_RETURN_IF_ERROR(damaged);
  json.end_array().member("next", next.to_string());
  json.member("at_end", is_past || *end == ScanEnd::kWholeLog).end_object();
  return out;
}

Result<std::string> route_history_json(model::LogAccess& log, const Clock& clock,
                                       std::string_view route, std::size_t limit,
                                       std::int64_t patience_ns) {
  std::vector<std::string> changes;  // newest first
  std::vector<std::string> window;   // in log order
  const auto end = scan_backwards(
      log, clock, Patience(patience_ns),
      [&](const model::SourcedRecord& sourced) {
        if (sourced.kind != model::SourcedRecord::Kind::kRecord ||
            sourced.type != model::RecordType::kRoute) {
          return;
        }
        const auto record = model::decode(sourced.encoded);
        if (!record.ok()) return;
        const auto* change = std::get_if<model::RouteRecord>(&*record);
        if (change == nullptr || (!route.empty() && change->route != route)) return;
        // Only the newest count; the older half of a full window cannot be among them.
        if (window.size() >= 2 * limit) {
          window.erase(window.begin(), window.begin() + static_cast<std::ptrdiff_t>(limit));
        }
        window.push_back(change_to_json(*change));
      },
      [&] {
        for (auto it = window.rbegin(); it != window.rend() && changes.size() < limit; ++it) {
          changes.push_back(std::move(*it));
        }
        window.clear();
        return changes.size() < limit;
      });
  if (!end.ok()) return end.error();
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/route-history/1").key("history").begin_array();
  for (const std::string& change : changes) json.raw(change);
  json.end_array().member("complete", *end != ScanEnd::kOutOfTime).end_object();
  return out;
}

}  // namespace banyan::admin
