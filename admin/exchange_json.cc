// SPDX-License-Identifier: Apache-2.0
//
// One exchange put together from its records.
#include <map>
#include <variant>

#include "admin/json_shapes.h"
#include "admin/log_scan.h"
#include "admin/log_search.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

// Of one exchange; past it further ones are left out and the answer says so.
constexpr std::size_t kKeptRecordsMax = 256;
constexpr std::size_t kKeptBytesMax = 16 << 20;
// How long a search that has everything goes on for a verdict of newer rules.
constexpr std::int64_t kNewerVerdictPatienceNs = 1'000'000'000;

struct Kept {
  std::string encoded;
  std::int64_t append_wall_ns = 0;
};

// The records of one exchange, in place order; chunks are only counted.
class Collection {
 public:
  explicit Collection(ExchangeId exchange) : exchange_(exchange) {}

  void take(const model::SourcedRecord& sourced) {
    if (sourced.kind != model::SourcedRecord::Kind::kRecord || sourced.exchange != exchange_)
      return;
    if (sourced.type == model::RecordType::kChunk) {
      ++chunks_;
      return;
    }
    if (records_.size() >= kKeptRecordsMax || bytes_ + sourced.encoded.size() > kKeptBytesMax) {
      is_cut_ = true;
      return;
    }
    bytes_ += sourced.encoded.size();
    has_request_ |= sourced.type == model::RecordType::kRequest;
    records_[{std::string(sourced.stream), sourced.offset}] =
        Kept{std::string(sourced.encoded), sourced.append_wall_ns};
  }
  bool has_request() const { return has_request_; }
  bool is_empty() const { return records_.empty(); }
  bool is_cut() const { return is_cut_; }
  std::uint64_t chunks() const { return chunks_; }
  const std::map<std::pair<std::string, Offset>, Kept>& records() const { return records_; }

 private:
  const ExchangeId exchange_;
  std::map<std::pair<std::string, Offset>, Kept> records_;
  std::size_t bytes_ = 0;
  std::uint64_t chunks_ = 0;
  bool has_request_ = false;
  bool is_cut_ = false;
};

// The decoded parts that count: those of the live mirror, and its newest verdict.
struct Parts {
  std::vector<model::AnyRecord> storage;  // views point into the collection
  const model::RequestRecord* request = nullptr;
  const model::ResponseRecord* response = nullptr;
  const model::OutcomeRecord* outcome = nullptr;
  const model::ShadowRecord* shadow = nullptr;
  const model::SkipRecord* skip = nullptr;
  const model::VerdictRecord* verdict = nullptr;
};

void note(Parts& parts, const model::AnyRecord& record) {
  if (const auto* request = std::get_if<model::RequestRecord>(&record)) {
    parts.request = request;
  } else if (const auto* response = std::get_if<model::ResponseRecord>(&record)) {
    parts.response = response;
  } else if (const auto* outcome = std::get_if<model::OutcomeRecord>(&record)) {
    parts.outcome = outcome;
  } else if (const auto* shadow = std::get_if<model::ShadowRecord>(&record)) {
    if (shadow->run.is_live()) parts.shadow = shadow;
  } else if (const auto* skip = std::get_if<model::SkipRecord>(&record)) {
    if (skip->run.is_live()) parts.skip = skip;
  } else if (const auto* verdict = std::get_if<model::VerdictRecord>(&record)) {
    const bool is_newer =
        parts.verdict == nullptr || verdict->generation >= parts.verdict->generation;
    if (verdict->run.is_live() && is_newer) parts.verdict = verdict;
  }
}

Parts parts_of(const Collection& collection) {
  Parts parts;
  parts.storage.reserve(collection.records().size());
  for (const auto& [place, kept] : collection.records()) {
    auto record = model::decode(kept.encoded);
    if (record.ok()) parts.storage.push_back(*std::move(record));
  }
  for (const model::AnyRecord& record : parts.storage) note(parts, record);
  return parts;
}

