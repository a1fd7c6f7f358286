// SPDX-License-Identifier: Apache-2.0
//
// How findings stand: reads what findings_noise.cc and findings_shapes.cc keep, a route at a time,
// since all its places are judged together.
#include <algorithm>
#include <map>
#include <utility>

#include "comparator/field_path.h"
#include "comparator/findings_impl.h"

namespace banyan::comparator {
namespace {

// How each place stood when its counts were last written; a place that is undecided has none.
constexpr const char* kStandingsSchema = R"sql(
CREATE TABLE IF NOT EXISTS noise_standings (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL,
  transition TEXT NOT NULL, standing TEXT NOT NULL,
  PRIMARY KEY (route, endpoint, path, kind, transition)) STRICT, WITHOUT ROWID;
)sql";

// Judging takes at most a twentieth of the fold's time.
constexpr std::int64_t kStandingsPause = 20;

struct RouteNoise {
  std::map<NoiseKey, std::size_t> places;  // in `counts`
  std::vector<NoiseCounts> counts;
  std::vector<NoiseJudgement> judged;
  std::map<std::string, std::uint64_t> pairs;  // by endpoint
  std::map<std::string, NoiseFold::Overlaps> overlaps;
  std::map<std::string, std::uint64_t> confirmed;  // answers of legacy to confirmations, at least

  // New ones know what is known of their endpoint.
  NoiseCounts& at(const NoiseKey& key) {
    const auto [found, is_new] = places.try_emplace(key, counts.size());
    if (!is_new) return counts[found->second];
    NoiseCounts& made = counts.emplace_back();
    made.pairs = pairs_of(key.endpoint);
    if (const auto of = overlaps.find(key.endpoint); of != overlaps.end()) {
      made.watched = of->second.watched;
      made.overlapped = of->second.overlapped;
    }
    if (const auto of = confirmed.find(key.endpoint); of != confirmed.end()) {
      made.confirmed_around = of->second;
    }
    return made;
  }
  std::uint64_t pairs_of(const std::string& endpoint) const {
    const auto found = pairs.find(endpoint);
    return found == pairs.end() ? 0 : found->second;
  }
  bool has(const NoiseKey& key) const { return places.count(key) > 0; }
};

Status load_pairs(store::Database& database, const std::string& route, RouteNoise& out) {
  auto rows = database.prepare("SELECT endpoint, pairs FROM noise_pairs WHERE route = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  return rows->for_each_row(
      [&] { out.pairs[std::string(rows->text(0))] = rows->unsigned_integer(1); });
}

// Header fields are of every endpoint.
Status load_overlaps(store::Database& database, const std::string& route, RouteNoise& out) {
  auto rows =
      database.prepare("SELECT endpoint, watched, overlapped FROM noise_overlaps WHERE route = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  NoiseFold::Overlaps& all = out.overlaps[std::string(kEveryEndpoint)];
  return rows->for_each_row([&] {
    const NoiseFold::Overlaps one{rows->unsigned_integer(1), rows->unsigned_integer(2)};
    out.overlaps[std::string(rows->text(0))] = one;
    all.watched += one.watched;
    all.overlapped += one.overlapped;
  });
}

// Of a row that begins with endpoint, path, kind, transition; null where the place has no counts.
NoiseCounts* counts_at(RouteNoise& noise, const std::string& route, const store::Statement& row) {
  const NoiseKey key{route, std::string(row.text(0)), std::string(row.text(1)),
                     std::string(row.text(2)), std::string(row.text(3))};
  const auto place = noise.places.find(key);
  return place == noise.places.end() ? nullptr : &noise.counts[place->second];
}

// Each has its place in noise_paths, if only with zeros.
Status load_races(store::Database& database, const std::string& route, RouteNoise& out) {
  auto rows = database.prepare(
      "SELECT endpoint, path, kind, transition, raced, exchange, write, after_ns FROM noise_races "
      "WHERE route = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  return rows->for_each_row([&] {
    NoiseCounts* const counts = counts_at(out, route, *rows);
    if (counts == nullptr) return;
    counts->raced = rows->unsigned_integer(4);
    counts->race.exchange = ExchangeId::parse(rows->text(5)).value_or(ExchangeId());
    counts->race.write = ExchangeId::parse(rows->text(6)).value_or(ExchangeId());
    counts->race.after_ns = rows->integer(7);
  });
}

Status load_paths(store::Database& database, const std::string& route, RouteNoise& out) {
  auto rows = database.prepare(
      "SELECT endpoint, path, kind, both, candidate_only, legacy_only, held, cleared, "
      "legacy_changed, asked, transition FROM noise_paths WHERE route = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  return rows->for_each_row([&] {
    NoiseCounts& counts = out.at({route, std::string(rows->text(0)), std::string(rows->text(1)),
                                  std::string(rows->text(2)), std::string(rows->text(10))});
    counts.both = rows->unsigned_integer(3);
    counts.candidate_only = rows->unsigned_integer(4);
    counts.legacy_only = rows->unsigned_integer(5);
    counts.held = rows->unsigned_integer(6);
    counts.cleared = rows->unsigned_integer(7);
    counts.legacy_changed = rows->unsigned_integer(8);
    counts.asked = static_cast<unsigned>(std::clamp<std::int64_t>(rows->integer(9), 1, 15));
  });
}

