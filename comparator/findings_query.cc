// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "comparator/findings_impl.h"
#include "comparator/latency_histogram.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kColumns =
    "SELECT id, route, endpoint, path, kind, transition, count, exchanges, uncovered, first_seen, "
    "last_seen, example_at, example_legacy, example_candidate, rule, state, reason, changed_by, "
    "accepted_until FROM findings ";
constexpr std::size_t kExemplarsMax = 8;
constexpr int kCandidatesEachEnd = 32;  // hits that are looked at for them

Finding finding_of(const store::Statement& row, std::int64_t now_wall_ns) {
  Finding finding;
  finding.id = std::string(row.text(0));
  finding.issue = issue_id(names_of(row));
  finding.route = std::string(row.text(1));
  finding.endpoint = std::string(row.text(2));
  finding.path = std::string(row.text(3));
  finding.kind = std::string(row.text(4));
  finding.transition = std::string(row.text(5));
  finding.count = row.unsigned_integer(6);
  finding.exchanges = row.unsigned_integer(7);
  if (row.integer(8) == 0) finding.tolerated_by = std::string(row.text(14));
  finding.first_seen_wall_ns = row.integer(9);
  finding.last_seen_wall_ns = row.integer(10);
  finding.example_at = std::string(row.text(11));
  finding.example_legacy = std::string(row.text(12));
  finding.example_candidate = std::string(row.text(13));
  finding.state = state_of(row.integer(15), row.integer(18), now_wall_ns);
  finding.reason = std::string(row.text(16));
  finding.changed_by = std::string(row.text(17));
  finding.accepted_until_wall_ns = row.integer(18);
  return finding;
}

// A hit that may serve as an example, and what kind of request it was.
struct Candidate {
  std::string exchange;
  std::int64_t status = 0, shape = 0;
};

Result<std::vector<Candidate>> candidates_of(store::Statement& hits, const std::string& finding) {
  hits.bind(1, finding).bind(2, kCandidatesEachEnd);
  std::vector<Candidate> out;
  for (;;) {
    auto row = hits.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    out.push_back({std::string(hits.text(0)), hits.integer(1), hits.integer(2)});
  }
}

// The first two and the latest two, then one of every other kind of request, then more of either
// end.
std::vector<std::string> choose_exemplars(const std::vector<Candidate>& first,
                                          const std::vector<Candidate>& latest) {
  std::vector<std::string> out;
  std::set<std::pair<std::int64_t, std::int64_t>> kinds;
  const auto add = [&](const Candidate& candidate, bool only_new_kind) {
    if (out.size() >= kExemplarsMax) return;
    if (std::find(out.begin(), out.end(), candidate.exchange) != out.end()) return;
    const bool is_new = kinds.insert({candidate.status, candidate.shape}).second;
    if (is_new || !only_new_kind) out.push_back(candidate.exchange);
  };
  const auto add_ends = [&](std::size_t from, std::size_t to) {
    for (const auto* end : {&first, &latest}) {
      for (std::size_t i = from; i < std::min(to, end->size()); ++i) add((*end)[i], false);
    }
  };
  add_ends(0, 2);
  for (const auto* end : {&first, &latest}) {
    for (const Candidate& candidate : *end) add(candidate, true);
  }
  add_ends(2, kExemplarsMax / 2);
  return out;
}

// What is asked for each finding of a list, prepared once for all.
class Lists {
 public:
  static Result<Lists> prepare(store::Database& database) {
    const auto with_shapes = has_table(database, "differing");
    if (!with_shapes.ok()) return with_shapes.error();
    auto first = database.prepare(hits_from("ASC", *with_shapes));
    if (!first.ok()) return first.error();
    auto latest = database.prepare(hits_from("DESC", *with_shapes));
    if (!latest.ok()) return latest.error();
    auto endpoints = database.prepare(
        "SELECT endpoint FROM finding_endpoints WHERE finding = ?1 ORDER BY endpoint");
    if (!endpoints.ok()) return endpoints.error();
    return Lists(std::move(first).value(), std::move(latest).value(), std::move(endpoints).value());
  }