struct MirrorState {
  std::string_view state;
  std::string_view reason;
};

MirrorState mirror_of(const Parts& parts) {
  if (parts.shadow != nullptr) return {"mirrored", parts.shadow->cause};
  if (parts.skip != nullptr) {
    return {is_drop(parts.skip->reason) ? "dropped" : "skipped", to_string(parts.skip->reason)};
  }
  if (parts.request == nullptr) return {"pending", ""};
  switch (parts.request->mirror) {
    case MirrorDecision::kOff: return {"off", ""};
    case MirrorDecision::kSkipped: return {"skipped", to_string(parts.request->skip)};
    case MirrorDecision::kSelected: return {"pending", ""};
  }
  return {"pending", ""};
}

bool is_whole(const Parts& parts) {
  const bool is_closed = parts.response != nullptr || parts.outcome != nullptr;
  if (!is_closed || parts.request == nullptr) return false;
  const MirrorState mirror = mirror_of(parts);
  if (mirror.state == "pending") return false;
  return parts.shadow == nullptr || parts.verdict != nullptr;
}

std::string_view verdict_of(const Parts& parts) {
  if (parts.verdict != nullptr) return to_string(parts.verdict->verdict);
  const std::string_view state = mirror_of(parts).state;
  return state == "pending" || state == "mirrored" ? "pending" : "none";
}

void write_response(json::JsonWriter& json, const model::Answer& answer, std::string_view role,
                    std::int64_t started_mono_ns, std::string_view cause) {
  json.key(to_string(answer.system)).begin_object().member("role", role);
  json.key("status");
  if (answer.status == 0)
    json.null();
  else
    json.number(int{answer.status});
  const std::int64_t duration_ns = answer.ended.mono_ns - started_mono_ns;
  json.key("duration");
  if (duration_ns < 0)
    json.null();
  else
    json.number(static_cast<double>(duration_ns) / 1e9);
  json.member("body_bytes", answer.body.length).member("body_complete", answer.body.is_complete);
  if (answer.status == 0) json.member("no_answer", cause);
  json.end_object();
}

void write_request(json::JsonWriter& json, const Parts& parts) {
  const model::RequestRecord* request = parts.request;
  if (request == nullptr) {
    json.key("started").null().member("route", "").member("method", "").member("target", "");
    json.member("session", "").key("primary").null().member("decision", "");
    return;
  }
  json.member("started", format_time(request->started.wall_ns)).member("route", request->route);
  json.member("method", request->method).member("target", request->target);
  json.member("session", request->session).member("primary", to_string(request->primary));
  json.member("decision", request->decision);
}

void write_ends(json::JsonWriter& json, const Parts& parts) {
  const MirrorState mirror = mirror_of(parts);
  json.key("mirror").begin_object().member("state", mirror.state).member("reason", mirror.reason);
  json.end_object().key("responses").begin_object();
  if (parts.response != nullptr) {
    write_response(json, parts.response->answer, "primary", parts.response->started.mono_ns, "");
  }
  if (parts.shadow != nullptr) {
    write_response(json, parts.shadow->answer, "shadow", parts.shadow->sent.mono_ns,
                   parts.shadow->cause);
  }
  json.end_object();
  if (parts.response != nullptr) json.member("delivery", to_string(parts.response->delivery));
  json.key("outcome");
  if (parts.outcome == nullptr) {
    json.null();
  } else {
    json.begin_object().member("kind", to_string(parts.outcome->kind));
    json.member("status", int{parts.outcome->status}).member("cause", parts.outcome->cause);
    json.member("forwarded", to_string(parts.outcome->forwarded)).end_object();
  }
  json.member("verdict", verdict_of(parts));
  json.member("verdict_reason", parts.verdict ? parts.verdict->reason : std::string_view());
  json.key("differences").begin_array();
  if (parts.verdict != nullptr) {
    for (const model::Difference& difference : parts.verdict->differences) {
      write_difference(json, difference);
    }
  }
  json.end_array();
}