// Each place counts the confirmations that judged it; all could have shown what another one does.
void count_confirmed(RouteNoise& out) {
  for (const auto& [key, place] : out.places) {
    std::uint64_t& most = out.confirmed[key.endpoint];
    most = std::max(most, out.counts[place].confirmed_answers());
  }
  for (const auto& [key, place] : out.places) {
    out.counts[place].confirmed_around = out.confirmed[key.endpoint];
  }
}

// Where legacy was never asked again, live traffic says nothing by itself.
bool may_weigh(const RouteNoise& route, const NoiseKey& key) {
  return route.has(key) || route.pairs_of(key.endpoint) > 0 ||
         route.confirmed.count(key.endpoint) > 0;
}

// What findings count: each transition, and its mirror image.
Status weigh_transitions(store::Database& database, const std::string& route, RouteNoise& out) {
  auto rows = database.prepare(
      "SELECT endpoint, path, kind, transition, exchanges FROM findings WHERE route = ?1 AND "
      "uncovered > 0");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  std::map<NoiseKey, std::uint64_t> seen;
  BANYAN_RETURN_IF_ERROR(rows->for_each_row([&] {
    const NoiseKey key{route, std::string(rows->text(0)), known_path(rows->text(1)),
                       std::string(rows->text(2)), std::string(rows->text(3))};
    seen[key] = rows->unsigned_integer(4);
  }));
  for (const auto& [key, count] : seen) {
    NoiseKey mirrored = key;
    if (!may_weigh(out, key) || !mirror_change(mirrored.kind, mirrored.transition)) continue;
    const auto other = seen.find(mirrored);
    out.at(key).weigh_transition(count, other == seen.end() ? 0 : other->second);
  }
  return {};
}

Status weigh_shapes(store::Database& database, const std::string& route, RouteNoise& out) {
  std::map<NoiseKey, std::map<std::string, SideCounts>> shapes;
  BANYAN_RETURN_IF_ERROR(load_shapes(database, route, shapes));
  for (const auto& [key, of] : shapes) {
    if (may_weigh(out, key)) out.at(key).weigh_shapes(of);
  }
  return {};
}

// Files of an older version have none.
Status load_standings(store::Database& database, const std::string& route, RouteNoise& out) {
  const auto is_there = has_table(database, "noise_standings");
  if (!is_there.ok()) return is_there.error();
  if (!*is_there) return {};
  auto rows = database.prepare(
      "SELECT endpoint, path, kind, transition, standing FROM noise_standings WHERE route = ?1");
  if (!rows.ok()) return rows.error();
  rows->bind(1, route);
  return rows->for_each_row([&] {
    NoiseCounts* const counts = counts_at(out, route, *rows);
    if (counts != nullptr) counts->before = standing_of(rows->text(4));
  });
}

Status load_noise(store::Database& database, const std::string& route, RouteNoise& out) {
  BANYAN_RETURN_IF_ERROR(load_pairs(database, route, out));
  BANYAN_RETURN_IF_ERROR(load_overlaps(database, route, out));
  BANYAN_RETURN_IF_ERROR(load_paths(database, route, out));
  BANYAN_RETURN_IF_ERROR(load_races(database, route, out));
  if (out.places.empty() && out.pairs.empty()) return {};  // nobody was asked again
  count_confirmed(out);
  BANYAN_RETURN_IF_ERROR(weigh_transitions(database, route, out));
  BANYAN_RETURN_IF_ERROR(weigh_shapes(database, route, out));
  BANYAN_RETURN_IF_ERROR(load_standings(database, route, out));
  out.judged = judge_noise(out.counts);
  return {};
}

