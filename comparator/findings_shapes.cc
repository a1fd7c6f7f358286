// SPDX-License-Identifier: Apache-2.0
//
// Shapes of values by place (noise_sides.h), in findings.sqlite.
#include <utility>

#include "comparator/findings_impl.h"

namespace banyan::comparator {
namespace {

constexpr const char* kShapesSchema = R"sql(
CREATE TABLE IF NOT EXISTS noise_shapes (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL,
  shape TEXT NOT NULL, candidate INTEGER NOT NULL, legacy INTEGER NOT NULL, again INTEGER NOT NULL,
  PRIMARY KEY (route, endpoint, path, kind, shape)) STRICT, WITHOUT ROWID;
)sql";

constexpr std::string_view kAdd =
    "candidate = candidate + ?6, legacy = legacy + ?7, again = again + ?8";

Status write_counts_of(store::Statement& statement, const NoiseKey& key, std::string_view shape,
                       const SideCounts& counts) {
  return statement.bind(1, key.route)
      .bind(2, key.endpoint)
      .bind(3, key.path)
      .bind(4, key.kind)
      .bind(5, shape)
      .bind(6, counts.candidate)
      .bind(7, counts.legacy)
      .bind(8, counts.again)
      .run();
}

}  // namespace

Status FindingsStore::Impl::create_shapes_table() { return database->execute(kShapesSchema); }

Status FindingsStore::Impl::write_shapes() {
  if (noise.shapes().empty()) return {};
  TableRoom room(*database, "noise_shapes", bounds.shapes, left_out.shapes);
  const std::string place = " WHERE route = ?1 AND endpoint = ?2 AND path = ?3 AND kind = ?4";
  auto update =
      database->prepare("UPDATE noise_shapes SET " + std::string(kAdd) + place + " AND shape = ?5");
  if (!update.ok()) return update.error();
  auto count = database->prepare("SELECT count(*) FROM noise_shapes" + place);
  if (!count.ok()) return count.error();
  auto insert = database->prepare(
      "INSERT INTO noise_shapes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
      "ON CONFLICT DO UPDATE SET " +
      std::string(kAdd));
  if (!insert.ok()) return insert.error();
  for (const auto& [key, tally] : noise.shapes()) {
    for (const auto& [shape, counts] : tally.shapes()) {
      BANYAN_RETURN_IF_ERROR(write_counts_of(*update, key, shape, counts));
      if (database->changes() > 0) continue;
      const auto has_room = room.take();
      if (!has_room.ok()) return has_room.error();
      if (!*has_room) continue;
      auto row = count->bind(1, key.route)
                     .bind(2, key.endpoint)
                     .bind(3, key.path)
                     .bind(4, key.kind)
                     .step();
      if (!row.ok()) return row.error();
      const bool is_full = count->unsigned_integer(0) >= ShapeTally::kShapesMax;
      count->reset();
      BANYAN_RETURN_IF_ERROR(write_counts_of(
          *insert, key, is_full ? ShapeTally::kOthers : std::string_view(shape), counts));
    }
  }
  return {};
}

Status FindingsStore::Impl::move_shapes(const std::string& from, const std::string& to) {
  for (const char* sql :
       {"INSERT INTO noise_shapes SELECT route, ?2, path, kind, shape, candidate, legacy, again "
        "FROM noise_shapes WHERE endpoint = ?1 ON CONFLICT DO UPDATE SET "
        "candidate = candidate + excluded.candidate, legacy = legacy + excluded.legacy, "
        "again = again + excluded.again",
        "DELETE FROM noise_shapes WHERE endpoint = ?1 AND ?2 <> ''"}) {
    BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {from, to}));
  }
  return {};
}

Status load_shapes(store::Database& database, const std::string& route,
                   std::map<NoiseKey, std::map<std::string, SideCounts>>& out) {
  auto rows = database.prepare(
      "SELECT endpoint, path, kind, shape, candidate, legacy, again FROM noise_shapes "
      "WHERE route = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  return rows->for_each_row([&] {
    const NoiseKey key{route, std::string(rows->text(0)), std::string(rows->text(1)),
                       std::string(rows->text(2)), std::string(kEveryTransition)};
    out[key][std::string(rows->text(3))] = {rows->unsigned_integer(4), rows->unsigned_integer(5),
                                            rows->unsigned_integer(6)};
  });
}

}  // namespace banyan::comparator
