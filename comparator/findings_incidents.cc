// SPDX-License-Identifier: Apache-2.0
//
// Which findings come together in one exchange, and how often: at most kIncidentsMax sets. Past
// that a new one takes the place of the rarest and its count on top (SpaceSaving): the sum stays
// right, and no count is more than `error` too high. Made where the table is missing, and counted
// from then on.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "comparator/findings_impl.h"
#include "comparator/incidents.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr std::int64_t kIncidentsMax = 10'000;
// Of one exchange; those beyond it are left out of its set.
constexpr std::size_t kFindingsMax = 64;

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS incidents (
  signature TEXT PRIMARY KEY, findings TEXT NOT NULL, exchanges INTEGER NOT NULL,
  error INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS incidents_by_exchanges ON incidents (exchanges);
)sql";

std::string joined(const std::set<std::string>& findings) {
  std::string out;
  std::size_t count = 0;
  for (const std::string& id : findings) {
    if (count++ == kFindingsMax) break;
    if (!out.empty()) out.push_back(' ');
    out += id;
  }
  return out;
}

std::string signature_of(std::string_view findings) {
  const Digest128 digest = xxh3_128(findings);
  return hex_of_u64(digest.high) + hex_of_u64(digest.low);
}

Status insert(store::Database& database, const std::string& findings, std::uint64_t exchanges,
              std::uint64_t error) {
  auto statement = database.prepare("INSERT INTO incidents VALUES (?1, ?2, ?3, ?4)");
  if (!statement.ok()) return statement.error();
  return statement->bind(1, signature_of(findings))
      .bind(2, findings)
      .bind(3, exchanges)
      .bind(4, error)
      .run();
}

}  // namespace

Status FindingsStore::Impl::create_incidents() { return database->execute(kSchema); }

Status FindingsStore::Impl::add_incident(const std::set<std::string>& findings) {
  if (findings.empty()) return {};
  const std::string set = joined(findings);
  auto update =
      database->prepare("UPDATE incidents SET exchanges = exchanges + 1 WHERE signature = ?1");
  if (!update.ok()) return update.error();
  BANYAN_RETURN_IF_ERROR(update->bind(1, signature_of(set)).run());
  if (database->changes() > 0) return {};
  if (incidents < 0) {
    const auto count = number_of(*database, "SELECT count(*) FROM incidents");
    if (!count.ok()) return count.error();
    incidents = *count;
  }
  std::uint64_t error = 0;
  if (incidents >= kIncidentsMax) {
    const auto rarest = number_of(*database, "SELECT min(exchanges) FROM incidents");
    if (!rarest.ok()) return rarest.error();
    error = static_cast<std::uint64_t>(std::max<std::int64_t>(*rarest, 0));
    BANYAN_RETURN_IF_ERROR(database->execute(
        "DELETE FROM incidents WHERE signature = "
        "(SELECT signature FROM incidents ORDER BY exchanges, signature LIMIT 1)"));
  } else {
    ++incidents;
  }
  return insert(*database, set, error + 1, error);
}

// Before its hits go.
Status FindingsStore::Impl::forget_incident(std::string_view exchange) {
  std::set<std::string> findings;
  {
    auto rows = database->prepare("SELECT finding FROM hits WHERE exchange = ?1 AND uncovered > 0");
    if (!rows.ok()) return rows.error();
    rows->bind(1, exchange);
    for (;;) {
      auto row = rows->step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      findings.emplace(rows->text(0));
    }
  }
  if (findings.empty()) return {};
  incidents = -1;
  const std::string signature = signature_of(joined(findings));
  for (const char* sql : {"UPDATE incidents SET exchanges = exchanges - 1 WHERE signature = ?1",
                          "DELETE FROM incidents WHERE signature = ?1 AND exchanges <= error"}) {
    auto statement = database->prepare(sql);
    if (!statement.ok()) return statement.error();
    BANYAN_RETURN_IF_ERROR(statement->bind(1, signature).run());
  }
  return {};
}

// Findings became others: so do the sets they are part of.
Status FindingsStore::Impl::rename_incidents(const std::map<std::string, std::string>& moves) {
  struct Count {
    std::uint64_t exchanges = 0, error = 0;
  };
  std::map<std::string, Count> sets;
  bool has_changed = false;
  {
    auto rows = database->prepare("SELECT findings, exchanges, error FROM incidents");
    if (!rows.ok()) return rows.error();
    for (;;) {
      auto row = rows->step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      std::set<std::string> findings;
      for (const std::string_view id : split(rows->text(0), ' ')) {
        const auto moved = moves.find(std::string(id));
        has_changed |= moved != moves.end();
        findings.insert(moved == moves.end() ? std::string(id) : moved->second);
      }
      Count& count = sets[joined(findings)];
      count.exchanges += rows->unsigned_integer(1);
      count.error += rows->unsigned_integer(2);
    }
  }
  if (!has_changed) return {};
  incidents = static_cast<std::int64_t>(sets.size());
  BANYAN_RETURN_IF_ERROR(database->execute("DELETE FROM incidents"));
  for (const auto& [findings, count] : sets) {
    BANYAN_RETURN_IF_ERROR(insert(*database, findings, count.exchanges, count.error));
  }
  return {};
}

Result<Explanation> FindingsStore::explain(std::string_view route) const {
  store::Database& database = *impl_->database;
  // A file that only an older version wrote has no such table.
  const auto is_there = has_table(database, "incidents");
  if (!is_there.ok()) return is_there.error();
  if (!*is_there) return Explanation{};
  std::map<std::string, bool, std::less<>> decided;  // of the route
  {
    auto rows = database.prepare(
        "SELECT id, state = 2 OR (state = 1 AND (accepted_until = 0 OR accepted_until > ?1)) "
        "FROM findings WHERE ?2 = '' OR route = ?2");
    if (!rows.ok()) return rows.error();
    rows->bind(1, impl_->clock.wall_ns()).bind(2, route);
    for (;;) {
      auto row = rows->step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      decided.emplace(std::string(rows->text(0)), rows->integer(1) != 0);
    }
  }
  std::vector<Incident> sets;
  auto rows = database.prepare(
      "SELECT findings, exchanges, error FROM incidents ORDER BY exchanges DESC, signature");
  if (!rows.ok()) return rows.error();
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    Incident incident;
    for (const std::string_view id : split(rows->text(0), ' ')) incident.findings.emplace_back(id);
    if (decided.find(incident.findings.front()) == decided.end()) continue;
    incident.exchanges = rows->unsigned_integer(1);
    incident.exchanges_min = incident.exchanges - rows->unsigned_integer(2);
    sets.push_back(std::move(incident));
  }
  return comparator::explain(sets, [&decided](std::string_view id) {
    const auto found = decided.find(id);
    return found != decided.end() && found->second;
  });
}

}  // namespace banyan::comparator