// Of its transition, or of the field with every one.
void give_standing(const RouteNoise& route, Finding& finding) {
  NoiseKey key{finding.route, finding.endpoint, known_path(finding.path), finding.kind,
               finding.transition};
  const auto own = route.places.find(key);
  key.transition = std::string(kEveryTransition);
  const auto field = route.places.find(key);
  if (own == route.places.end() && field == route.places.end()) {
    finding.noise.pairs = route.pairs_of(finding.endpoint);
    finding.judged = judge_noise(finding.noise);
    return;
  }
  const auto is_as_field = [&] {
    if (field == route.places.end()) return false;
    if (own == route.places.end()) return true;
    return stands_as_field(route.counts[own->second], route.judged[own->second].standing,
                           route.counts[field->second], route.judged[field->second].standing);
  };
  const std::size_t place = is_as_field() ? field->second : own->second;
  finding.noise = route.counts[place];
  finding.judged = route.judged[place];
}

// What changed; what stands as nothing yet needs no row.
Status write_standings_of(store::Database& database, const RouteNoise& route, TableRoom& room) {
  auto upsert = database.prepare(
      "INSERT INTO noise_standings VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
      "ON CONFLICT DO UPDATE SET standing = ?6");
  if (!upsert.ok()) return upsert.error();
  auto remove = database.prepare(
      "DELETE FROM noise_standings WHERE route = ?1 AND endpoint = ?2 AND path = ?3 AND "
      "kind = ?4 AND transition = ?5");
  if (!remove.ok()) return remove.error();
  for (const auto& [key, place] : route.places) {
    const Standing now = route.judged[place].standing;
    const Standing before = route.counts[place].before;
    if (now == before || (!is_decided(now) && !is_decided(before))) continue;
    // Without a row it stands by its counts alone.
    if (!is_decided(before)) {
      const auto has_room = room.take();
      if (!has_room.ok()) return has_room.error();
      if (!*has_room) continue;
    }
    store::Statement& statement = is_decided(now) ? *upsert : *remove;
    bind_place(statement, key);
    if (is_decided(now)) statement.bind(6, to_string(now));
    BANYAN_RETURN_IF_ERROR(statement.run());
  }
  return {};
}

}  // namespace

Status FindingsStore::Impl::create_standings_table() { return database->execute(kStandingsSchema); }

// Of the routes whose counts were written since.
Status FindingsStore::Impl::write_standings() {
  if (counted_routes.empty() || clock.mono_ns() < standings_due_mono_ns) return {};
  const std::int64_t began = clock.mono_ns();
  TableRoom room(*database, "noise_standings", bounds.standings, left_out.standings);
  for (const std::string& name : counted_routes) {
    RouteNoise route;
    BANYAN_RETURN_IF_ERROR(load_noise(*database, name, route));
    if (!route.judged.empty()) BANYAN_RETURN_IF_ERROR(write_standings_of(*database, route, room));
  }
  counted_routes.clear();
  const std::int64_t ended = clock.mono_ns();
  standings_due_mono_ns = ended + kStandingsPause * (ended - began);
  return {};
}

Status FindingsStore::Impl::judge(std::vector<Finding>& of) const {
  for (const char* table :
       {"noise_pairs", "noise_paths", "noise_overlaps", "noise_races", "noise_shapes"}) {
    auto is_there = has_table(*database, table);
    if (!is_there.ok()) return is_there.error();
    if (!*is_there) return {};
  }
  std::map<std::string, RouteNoise> routes;
  for (Finding& finding : of) {
    auto [found, is_new] = routes.try_emplace(finding.route);
    if (is_new) BANYAN_RETURN_IF_ERROR(load_noise(*database, finding.route, found->second));
    give_standing(found->second, finding);
  }
  return {};
}

Result<std::string> FindingsStore::Impl::noise_ids() const {
  auto rows = database->prepare(
      "SELECT id, route, endpoint, path, kind, transition FROM findings WHERE state <> 2 AND "
      "uncovered > 0");
  if (!rows.ok()) return rows.error();
  std::vector<Finding> all;
  BANYAN_RETURN_IF_ERROR(rows->for_each_row([&] {
    Finding& one = all.emplace_back();
    one.id = std::string(rows->text(0));
    one.route = std::string(rows->text(1));
    one.endpoint = std::string(rows->text(2));
    one.path = std::string(rows->text(3));
    one.kind = std::string(rows->text(4));
    one.transition = std::string(rows->text(5));
  }));
  BANYAN_RETURN_IF_ERROR(judge(all));
  std::string out = "[";
  for (const Finding& one : all) {
    // Hex digits, so nothing is to be escaped.
    if (!counts_as_noise(one)) continue;
    out += out.size() == 1 ? "\"" : ",\"";
    out += one.id;
    out += '"';
  }
  return out + "]";
}

FindingsStore::WitnessCounts FindingsStore::witness_counts() const {
  return {impl_->witnesses.load(std::memory_order_relaxed),
          impl_->unpaired.load(std::memory_order_relaxed)};
}

}  // namespace banyan::comparator
