// SPDX-License-Identifier: Apache-2.0
//
// What witnesses say, in findings.sqlite: counts by path, in the same transactions as the cursor.
// Of an exchange that is asked again only what its findings name is judged, by their names of now.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "comparator/field_path.h"
#include "comparator/findings_impl.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr const char* kNoiseSchema = R"sql(
CREATE TABLE IF NOT EXISTS noise_pairs (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, pairs INTEGER NOT NULL,
  PRIMARY KEY (route, endpoint)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS noise_paths (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL,
  transition TEXT NOT NULL,
  both INTEGER NOT NULL, candidate_only INTEGER NOT NULL, legacy_only INTEGER NOT NULL,
  held INTEGER NOT NULL, cleared INTEGER NOT NULL, legacy_changed INTEGER NOT NULL,
  asked INTEGER NOT NULL,
  PRIMARY KEY (route, endpoint, path, kind, transition)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS noise_races (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL,
  transition TEXT NOT NULL, raced INTEGER NOT NULL,
  exchange TEXT NOT NULL, write TEXT NOT NULL, after_ns INTEGER NOT NULL,
  PRIMARY KEY (route, endpoint, path, kind, transition)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS noise_overlaps (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, watched INTEGER NOT NULL,
  overlapped INTEGER NOT NULL, PRIMARY KEY (route, endpoint)) STRICT, WITHOUT ROWID;
)sql";

// Where a whole part of the answer is another one, nothing is known of what lies below.
bool hides(const NoiseFold::Path& other, const std::string& path) {
  if (other.path == path || other.transition != kEveryTransition) return false;
  const std::string& kind = other.kind;
  if (kind == "status") return true;
  const bool is_whole = kind == "missing" || kind == "extra" || kind == "type" ||
                        kind == "unparseable" || kind == "encoding" || kind == "length";
  return is_whole && path.starts_with(other.path);
}
// But where the exchange had shown that as well.
bool is_hidden(const std::map<NoiseFold::Path, unsigned>& seen, const NoiseFold::Paths& shown,
               const std::string& path) {
  return std::any_of(seen.begin(), seen.end(), [&](const auto& one) {
    return shown.count(one.first) == 0 && hides(one.first, path);
  });
}

unsigned count_in(const std::map<NoiseFold::Path, unsigned>& seen, const NoiseFold::Path& path) {
  const auto found = seen.find(path);
  return found == seen.end() ? 0 : found->second;
}

}  // namespace

Status FindingsStore::Impl::create_noise_tables() {
  BANYAN_RETURN_IF_ERROR(database->execute(kNoiseSchema));
  BANYAN_RETURN_IF_ERROR(create_standings_table());
  return create_shapes_table();
}

Status FindingsStore::Impl::fold_witness(const model::VerdictRecord& witness) {
  if (witness.has_previous) return {};
  witnesses.fetch_add(1, std::memory_order_relaxed);
  const std::string endpoint = name_of(witness.endpoint);
  noise.add_shapes_again(witness, endpoint);
  const auto asked = noise.add(witness, endpoint);
  unpaired.store(noise.unpaired(), std::memory_order_relaxed);
  return asked ? settle(*asked) : Status();
}

Status FindingsStore::Impl::note_live(const model::VerdictRecord& verdict) {
  const bool is_usable = !verdict.of.is_erased && verdict.verdict != Verdict::kIncomparable;
  // What overlapped a write is the same thing before and after it.
  if (is_usable && !verdict.has_previous && !verdict.race.is_there()) noise.add_shapes(verdict);
  const auto asked = noise.note_live(verdict.exchange, is_usable, verdict.race);
  return asked ? settle(*asked) : Status();
}

// By endpoint, the paths of the findings that an exchange shows and no rule covers.
Result<std::map<std::string, NoiseFold::Paths>> FindingsStore::Impl::shown_by(ExchangeId exchange) {
  auto rows = database->prepare(
      "SELECT f.endpoint, f.path, f.kind, f.transition FROM hits AS h "
      "JOIN findings AS f ON f.id = h.finding "
      "WHERE h.exchange = ?1 AND h.uncovered > 0");
  if (!rows.ok()) return rows.error();
  rows->bind(1, exchange.to_string());
  std::map<std::string, NoiseFold::Paths> out;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    NoiseFold::add(out[std::string(rows->text(0))], known_path(rows->text(1)),
                   std::string(rows->text(2)), std::string(rows->text(3)));
  }
}