  Status fill(Finding& finding) {
    auto first = candidates_of(first_, finding.id);
    if (!first.ok()) return first.error();
    auto latest = candidates_of(latest_, finding.id);
    if (!latest.ok()) return latest.error();
    finding.exemplars = choose_exemplars(*first, *latest);
    if (finding.endpoint != "*") return {};
    endpoints_.bind(1, finding.id);
    for (;;) {
      auto row = endpoints_.step();
      if (!row.ok()) return row.error();
      if (!*row) return {};
      finding.endpoints.emplace_back(endpoints_.text(0));
    }
  }

 private:
  Lists(store::Statement first, store::Statement latest, store::Statement endpoints)
      : first_(std::move(first)), latest_(std::move(latest)), endpoints_(std::move(endpoints)) {}

  static std::string hits_from(const std::string& order, bool with_shapes) {
    const std::string by_age = " ORDER BY wall " + order + ", exchange LIMIT ?2";
    if (!with_shapes) return "SELECT exchange, 0, 0 FROM hits WHERE finding = ?1" + by_age;
    return "SELECT h.exchange, d.status, d.shape FROM (SELECT exchange, wall FROM hits WHERE "
           "finding = ?1" +
           by_age + ") AS h LEFT JOIN differing AS d ON d.exchange = h.exchange ORDER BY h.wall " +
           order + ", h.exchange";
  }

  store::Statement first_, latest_, endpoints_;
};

}  // namespace

FindingNames names_of(const store::Statement& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5)};
}

FindingState state_of(std::int64_t stored, std::int64_t until_wall_ns, std::int64_t now_wall_ns) {
  const auto state = static_cast<FindingState>(std::clamp<std::int64_t>(stored, 0, 2));
  const bool has_ended = until_wall_ns != 0 && until_wall_ns <= now_wall_ns;
  return state == FindingState::kAccepted && has_ended ? FindingState::kOpen : state;
}

Result<std::vector<Finding>> FindingsStore::list(const FindingFilter& filter) const {
  // What no exchange shows any more (a later generation took it back) stays for its state alone.
  auto rows =
      impl_->database->prepare(std::string(kColumns) +
                               "WHERE (exchanges > 0 OR state <> 0) AND (?1 = '' OR route = ?1) "
                               "ORDER BY exchanges DESC, id");
  if (!rows.ok()) return rows.error();
  rows->bind(1, filter.route);
  std::vector<Finding> out;
  while (out.size() < filter.limit) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    Finding finding = finding_of(*rows, impl_->clock.wall_ns());
    if (filter.state) {
      if (finding.state != *filter.state) continue;
      // Every occurrence is covered by a rule: nothing to triage.
      if (finding.state == FindingState::kOpen &&
          (!finding.tolerated_by.empty() || finding.exchanges == 0)) {
        continue;
      }
    }
    out.push_back(std::move(finding));
  }
  BANYAN_RETURN_IF_ERROR(impl_->judge(out));
  if (!filter.with_exemplars) return out;
  auto lists = Lists::prepare(*impl_->database);
  if (!lists.ok()) return lists.error();
  for (Finding& finding : out) BANYAN_RETURN_IF_ERROR(lists->fill(finding));
  return out;
}

