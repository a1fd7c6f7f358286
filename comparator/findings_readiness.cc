// SPDX-License-Identifier: Apache-2.0
//
// Counts of compared pairs in findings.sqlite. Beside the tables of findings and without a schema
// version of their own: they are made where they are missing, and count from then on.
#include <algorithm>
#include <map>
#include <utility>

#include "comparator/findings_impl.h"

namespace banyan::comparator {
namespace {

// Of one endpoint; past it new ones are kOtherShapes.
constexpr std::int64_t kShapesMax = 32;

constexpr const char* kReadinessSchema = R"sql(
CREATE TABLE IF NOT EXISTS readiness (
  id INTEGER PRIMARY KEY, route TEXT NOT NULL, endpoint TEXT NOT NULL, status INTEGER NOT NULL,
  shape INTEGER NOT NULL, equal INTEGER NOT NULL DEFAULT 0, tolerated INTEGER NOT NULL DEFAULT 0,
  different INTEGER NOT NULL DEFAULT 0, incomparable INTEGER NOT NULL DEFAULT 0,
  first_wall INTEGER NOT NULL, last_wall INTEGER NOT NULL, hours INTEGER NOT NULL DEFAULT 0,
  exemplar TEXT NOT NULL, UNIQUE (route, endpoint, status, shape)) STRICT;
CREATE TABLE IF NOT EXISTS differing (
  exchange TEXT PRIMARY KEY, route TEXT NOT NULL, endpoint TEXT NOT NULL, status INTEGER NOT NULL,
  shape INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)sql";

struct Key {
  std::string route, endpoint;
  int status_class = 0;
  std::uint32_t shape = 0;
};

store::Statement& bind_key(store::Statement& statement, const Key& key) {
  return statement.bind(1, key.route)
      .bind(2, key.endpoint)
      .bind(3, key.status_class)
      .bind(4, std::int64_t{key.shape});
}

Result<std::int64_t> number_for(store::Database& database, std::string_view sql, const Key& key,
                                int parameters) {
  auto statement = database.prepare(sql);
  if (!statement.ok()) return statement.error();
  if (parameters == 2) {
    statement->bind(1, key.route).bind(2, key.endpoint);
  } else {
    bind_key(*statement, key);
  }
  auto row = statement->step();
  if (!row.ok()) return row.error();
  return *row ? statement->integer(0) : 0;
}

// Where the pairs of `key` are counted: itself, where it is known or there is room.
Result<Key> key_with_room(store::Database& database, Key key, TableRoom& room) {
  auto known = number_for(database,
                          "SELECT count(*) FROM readiness WHERE route = ?1 AND endpoint = ?2 AND "
                          "status = ?3 AND shape = ?4",
                          key, 4);
  if (!known.ok()) return known.error();
  if (*known > 0) return key;
  auto shapes = number_for(database,
                           "SELECT count(DISTINCT shape) FROM readiness WHERE route = ?1 AND "
                           "endpoint = ?2",
                           key, 2);
  if (!shapes.ok()) return shapes.error();
  if (*shapes >= kShapesMax) key.shape = kOtherShapes;
  const auto has_room = room.take();
  if (!has_room.ok()) return has_room.error();
  if (!*has_room) {
    key.endpoint = std::string(kOtherEndpoints);
    key.shape = kOtherShapes;
  }
  return key;
}

}  // namespace

Status FindingsStore::Impl::create_readiness_schema() {
  return database->execute(kReadinessSchema);
}

// The exchanges that differ, so that accepting a finding later takes their pairs along.
Status FindingsStore::Impl::note_differing(const model::VerdictRecord& verdict) {
  if (verdict.of.is_erased || verdict.verdict != Verdict::kDifferent) return {};
  if (weight_of(verdict.verdict, verdict.legacy_status, verdict.candidate_status) !=
      Verdict::kDifferent) {
    return {};
  }
  const auto insert = kept("INSERT OR REPLACE INTO differing VALUES (?5, ?1, ?2, ?3, ?4)");
  if (!insert.ok()) return insert.error();
  return bind_key(**insert, Key{std::string(verdict.route), std::string(verdict.endpoint),
                                class_of_status(verdict.legacy_status), verdict.request_shape})
      .bind(5, verdict.exchange.to_string())
      .run();
}

Status FindingsStore::Impl::forget_differing(ExchangeId exchange) {
  return run_with(*database, "DELETE FROM differing WHERE exchange = ?1", {exchange.to_string()});
}

// Its mismatch goes with it; it stays a pair that nothing is known of.
Status FindingsStore::Impl::erase_differing(ExchangeId exchange) {
  const std::string id = exchange.to_string();
  for (const char* sql :
       {"UPDATE readiness SET different = max(0, different - 1), incomparable = incomparable + 1 "
        "FROM (SELECT route AS r, endpoint AS e, status AS s, shape AS h FROM differing "
        "WHERE exchange = ?1) WHERE route = r AND endpoint = e AND status = s AND shape = h",
        "UPDATE readiness SET exemplar = '' WHERE exemplar = ?1"}) {
    BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {id}));
  }
  return {};
}

