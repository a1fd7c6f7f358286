// SPDX-License-Identifier: Apache-2.0
//
// Requests of each endpoint to set a finding's against, and what is special about these: read from
// the log when somebody asks, so that an equal pair costs one comparison.
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "comparator/findings_impl.h"

namespace banyan::comparator {
namespace {

constexpr std::int64_t kDifferingRead = 200;  // REQUESTs of one finding, latest first
constexpr std::size_t kOthersRead = 300;

constexpr const char* kSamplesSchema = R"sql(
CREATE TABLE IF NOT EXISTS request_samples (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, day INTEGER NOT NULL, draw INTEGER NOT NULL,
  exchange TEXT NOT NULL, stream TEXT NOT NULL, offset INTEGER NOT NULL, status INTEGER NOT NULL,
  PRIMARY KEY (route, endpoint, day, draw)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS request_samples_of_exchange ON request_samples (exchange);
)sql";

struct SampledRequest {
  std::string exchange, stream;
  std::uint64_t offset = 0;
  int status_class = 0;
  bool is_differing = false;
  std::int64_t draw = 0;
};

}  // namespace

Status FindingsStore::Impl::create_request_samples() { return database->execute(kSamplesSchema); }

Status FindingsStore::Impl::count_sample(std::uint64_t name, const model::VerdictRecord& verdict) {
  if (verdict.request_stream.empty() || verdict.has_previous) return {};
  RequestSamples::Group& group = samples.group(name, verdict.route, verdict.endpoint);
  const std::int64_t day = RequestSamples::day_of(verdict.at.wall_ns);
  if (group.day != day) BANYAN_RETURN_IF_ERROR(open_day(group, verdict, day));
  const std::int64_t draw = RequestSamples::draw_of(verdict.exchange);
  if (!group.wants(draw)) return {};
  group.take({draw, verdict.exchange, std::string(verdict.request_stream), verdict.request_offset,
              class_of_status(verdict.legacy_status)});
  return {};
}

// What of that day is in the file. What waits goes there first: it may be of another day.
Status FindingsStore::Impl::open_day(RequestSamples::Group& group,
                                     const model::VerdictRecord& verdict, std::int64_t day) {
  if (!group.waiting.empty()) BANYAN_RETURN_IF_ERROR(write_samples());
  group.drawn.clear();
  group.is_closed = false;
  const auto rows = kept(
      "SELECT draw FROM request_samples WHERE route = ?1 AND endpoint = ?2 AND day = ?3 "
      "ORDER BY draw");
  if (!rows.ok()) return rows.error();
  (*rows)->bind(1, verdict.route).bind(2, verdict.endpoint).bind(3, day);
  for (;;) {
    auto row = (*rows)->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    if (group.drawn.size() < RequestSamples::kEach) group.drawn.insert((*rows)->integer(0));
  }
  if (group.drawn.empty()) {
    if (sample_rows < 0) {
      const auto counted = number_of(*database, "SELECT count(*) FROM request_samples");
      if (!counted.ok()) return counted.error();
      sample_rows = *counted;
    }
    group.is_closed = sample_rows >= bounds.samples;
    if (group.is_closed) left_out.samples.fetch_add(1, std::memory_order_relaxed);
  }
  group.day = day;
  return {};
}

Status FindingsStore::Impl::write_samples() {
  const auto insert =
      kept("INSERT OR IGNORE INTO request_samples VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  // What was displaced, and all but the latest day before this one.
  const auto displaced = kept(
      "DELETE FROM request_samples WHERE route = ?1 AND endpoint = ?2 AND day = ?3 AND draw > ?4");
  const auto old = kept(
      "DELETE FROM request_samples WHERE route = ?1 AND endpoint = ?2 AND day < (SELECT max(day) "
      "FROM request_samples WHERE route = ?1 AND endpoint = ?2 AND day < ?3)");
  if (!insert.ok()) return insert.error();
  if (!displaced.ok()) return displaced.error();
  if (!old.ok()) return old.error();
  for (auto& [key, group] : samples.groups()) {
    if (group.waiting.empty()) continue;
    for (const RequestSamples::Sample& one : group.waiting) {
      if (group.drawn.count(one.draw) == 0) continue;
      BANYAN_RETURN_IF_ERROR((*insert)
                                 ->bind(1, key.first)
                                 .bind(2, key.second)
                                 .bind(3, group.day)
                                 .bind(4, one.draw)
                                 .bind(5, one.exchange.to_string())
                                 .bind(6, one.stream)
                                 .bind(7, one.offset.value)
                                 .bind(8, one.status_class)
                                 .run());
      if (sample_rows >= 0) sample_rows += database->changes();
    }
    group.waiting.clear();
    if (group.drawn.size() == RequestSamples::kEach) {
      BANYAN_RETURN_IF_ERROR((*displaced)
                                 ->bind(1, key.first)
                                 .bind(2, key.second)
                                 .bind(3, group.day)
                                 .bind(4, *group.drawn.rbegin())
                                 .run());
      if (sample_rows >= 0) sample_rows -= database->changes();
    }
    BANYAN_RETURN_IF_ERROR((*old)->bind(1, key.first).bind(2, key.second).bind(3, group.day).run());
    if (sample_rows >= 0) sample_rows -= database->changes();
  }
  return {};
}

// An endpoint goes on under another name.
Status FindingsStore::Impl::move_samples(const std::string& from, const std::string& to) {
  sample_rows = -1;
  for (const char* sql : {"UPDATE OR IGNORE request_samples SET endpoint = ?2 WHERE endpoint = ?1",
                          "DELETE FROM request_samples WHERE endpoint = ?1 AND ?2 <> ''"}) {
    BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {from, to}));
  }
  return {};
}

