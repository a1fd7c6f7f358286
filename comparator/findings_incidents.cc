// SPDX-License-Identifier: Apache-2.0
//
// Which issues come together in one exchange of a route, and how often: at most kSetsMax sets. Past
// that a new one takes the place of the rarest and its count on top (SpaceSaving): the sum stays
// right, and no count is more than `error` too high. Where the table is missing it is made of the
// hits that are still there.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "comparator/findings_impl.h"
#include "comparator/incidents.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr std::int64_t kSetsMax = 20'000;
// Of one exchange; those beyond it are left out of its set.
constexpr std::size_t kIssuesMax = 64;

// `incidents` is the table of older files, whose sets were of findings.
constexpr const char* kIssueSetsSchema = R"sql(
CREATE TABLE issue_sets (
  signature TEXT PRIMARY KEY, route TEXT NOT NULL, issues TEXT NOT NULL, exchanges INTEGER NOT NULL,
  error INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX issue_sets_by_exchanges ON issue_sets (exchanges);
DROP TABLE IF EXISTS incidents;
)sql";

struct Set {
  std::string route, issues;
  bool operator<(const Set& other) const {
    return std::tie(route, issues) < std::tie(other.route, other.issues);
  }
  std::string signature() const {
    const Digest128 digest = xxh3_128(route + '\n' + issues);
    return hex_of_u64(digest.high) + hex_of_u64(digest.low);
  }
};

std::string id_list(const std::set<std::string>& issues) {
  std::string out;
  std::size_t count = 0;
  for (const std::string& id : issues) {
    if (count++ == kIssuesMax) break;
    if (!out.empty()) out.push_back(' ');
    out += id;
  }
  return out;
}

Status insert(store::Database& database, const Set& set, std::uint64_t exchanges,
              std::uint64_t error) {
  auto statement = database.prepare("INSERT INTO issue_sets VALUES (?1, ?2, ?3, ?4, ?5)");
  if (!statement.ok()) return statement.error();
  return statement->bind(1, set.signature())
      .bind(2, set.route)
      .bind(3, set.issues)
      .bind(4, exchanges)
      .bind(5, error)
      .run();
}

// What the exchanges show that no rule covers, exchange after exchange.
constexpr std::string_view kHitsOf =
    "SELECT f.id, f.route, f.endpoint, f.path, f.kind, f.transition, h.exchange FROM hits AS h "
    "JOIN findings AS f ON f.id = h.finding WHERE h.uncovered > 0 ";

}  // namespace

Status FindingsStore::Impl::create_issue_sets() {
  const auto is_there = has_table(*database, "issue_sets");
  if (!is_there.ok()) return is_there.error();
  if (*is_there) return {};
  BANYAN_RETURN_IF_ERROR(database->execute(kIssueSetsSchema));
  auto rows = database->prepare(std::string(kHitsOf) + "ORDER BY h.exchange");
  if (!rows.ok()) return rows.error();
  std::string exchange;
  std::string route;
  std::set<std::string> issues;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row || rows->text(6) != exchange) {
      BANYAN_RETURN_IF_ERROR(add_issue_set(route, issues));
      issues.clear();
    }
    if (!*row) return {};
    exchange = rows->text(6);
    route = rows->text(1);
    issues.insert(issue_id(names_of(*rows)));
  }
}

Status FindingsStore::Impl::add_issue_set(std::string_view route,
                                          const std::set<std::string>& issues) {
  if (issues.empty()) return {};
  const Set set{std::string(route), id_list(issues)};
  const auto update = kept("UPDATE issue_sets SET exchanges = exchanges + 1 WHERE signature = ?1");
  if (!update.ok()) return update.error();
  BANYAN_RETURN_IF_ERROR((*update)->bind(1, set.signature()).run());
  if (database->changes() > 0) return {};
  if (issue_sets < 0) {
    const auto count = number_of(*database, "SELECT count(*) FROM issue_sets");
    if (!count.ok()) return count.error();
    issue_sets = *count;
  }
  std::uint64_t error = 0;
  if (issue_sets >= kSetsMax) {
    const auto rarest = number_of(*database, "SELECT min(exchanges) FROM issue_sets");
    if (!rarest.ok()) return rarest.error();
    error = static_cast<std::uint64_t>(std::max<std::int64_t>(*rarest, 0));
    BANYAN_RETURN_IF_ERROR(database->execute(
        "DELETE FROM issue_sets WHERE signature = "
        "(SELECT signature FROM issue_sets ORDER BY exchanges, signature LIMIT 1)"));
  } else {
    ++issue_sets;
  }
  return insert(*database, set, error + 1, error);
}