Status FindingsStore::Impl::write_readiness() {
  auto upsert = database->prepare(
      "INSERT INTO readiness (route, endpoint, status, shape, equal, tolerated, different, "
      "incomparable, first_wall, last_wall, hours, exemplar) "
      "VALUES (?1, ?2, ?3, ?4, max(0, ?5), max(0, ?6), max(0, ?7), max(0, ?8), ?9, ?10, ?11, ?12) "
      "ON CONFLICT (route, endpoint, status, shape) DO UPDATE SET equal = max(0, equal + ?5), "
      "tolerated = max(0, tolerated + ?6), different = max(0, different + ?7), "
      "incomparable = max(0, incomparable + ?8), first_wall = iif(?9 = 0 OR first_wall = 0, "
      "max(first_wall, ?9), "
      "min(first_wall, ?9)), "
      "last_wall = max(last_wall, ?10), hours = hours | ?11");
  if (!upsert.ok()) return upsert.error();
  TableRoom room(*database, "readiness", bounds.readiness, left_out.readiness);
  for (const ReadinessCounts::Cell& cell : readiness.all()) {
    const LatencyCounts::Name& name = latency.name(cell.name);
    auto key = key_with_room(*database,
                             Key{name.route, name.endpoint, cell.status_class, cell.shape}, room);
    if (!key.ok()) return key.error();
    bind_key(*upsert, *key);
    for (int i = 0; i < 4; ++i) upsert->bind(5 + i, cell.counts[static_cast<std::size_t>(i)]);
    BANYAN_RETURN_IF_ERROR(upsert->bind(9, cell.first_wall_ns)
                               .bind(10, cell.last_wall_ns)
                               .bind(11, std::int64_t{cell.hours})
                               .bind(12, cell.exemplar.to_string())
                               .run());
  }
  return {};
}

// The counts of an endpoint go on under another name.
Status FindingsStore::Impl::move_readiness(const std::string& from, const std::string& to) {
  for (const char* sql :
       {"INSERT INTO readiness (route, endpoint, status, shape, equal, tolerated, different, "
        "incomparable, first_wall, last_wall, hours, exemplar) "
        "SELECT route, ?2, status, shape, equal, tolerated, different, incomparable, first_wall, "
        "last_wall, hours, exemplar FROM readiness WHERE endpoint = ?1 "
        "ON CONFLICT (route, endpoint, status, shape) DO UPDATE SET equal = equal + "
        "excluded.equal, "
        "tolerated = tolerated + excluded.tolerated, different = different + excluded.different, "
        "incomparable = incomparable + excluded.incomparable, "
        "first_wall = iif(excluded.first_wall = 0 OR first_wall = 0, "
        "max(first_wall, excluded.first_wall), min(first_wall, excluded.first_wall)), "
        "last_wall = max(last_wall, excluded.last_wall), hours = hours | excluded.hours",
        "DELETE FROM readiness WHERE endpoint = ?1 AND ?2 <> ''",
        "UPDATE differing SET endpoint = ?2 WHERE endpoint = ?1"}) {
    BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {from, to}));
  }
  return {};
}