namespace {

Result<std::vector<SampledRequest>> differing_of(store::Database& database,
                                                 const std::string& finding) {
  auto rows = database.prepare(
      "SELECT h.exchange, p.stream, p.offset, coalesce(d.status, 0) FROM (SELECT exchange, wall "
      "FROM hits WHERE finding = ?1 ORDER BY wall DESC LIMIT ?2) AS h "
      "JOIN places AS p ON p.exchange = h.exchange "
      "LEFT JOIN differing AS d ON d.exchange = h.exchange");
  if (!rows.ok()) return rows.error();
  rows->bind(1, finding).bind(2, kDifferingRead);
  std::vector<SampledRequest> out;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    out.push_back({std::string(rows->text(0)), std::string(rows->text(1)),
                   rows->unsigned_integer(2), static_cast<int>(rows->integer(3)), true, 0});
  }
}

// Of several endpoints and days only draws below what each of them still has are an even sample of
// all their requests together.
Result<std::vector<SampledRequest>> sampled_of(store::Database& database, const Finding& finding) {
  auto rows = database.prepare(
      "SELECT s.endpoint, s.day, s.draw, s.exchange, s.stream, s.offset, s.status, "
      "EXISTS (SELECT 1 FROM hits AS h WHERE h.exchange = s.exchange AND h.finding = ?2) "
      "FROM request_samples AS s WHERE s.route = ?1 AND (s.endpoint = ?3 OR (?3 = '*' AND "
      "s.endpoint IN (SELECT endpoint FROM finding_endpoints WHERE finding = ?2))) "
      "ORDER BY s.draw");
  if (!rows.ok()) return rows.error();
  rows->bind(1, finding.route).bind(2, finding.id).bind(3, finding.endpoint);
  struct Day {
    std::size_t count = 0;
    std::int64_t last = 0;
  };
  std::map<std::pair<std::string, std::int64_t>, Day> groups;
  std::vector<SampledRequest> out;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    Day& group = groups[{std::string(rows->text(0)), rows->integer(1)}];
    ++group.count;
    group.last = rows->integer(2);
    out.push_back({std::string(rows->text(3)), std::string(rows->text(4)),
                   rows->unsigned_integer(5), static_cast<int>(rows->integer(6)),
                   rows->integer(7) != 0, rows->integer(2)});
  }
  std::int64_t below = INT64_MAX;
  for (const auto& [key, group] : groups) {
    if (group.count >= RequestSamples::kEach) below = std::min(below, group.last);
  }
  std::erase_if(out, [below](const SampledRequest& place) { return place.draw > below; });
  if (out.size() > kOthersRead) out.resize(kOthersRead);
  return out;
}

// The facts of these requests, as far as the log still has them.
Status read_facts(model::LogAccess& log, std::vector<SampledRequest> places, const Clock& clock,
                  std::map<std::string, RequestFacts>& out) {
  std::sort(places.begin(), places.end(), [](const SampledRequest& a, const SampledRequest& b) {
    return std::tie(a.stream, a.offset) < std::tie(b.stream, b.offset);
  });
  std::vector<model::LogSpan> spans;
  std::map<std::string, const SampledRequest*> wanted;
  for (const SampledRequest& place : places) {
    if (!wanted.emplace(place.exchange, &place).second) continue;
    spans.push_back({place.stream, Offset{place.offset}, Offset{place.offset + 1}});
  }
  const std::int64_t until = clock.mono_ns() + FindingsStore::kSpecialPatienceNs;
  model::RequestRecord request;
  return model::read_spans(log, spans, [&](const model::SourcedRecord& item) {
    if (item.kind == model::SourcedRecord::Kind::kHole ||
        item.type != model::RecordType::kRequest || !model::decode_as(item.encoded, request).ok() ||
        request.of.is_erased) {
      return clock.mono_ns() < until;
    }
    const auto place = wanted.find(request.exchange.to_string());
    if (place != wanted.end()) {
      out.emplace(place->first, facts_of(request, place->second->status_class));
    }
    return clock.mono_ns() < until;
  });
}

}  // namespace

Result<FindingsStore::SpecialReport> FindingsStore::special(std::string_view id,
                                                            model::LogAccess& log) const {
  store::Database& database = *impl_->database;
  const auto finding = get(id);
  if (!finding.ok()) return finding.error();
  SpecialReport out;
  const auto is_there = has_table(database, "request_samples");
  if (!is_there.ok()) return is_there.error();
  if (!*is_there) return out;
  auto differing = differing_of(database, finding->id);
  if (!differing.ok()) return differing.error();
  auto sampled = sampled_of(database, *finding);
  if (!sampled.ok()) return sampled.error();
  std::vector<SampledRequest> all = *differing;
  all.insert(all.end(), sampled->begin(), sampled->end());
  std::map<std::string, RequestFacts> facts;
  BANYAN_RETURN_IF_ERROR(read_facts(log, std::move(all), impl_->clock, facts));
  std::vector<RequestFacts> these;
  std::vector<RequestFacts> others;
  for (const SampledRequest& place : *differing) {
    if (const auto found = facts.find(place.exchange); found != facts.end()) {
      these.push_back(found->second);
    }
  }
  std::size_t seen = 0;
  for (const SampledRequest& place : *sampled) {
    const auto found = facts.find(place.exchange);
    if (found == facts.end()) continue;
    ++seen;
    if (!place.is_differing) others.push_back(found->second);
  }
  out.differing = these.size();
  out.others = others.size();
  const double share =
      seen == 0 ? 0 : static_cast<double>(others.size()) / static_cast<double>(seen);
  out.special = special_of(these, others, share);
  return out;
}

}  // namespace banyan::comparator