// Before its hits go.
Status FindingsStore::Impl::forget_issue_set(std::string_view exchange) {
  Set set;
  {
    std::set<std::string> issues;
    auto rows = database->prepare(std::string(kHitsOf) + "AND h.exchange = ?1");
    if (!rows.ok()) return rows.error();
    rows->bind(1, exchange);
    for (;;) {
      auto row = rows->step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      set.route = rows->text(1);
      issues.insert(issue_id(names_of(*rows)));
    }
    if (issues.empty()) return {};
    set.issues = id_list(issues);
  }
  issue_sets = -1;
  const std::string signature = set.signature();
  for (const char* sql : {"UPDATE issue_sets SET exchanges = exchanges - 1 WHERE signature = ?1",
                          "DELETE FROM issue_sets WHERE signature = ?1 AND exchanges <= error"}) {
    auto statement = database->prepare(sql);
    if (!statement.ok()) return statement.error();
    BANYAN_RETURN_IF_ERROR(statement->bind(1, signature).run());
  }
  return {};
}

// Findings got another endpoint: issues became others, and so do the sets they are part of.
Status FindingsStore::Impl::rename_issues(const std::map<std::string, std::string>& moves) {
  struct Count {
    std::uint64_t exchanges = 0, error = 0;
  };
  std::map<Set, Count> sets;
  bool has_changed = false;
  {
    auto rows = database->prepare("SELECT route, issues, exchanges, error FROM issue_sets");
    if (!rows.ok()) return rows.error();
    for (;;) {
      auto row = rows->step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      std::set<std::string> issues;
      for (const std::string_view id : split(rows->text(1), ' ')) {
        const auto moved = moves.find(std::string(id));
        has_changed |= moved != moves.end();
        issues.insert(moved == moves.end() ? std::string(id) : moved->second);
      }
      Count& count = sets[{std::string(rows->text(0)), id_list(issues)}];
      count.exchanges += rows->unsigned_integer(2);
      count.error += rows->unsigned_integer(3);
    }
  }
  if (!has_changed) return {};
  issue_sets = static_cast<std::int64_t>(sets.size());
  BANYAN_RETURN_IF_ERROR(database->execute("DELETE FROM issue_sets"));
  for (const auto& [set, count] : sets) {
    BANYAN_RETURN_IF_ERROR(insert(*database, set, count.exchanges, count.error));
  }
  return {};
}

namespace {

// Of one issue.
struct IssueFacts {
  std::string finding;  // the one that most exchanges show
  std::size_t findings = 0;
  std::set<std::string, std::less<>> open_at;  // routes where one of its findings waits
};

Result<std::map<std::string, IssueFacts, std::less<>>> facts_of_issues(store::Database& database,
                                                                       std::int64_t now_wall_ns) {
  auto rows = database.prepare(
      "SELECT id, route, endpoint, path, kind, transition, exchanges, uncovered > 0 AND "
      "(state = 0 OR (state = 1 AND accepted_until <> 0 AND accepted_until <= ?1)) FROM findings "
      "WHERE exchanges > 0 ORDER BY exchanges DESC, id");
  if (!rows.ok()) return rows.error();
  rows->bind(1, now_wall_ns);
  std::map<std::string, IssueFacts, std::less<>> out;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    IssueFacts& one = out[issue_id(names_of(*rows))];
    if (one.findings++ == 0) one.finding = rows->text(0);
    if (rows->integer(7) != 0) one.open_at.emplace(rows->text(1));
  }
}

}  // namespace

Result<Explanation> FindingsStore::explain(std::string_view route) const {
  store::Database& database = *impl_->database;
  // A file that only an older version wrote has no such table.
  const auto is_there = has_table(database, "issue_sets");
  if (!is_there.ok()) return is_there.error();
  if (!*is_there) return Explanation{};
  const auto known = facts_of_issues(database, impl_->clock.wall_ns());
  if (!known.ok()) return known.error();
  // Of all routes together: what is left to decide makes an incident.
  std::map<std::string, Incident, std::less<>> incidents;
  auto rows = database.prepare(
      "SELECT route, issues, exchanges, error FROM issue_sets WHERE ?1 = '' OR route = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    std::vector<std::string> left;
    std::string key;
    for (const std::string_view id : split(rows->text(1), ' ')) {
      const auto found = known->find(id);
      if (found == known->end() || found->second.open_at.count(rows->text(0)) == 0) continue;
      left.emplace_back(id);
      key += id;
    }
    if (left.empty()) continue;
    Incident& incident = incidents[key];
    incident.issues = std::move(left);
    incident.exchanges += rows->unsigned_integer(2);
    incident.exchanges_min += rows->unsigned_integer(2) - rows->unsigned_integer(3);
  }
  std::vector<Incident> sets;
  sets.reserve(incidents.size());
  for (auto& [key, incident] : incidents) sets.push_back(std::move(incident));
  std::stable_sort(sets.begin(), sets.end(),
                   [](const Incident& a, const Incident& b) { return a.exchanges > b.exchanges; });
  Explanation out = comparator::explain(sets, [](std::string_view) { return false; });
  for (Explanation::Step& step : out.steps) {
    const IssueFacts& facts = known->find(step.issue)->second;
    step.finding = facts.finding;
    step.findings = facts.findings;
  }
  return out;
}

}  // namespace banyan::comparator