namespace {

// Exchanges all of whose differences are accepted, tolerated or noise, by the cell they are counted
// in.
Status add_accepted(store::Database& database, std::int64_t now_wall_ns,
                    const std::string& noise_ids,
                    std::map<std::pair<std::string, std::string>, EndpointCounts>& all) {
  auto rows = database.prepare(
      "WITH accepted AS (SELECT id FROM findings WHERE state = 1 AND "
      "(accepted_until = 0 OR accepted_until > ?1) UNION SELECT value FROM json_each(?2)), "
      "shown AS (SELECT DISTINCT exchange FROM hits WHERE finding IN accepted) "
      "SELECT d.route, d.endpoint, d.status, d.shape, count(*) FROM differing AS d "
      "WHERE d.exchange IN shown AND NOT EXISTS (SELECT 1 FROM hits AS h WHERE "
      "h.exchange = d.exchange AND h.uncovered > 0 AND h.finding NOT IN accepted) "
      "GROUP BY d.route, d.endpoint, d.status, d.shape");
  if (!rows.ok()) return rows.error();
  rows->bind(1, now_wall_ns).bind(2, noise_ids);
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    const std::string route(rows->text(0));
    auto found = all.find({route, std::string(rows->text(1))});
    if (found == all.end()) found = all.find({route, std::string(kOtherEndpoints)});
    if (found == all.end()) continue;
    // Those of an endpoint or shape that had no room of its own are counted with the others.
    ReadinessCell* best = nullptr;
    for (ReadinessCell& cell : found->second.cells) {
      if (cell.status_class != rows->integer(2)) continue;
      if (cell.shape == static_cast<std::uint32_t>(rows->integer(3)) ||
          (best == nullptr && cell.shape == kOtherShapes)) {
        best = &cell;
      }
    }
    if (best == nullptr) continue;
    best->accepted = std::min(best->different, best->accepted + rows->unsigned_integer(4));
  }
}

}  // namespace

Result<std::vector<EndpointCounts>> FindingsStore::readiness_counts() const {
  store::Database& database = *impl_->database;
  for (const char* table : {"readiness", "differing"}) {
    auto is_there = has_table(database, table);
    if (!is_there.ok()) return is_there.error();
    if (!*is_there) return std::vector<EndpointCounts>();
  }
  auto rows = database.prepare(
      "SELECT route, endpoint, status, shape, equal, tolerated, different, incomparable, "
      "first_wall, last_wall, hours, exemplar FROM readiness ORDER BY route, endpoint, status, "
      "shape");
  if (!rows.ok()) return rows.error();
  std::map<std::pair<std::string, std::string>, EndpointCounts> all;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    EndpointCounts& one = all[{std::string(rows->text(0)), std::string(rows->text(1))}];
    ReadinessCell cell;
    cell.status_class = static_cast<int>(rows->integer(2));
    cell.shape = static_cast<std::uint32_t>(rows->integer(3));
    cell.equal = rows->unsigned_integer(4);
    cell.tolerated = rows->unsigned_integer(5);
    cell.different = rows->unsigned_integer(6);
    cell.incomparable = rows->unsigned_integer(7);
    cell.exemplar = std::string(rows->text(11));
    one.first_wall_ns =
        one.cells.empty() ? rows->integer(8) : std::min(one.first_wall_ns, rows->integer(8));
    one.last_wall_ns = std::max(one.last_wall_ns, rows->integer(9));
    one.hours |= static_cast<std::uint32_t>(rows->integer(10));
    one.cells.push_back(std::move(cell));
  }
  const auto noise = impl_->noise_ids();
  if (!noise.ok()) return noise.error();
  BANYAN_RETURN_IF_ERROR(add_accepted(database, impl_->clock.wall_ns(), *noise, all));
  std::vector<EndpointCounts> out;
  out.reserve(all.size());
  for (auto& [key, one] : all) {
    one.route = key.first;
    one.endpoint = key.second;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace banyan::comparator