void write_records(json::JsonWriter& json, const Collection& collection, ExchangeId exchange) {
  json.key("records").begin_array();
  for (const auto& [place, kept] : collection.records()) {
    const auto record = model::decode(kept.encoded);
    const auto peeked = model::peek(kept.encoded);
    if (!record.ok() || !peeked.ok()) continue;
    model::SourcedRecord sourced;
    sourced.stream = place.first;
    sourced.offset = place.second;
    sourced.append_wall_ns = kept.append_wall_ns;
    sourced.type = peeked->type;
    sourced.exchange = exchange;
    write_record(json, sourced, &*record);
  }
  json.end_array();
}

// Forwards from where the REQUEST lies, until nothing is missing; then a little further, for a
// verdict of newer rules. False where nothing was found there.
Result<bool> collect_from(model::LogAccess& log, const model::Cursor::Place& place,
                          const Patience& patience, Collection& collection) {
  model::Cursor from = log.begin();
  from.set(place.stream, place.next);
  std::optional<Patience> enough;
  std::size_t seen = 0;
  const auto end = scan_forwards(log, from, {}, patience, [&](const model::SourcedRecord& sourced) {
    collection.take(sourced);
    if (collection.records().size() != seen) {
      seen = collection.records().size();
      if (!enough && is_whole(parts_of(collection))) enough.emplace(kNewerVerdictPatienceNs);
    }
    return !enough || !enough->is_over();
  });
  if (!end.ok()) return end.error();
  return collection.has_request();
}

// Where the indexes of the log say that its records may be. False where the patience ended first.
Result<bool> collect_by_index(model::LogAccess& log, const Patience& patience,
                              Collection& collection, ExchangeId exchange) {
  const auto spans = log.find_key(model::LogKey::of_exchange(exchange));
  if (!spans.ok()) return spans.error();
  std::uint64_t count = 0;
  bool is_in_time = true;
  BANYAN_RETURN_IF_ERROR(model::read_spans(log, *spans, [&](const model::SourcedRecord& sourced) {
    collection.take(sourced);
    is_in_time = ++count % 256 != 0 || !patience.is_over();
    return is_in_time;
  }));
  return is_in_time;
}

}  // namespace

Result<std::string> exchange_json(model::LogAccess& log, ExchangeId exchange,
                                  const std::optional<model::Cursor::Place>& hint,
                                  bool with_records, std::int64_t patience_ns) {
  const Patience patience(patience_ns);
  Collection collection(exchange);
  bool is_found = false;
  if (hint) {
    const auto found = collect_from(log, *hint, patience, collection);
    if (!found.ok()) return found.error();
    is_found = *found;
  }
  if (!is_found) {
    const auto is_in_time = collect_by_index(log, patience, collection, exchange);
    if (!is_in_time.ok()) return is_in_time.error();
    if (collection.is_empty()) {
      if (!*is_in_time) {
        return make_error(ErrorCode::kTimeout, ErrorOrigin::kDisk,
                          "the exchange was not found in the time a search may take; ask the log "
                          "itself: banyan log cat --exchange " +
                              exchange.to_string());
      }
      return make_error(
          ErrorCode::kNotFound, ErrorOrigin::kClient,
          "the log holds no exchange " + exchange.to_string() + " (retention may have removed it)");
    }
  }
  const Parts parts = parts_of(collection);
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/exchange/1").member("id", exchange.to_string());
  const bool is_erased = (parts.request != nullptr && parts.request->of.is_erased) ||
                         (parts.response != nullptr && parts.response->of.is_erased);
  if (is_erased) json.member("erased", true);
  write_request(json, parts);
  write_ends(json, parts);
  json.member("chunks", collection.chunks());
  json.member("complete", parts.request != nullptr && !collection.is_cut());
  if (with_records) write_records(json, collection, exchange);
  json.end_object();
  return out;
}

}  // namespace banyan::admin