Status FindingsStore::Impl::settle(const NoiseFold::Complete& asked) {
  const auto shown = shown_by(asked.exchange);
  if (!shown.ok()) return shown.error();
  const auto at = [&](const std::string& endpoint, const NoiseFold::Path& path) -> NoiseCounts& {
    return noise.at({asked.route, endpoint, path.path, path.kind, path.transition});
  };
  if (asked.reason == WitnessReason::kControl) {
    ++noise.pairs_of(asked.route, asked.endpoint);
    ++noise.pairs_of(asked.route, std::string(kEveryEndpoint));
    NoiseFold::Paths met;
    for (const auto& [endpoint, paths] : *shown) {
      for (const NoiseFold::Path& path : paths) {
        met.insert(path);
        NoiseCounts& counts = at(endpoint, path);
        ++(asked.same_system.count(path) > 0 ? counts.both : counts.candidate_only);
      }
    }
    for (const auto& [path, times] : asked.same_system) {
      if (met.count(path) > 0) continue;
      ++at(is_field(path.path) ? std::string(kEveryEndpoint) : asked.endpoint, path).legacy_only;
    }
    return {};
  }
  if (shown->empty()) {
    noise.count_unpaired();
    unpaired.store(noise.unpaired(), std::memory_order_relaxed);
  }
  NoiseFold::Paths all;
  for (const auto& [endpoint, paths] : *shown) all.insert(paths.begin(), paths.end());
  for (const auto& [endpoint, paths] : *shown) {
    for (const NoiseFold::Path& path : paths) {
      if (is_hidden(asked.same_system, all, path.path) ||
          is_hidden(asked.other_system, all, path.path)) {
        continue;
      }
      NoiseCounts& counts = at(endpoint, path);
      const bool has_changed = count_in(asked.same_system, path) > 0;
      const bool has_held = !has_changed && count_in(asked.other_system, path) == asked.asked;
      // A difference that is still there is none, whatever the exchange overlapped.
      if (asked.race.is_there() && !has_held && asked.agreed_at(path.path)) {
        ++counts.raced;
        counts.race = {asked.exchange, asked.race.write, asked.race.after_ns};
        continue;
      }
      counts.asked =
          counts.confirmations() == 0 ? asked.asked : std::min(counts.asked, asked.asked);
      if (has_changed) {
        ++counts.legacy_changed;
      } else if (has_held) {
        ++counts.held;
      } else {
        ++counts.cleared;
      }
    }
  }
  return {};
}