Result<Finding> FindingsStore::get(std::string_view id) const {
  const auto unknown = [&] {
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kClient,
                      "no finding has the id \"" + std::string(id.substr(0, 64)) + "\"");
  };
  const bool is_hex = !id.empty() && id.size() <= 12 &&
                      id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!is_hex) return unknown();
  auto rows = impl_->database->prepare(std::string(kColumns) +
                                       "WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2");
  if (!rows.ok()) return rows.error();
  rows->bind(1, id).bind(2, std::string(id) + "g");
  auto row = rows->step();
  if (!row.ok()) return row.error();
  if (!*row) {
    const auto successor = impl_->successor_of(id);
    if (!successor.ok()) return successor.error();
    return successor->empty() ? Result<Finding>(unknown()) : get(*successor);
  }
  Finding finding = finding_of(*rows, impl_->clock.wall_ns());
  row = rows->step();
  if (!row.ok()) return row.error();
  if (*row) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "several findings begin with \"" + std::string(id) + "\"; type more of it");
  }
  auto lists = Lists::prepare(*impl_->database);
  if (!lists.ok()) return lists.error();
  BANYAN_RETURN_IF_ERROR(lists->fill(finding));
  std::vector<Finding> one(1, std::move(finding));
  BANYAN_RETURN_IF_ERROR(impl_->judge(one));
  return std::move(one.front());
}

Result<Finding> FindingsStore::set_state(std::string_view id, FindingState state,
                                         std::string_view by, std::string_view reason,
                                         std::int64_t until_wall_ns) {
  auto finding = get(id);
  if (!finding.ok()) return finding.error();
  if (state == FindingState::kAccepted && reason.empty()) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "accepting a finding needs a reason");
  }
  BANYAN_RETURN_IF_ERROR(impl_->decide(finding->id, state, by, reason, until_wall_ns));
  return get(finding->id);
}

Status FindingsStore::Impl::decide(std::string_view finding, FindingState state,
                                   std::string_view by, std::string_view reason,
                                   std::int64_t until_wall_ns) {
  auto update = database->prepare(
      "UPDATE findings SET state = ?2, reason = ?3, changed_by = ?4, accepted_until = ?5 "
      "WHERE id = ?1");
  if (!update.ok()) return update.error();
  return update->bind(1, finding)
      .bind(2, static_cast<int>(state))
      .bind(3, reason)
      .bind(4, by)
      .bind(5, state == FindingState::kAccepted ? until_wall_ns : 0)
      .run();
}

Result<std::vector<EndpointLatency>> FindingsStore::latency() const {
  auto rows =
      impl_->database->prepare("SELECT route, endpoint, system, bucket, count FROM latency");
  if (!rows.ok()) return rows.error();
  std::map<std::pair<std::string, std::string>, std::pair<LatencyHistogram, LatencyHistogram>> all;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    auto& both = all[{std::string(rows->text(0)), std::string(rows->text(1))}];
    (rows->integer(2) == 0 ? both.first : both.second)
        .add(static_cast<int>(rows->integer(3)), rows->unsigned_integer(4));
  }
  std::vector<EndpointLatency> out;
  for (const auto& [key, both] : all) {
    EndpointLatency one;
    one.route = key.first;
    one.endpoint = key.second;
    one.pairs = both.first.total();
    one.legacy_p50_ms = both.first.quantile_ms(0.50);
    one.legacy_p95_ms = both.first.quantile_ms(0.95);
    one.legacy_p99_ms = both.first.quantile_ms(0.99);
    one.candidate_p50_ms = both.second.quantile_ms(0.50);
    one.candidate_p95_ms = both.second.quantile_ms(0.95);
    one.candidate_p99_ms = both.second.quantile_ms(0.99);
    one.legacy_p50_range = both.first.range_ms(0.50);
    one.legacy_p95_range = both.first.range_ms(0.95);
    one.legacy_p99_range = both.first.range_ms(0.99);
    one.candidate_p50_range = both.second.range_ms(0.50);
    one.candidate_p95_range = both.second.range_ms(0.95);
    one.candidate_p99_range = both.second.range_ms(0.99);
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::optional<model::Cursor::Place>> FindingsStore::locate(ExchangeId exchange) const {
  auto rows = impl_->database->prepare("SELECT stream, offset FROM places WHERE exchange = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, exchange.to_string());
  auto row = rows->step();
  if (!row.ok()) return row.error();
  if (!*row) return std::optional<model::Cursor::Place>();
  return std::optional<model::Cursor::Place>(
      model::Cursor::Place{std::string(rows->text(0)), Offset{rows->unsigned_integer(1)}});
}

}  // namespace banyan::comparator