Status FindingsStore::Impl::write_noise() {
  auto pairs = database->prepare(
      "INSERT INTO noise_pairs VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET pairs = pairs + ?3");
  if (!pairs.ok()) return pairs.error();
  for (const auto& [name, count] : noise.pairs()) {
    counted_routes.insert(name.first);
    BANYAN_RETURN_IF_ERROR(pairs->bind(1, name.first).bind(2, name.second).bind(3, count).run());
  }
  auto overlaps = database->prepare(
      "INSERT INTO noise_overlaps VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "
      "watched = watched + ?3, overlapped = overlapped + ?4");
  if (!overlaps.ok()) return overlaps.error();
  for (std::size_t name = 0; name < noise.overlaps().size(); ++name) {
    const NoiseFold::Overlaps& count = noise.overlaps()[name];
    if (count.watched == 0) continue;
    BANYAN_RETURN_IF_ERROR(overlaps->bind(1, latency.name(name).route)
                               .bind(2, latency.name(name).endpoint)
                               .bind(3, count.watched)
                               .bind(4, count.overlapped)
                               .run());
  }
  BANYAN_RETURN_IF_ERROR(write_shapes());
  if (noise.counts().empty()) {
    noise.clear_counts();
    return {};
  }
  BANYAN_RETURN_IF_ERROR(write_races());
  TableRoom room(*database, "noise_paths", bounds.places, left_out.places);
  static const std::string kAdd =
      "both = both + ?6, candidate_only = candidate_only + ?7, legacy_only = legacy_only + ?8, "
      "held = held + ?9, cleared = cleared + ?10, legacy_changed = legacy_changed + ?11, "
      "asked = iif(?9 + ?10 + ?11 = 0, asked, "
      "iif(held + cleared + legacy_changed = 0, ?12, min(asked, ?12)))";
  auto update = database->prepare("UPDATE noise_paths SET " + kAdd +
                                  " WHERE route = ?1 AND endpoint = ?2 AND path = ?3 AND "
                                  "kind = ?4 AND transition = ?5");
  if (!update.ok()) return update.error();
  auto insert = database->prepare(
      "INSERT INTO noise_paths VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
  if (!insert.ok()) return insert.error();
  for (const auto& [key, counts] : noise.counts()) {
    counted_routes.insert(key.route);
    const auto write = [&key = key, &counts = counts](store::Statement& statement) {
      return bind_place(statement, key)
          .bind(6, counts.both)
          .bind(7, counts.candidate_only)
          .bind(8, counts.legacy_only)
          .bind(9, counts.held)
          .bind(10, counts.cleared)
          .bind(11, counts.legacy_changed)
          .bind(12, std::int64_t{counts.asked})
          .run();
    };
    BANYAN_RETURN_IF_ERROR(room.update_or_insert(*update, *insert, write));
  }
  noise.clear_counts();
  return {};
}

// Of what overlapped a write.
Status FindingsStore::Impl::write_races() {
  TableRoom room(*database, "noise_races", bounds.races, left_out.races);
  auto update = database->prepare(
      "UPDATE noise_races SET raced = raced + ?6, exchange = ?7, write = ?8, after_ns = ?9 WHERE "
      "route = ?1 AND endpoint = ?2 AND path = ?3 AND kind = ?4 AND transition = ?5");
  if (!update.ok()) return update.error();
  auto insert =
      database->prepare("INSERT INTO noise_races VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
  if (!insert.ok()) return insert.error();
  for (const auto& [key, counts] : noise.counts()) {
    if (counts.raced == 0) continue;
    const auto write = [&key = key, &counts = counts](store::Statement& statement) {
      return bind_place(statement, key)
          .bind(6, counts.raced)
          .bind(7, counts.race.exchange.to_string())
          .bind(8, counts.race.write.to_string())
          .bind(9, counts.race.after_ns)
          .run();
    };
    BANYAN_RETURN_IF_ERROR(room.update_or_insert(*update, *insert, write));
  }
  return {};
}

// The counts of an endpoint go on under another name.
Status FindingsStore::Impl::move_noise(const std::string& from, const std::string& to) {
  for (const char* sql :
       {"INSERT INTO noise_pairs SELECT route, ?2, pairs FROM noise_pairs WHERE endpoint = ?1 "
        "ON CONFLICT DO UPDATE SET pairs = pairs + excluded.pairs",
        "DELETE FROM noise_pairs WHERE endpoint = ?1 AND ?2 <> ''",
        "INSERT INTO noise_paths SELECT route, ?2, path, kind, transition, both, candidate_only, "
        "legacy_only, held, cleared, legacy_changed, asked FROM noise_paths WHERE endpoint = ?1 "
        "ON CONFLICT DO UPDATE SET both = both + excluded.both, "
        "candidate_only = candidate_only + excluded.candidate_only, "
        "legacy_only = legacy_only + excluded.legacy_only, held = held + excluded.held, "
        "cleared = cleared + excluded.cleared, "
        "legacy_changed = legacy_changed + excluded.legacy_changed, "
        "asked = min(asked, excluded.asked)",
        "DELETE FROM noise_paths WHERE endpoint = ?1 AND ?2 <> ''",
        "INSERT INTO noise_overlaps SELECT route, ?2, watched, overlapped FROM noise_overlaps "
        "WHERE endpoint = ?1 ON CONFLICT DO UPDATE SET watched = watched + excluded.watched, "
        "overlapped = overlapped + excluded.overlapped",
        "DELETE FROM noise_overlaps WHERE endpoint = ?1 AND ?2 <> ''",
        "INSERT INTO noise_races SELECT route, ?2, path, kind, transition, raced, exchange, write, "
        "after_ns FROM noise_races WHERE endpoint = ?1 "
        "ON CONFLICT DO UPDATE SET raced = raced + excluded.raced",
        "DELETE FROM noise_races WHERE endpoint = ?1 AND ?2 <> ''",
        "INSERT OR IGNORE INTO noise_standings SELECT route, ?2, path, kind, transition, standing "
        "FROM noise_standings WHERE endpoint = ?1",
        "DELETE FROM noise_standings WHERE endpoint = ?1 AND ?2 <> ''"}) {
    BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {from, to}));
  }
  return move_shapes(from, to);
}

// A path may be what was erased: only those stay that a finding still names.
Status FindingsStore::Impl::erase_noise(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    for (const char* sql : {"DELETE FROM noise_pairs WHERE endpoint = ?1",
                            "DELETE FROM noise_paths WHERE endpoint = ?1",
                            "DELETE FROM noise_overlaps WHERE endpoint = ?1",
                            "DELETE FROM noise_races WHERE endpoint = ?1",
                            "DELETE FROM noise_standings WHERE endpoint = ?1",
                            "DELETE FROM noise_shapes WHERE endpoint = ?1"}) {
      BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {name}));
    }
  }
  for (const std::string table :
       {"noise_paths", "noise_races", "noise_shapes", "noise_standings"}) {
    BANYAN_RETURN_IF_ERROR(
        database->execute("DELETE FROM " + table +
                          " AS n WHERE NOT EXISTS (SELECT 1 FROM findings AS f WHERE "
                          "f.route = n.route AND f.endpoint = n.endpoint AND f.kind = n.kind AND "
                          "(f.path = n.path OR (f.endpoint = '*' AND lower(f.path) = n.path)))"));
  }
  return {};
}

}  // namespace banyan::comparator
