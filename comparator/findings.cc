// SPDX-License-Identifier: Apache-2.0
#include "comparator/findings.h"

#include <map>
#include <utility>

#include "comparator/field_path.h"
#include "comparator/findings_impl.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/model/record_codec.h"
#include "core/obs/log.h"

namespace banyan::comparator {
namespace {

constexpr const char* kFindingsSchema = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE findings (
  id TEXT PRIMARY KEY, route TEXT NOT NULL, endpoint TEXT NOT NULL, path TEXT NOT NULL,
  kind TEXT NOT NULL, transition TEXT NOT NULL,
  count INTEGER NOT NULL, exchanges INTEGER NOT NULL, uncovered INTEGER NOT NULL,
  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  example_at TEXT NOT NULL, example_legacy TEXT NOT NULL, example_candidate TEXT NOT NULL,
  rule TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
  changed_by TEXT NOT NULL DEFAULT '', accepted_until INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE finding_endpoints (
  finding TEXT NOT NULL, endpoint TEXT NOT NULL, PRIMARY KEY (finding, endpoint))
  STRICT, WITHOUT ROWID;
CREATE TABLE hits (
  exchange TEXT NOT NULL, finding TEXT NOT NULL, count INTEGER NOT NULL,
  uncovered INTEGER NOT NULL, wall INTEGER NOT NULL, PRIMARY KEY (exchange, finding))
  STRICT, WITHOUT ROWID;
CREATE INDEX hits_of_finding ON hits (finding, wall);
CREATE INDEX hits_by_age ON hits (wall);
CREATE TABLE places (exchange TEXT PRIMARY KEY, stream TEXT NOT NULL, offset INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE latency (
  route TEXT NOT NULL, endpoint TEXT NOT NULL, system INTEGER NOT NULL, bucket INTEGER NOT NULL,
  count INTEGER NOT NULL, PRIMARY KEY (route, endpoint, system, bucket)) STRICT, WITHOUT ROWID;
)sql";

constexpr std::int64_t kWriteEveryNs = 1'000'000'000;

// The differences of one exchange that fall into one finding.
struct FindingHit {
  const model::Difference* first = nullptr;
  std::string endpoint;
  std::uint64_t count = 0;
  bool is_uncovered = false;
};

// A path that both systems know nothing of is none of the service's.
bool is_there(const model::VerdictRecord& verdict) {
  constexpr std::uint16_t kNotFound = 404;
  return verdict.legacy_status != kNotFound ||
         (verdict.candidate_status != kNotFound && verdict.candidate_status != 0);
}

std::map<std::string, FindingHit> hits_of(const model::VerdictRecord& verdict) {
  std::map<std::string, FindingHit> groups;
  for (const model::Difference& difference : verdict.differences) {
    const std::string_view endpoint = is_field(difference.path) ? kEveryEndpoint : verdict.endpoint;
    FindingHit& one = groups[finding_id(verdict.route, endpoint, difference.path,
                                        to_string(difference.kind), difference.transition)];
    // An uncovered occurrence is the better example.
    if (one.first == nullptr || (!one.is_uncovered && difference.rule.empty())) {
      one.first = &difference;
    }
    one.endpoint = std::string(endpoint);
    ++one.count;
    one.is_uncovered |= difference.rule.empty();
  }
  return groups;
}

}  // namespace

std::string finding_id(std::string_view route, std::string_view endpoint, std::string_view path,
                       std::string_view kind, std::string_view transition) {
  std::string key;
  const std::string known = known_path(path);
  for (const std::string_view part : {route, endpoint, std::string_view(known), kind, transition}) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  }
  return hex_of_u64(xxh3_64(key)).substr(0, 12);
}

Result<std::int64_t> number_of(store::Database& database, std::string_view sql) {
  auto rows = database.prepare(sql);
  if (!rows.ok()) return rows.error();
  auto row = rows->step();
  if (!row.ok()) return row.error();
  return *row ? rows->integer(0) : 0;
}

store::Statement& bind_place(store::Statement& statement, const NoiseKey& key) {
  return statement.bind(1, key.route)
      .bind(2, key.endpoint)
      .bind(3, key.path)
      .bind(4, key.kind)
      .bind(5, key.transition);
}

Status run_with(store::Database& database, std::string_view sql,
                std::initializer_list<std::string_view> texts) {
  auto statement = database.prepare(sql);
  if (!statement.ok()) return statement.error();
  int at = 0;
  for (const std::string_view text : texts) statement->bind(++at, text);
  return statement->run();
}

Result<bool> has_table(store::Database& database, std::string_view name) {
  auto rows = database.prepare("SELECT count(*) FROM sqlite_master WHERE name = ?1");
  if (!rows.ok()) return rows.error();
  auto row = rows->bind(1, name).step();
  if (!row.ok()) return row.error();
  return *row && rows->integer(0) > 0;
}

// What came without a new version of the schema.
Status FindingsStore::Impl::create_later_tables() {
  BANYAN_RETURN_IF_ERROR(create_issue_sets());
  BANYAN_RETURN_IF_ERROR(create_endpoint_tree());
  BANYAN_RETURN_IF_ERROR(create_request_samples());
  BANYAN_RETURN_IF_ERROR(create_noise_tables());
  return create_readiness_schema();
}

Result<store::Statement*> FindingsStore::Impl::kept(const char* sql) {
  if (const auto found = statements.find(sql); found != statements.end()) return &found->second;
  auto statement = database->prepare(sql);
  if (!statement.ok()) return statement.error();
  return &statements.emplace(sql, std::move(statement).value()).first->second;
}

Status FindingsStore::Impl::create_schema() {
  auto version = database->user_version();
  if (!version.ok()) return version.error();
  if (*version != 0 && *version != kSchemaVersion) {
    return make_error(ErrorCode::kUnsupported, ErrorOrigin::kDisk,
                      "findings.sqlite has schema " + std::to_string(*version) +
                          ", this version of Banyan knows " + std::to_string(kSchemaVersion) +
                          "; use the version that wrote it");
  }
  auto transaction = store::Transaction::begin(*database);
  if (!transaction.ok()) return transaction.error();
  if (*version == 0) {
    BANYAN_RETURN_IF_ERROR(database->execute(kFindingsSchema));
    BANYAN_RETURN_IF_ERROR(database->set_user_version(kSchemaVersion));
  }
  BANYAN_RETURN_IF_ERROR(create_later_tables());
  return transaction->commit();
}

// Takes back what an earlier generation of this exchange contributed.
Status FindingsStore::Impl::forget(ExchangeId exchange) {
  const std::string id = exchange.to_string();
  BANYAN_RETURN_IF_ERROR(forget_issue_set(id));
  auto undo = database->prepare(
      "UPDATE findings SET exchanges = exchanges - 1, count = findings.count - h.count, "
      "uncovered = findings.uncovered - h.uncovered "
      "FROM (SELECT finding, count, uncovered FROM hits WHERE exchange = ?1) AS h "
      "WHERE findings.id = h.finding");
  if (!undo.ok()) return undo.error();
  BANYAN_RETURN_IF_ERROR(undo->bind(1, id).run());
  auto remove = database->prepare("DELETE FROM hits WHERE exchange = ?1");
  if (!remove.ok()) return remove.error();
  BANYAN_RETURN_IF_ERROR(forget_differing(exchange));
  BANYAN_RETURN_IF_ERROR(remove->bind(1, id).run());
  if (hits >= 0) hits -= database->changes();
  return {};
}

// A VERDICT with something to write.
Status FindingsStore::Impl::fold(const model::VerdictRecord& verdict) {
  if (verdict.has_previous) BANYAN_RETURN_IF_ERROR(forget(verdict.exchange));
  if (verdict.differences.empty()) return {};
  BANYAN_RETURN_IF_ERROR(note_differing(verdict));
  const std::string exchange = verdict.exchange.to_string();
  const auto upsert = kept(
      "INSERT INTO findings (id, route, endpoint, path, kind, transition, count, exchanges, "
      "uncovered, first_seen, last_seen, example_at, example_legacy, example_candidate, rule) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?9, ?10, ?11, ?12, ?13) "
      "ON CONFLICT (id) DO UPDATE SET count = count + ?7, exchanges = exchanges + 1, "
      "first_seen = min(first_seen, ?9), last_seen = max(last_seen, ?9), "
      // Nor has one an example whose own was erased.
      "example_at = iif((uncovered = 0 AND ?8 = 1) OR example_at = '', ?10, example_at), "
      "example_legacy = iif((uncovered = 0 AND ?8 = 1) OR example_at = '', ?11, example_legacy), "
      "example_candidate = "
      "iif((uncovered = 0 AND ?8 = 1) OR example_at = '', ?12, example_candidate), "
      "rule = iif(?13 = '', rule, ?13), uncovered = uncovered + ?8");
  const auto hit = kept(
      "INSERT OR IGNORE INTO hits (exchange, finding, count, uncovered, wall) "
      "VALUES (?1, ?2, ?3, ?4, ?5)");
  const auto listed = kept(
      "INSERT OR IGNORE INTO finding_endpoints SELECT ?1, ?2 WHERE "
      "(SELECT count(*) FROM finding_endpoints WHERE finding = ?1) < ?3");
  if (!upsert.ok()) return upsert.error();
  if (!hit.ok()) return hit.error();
  if (!listed.ok()) return listed.error();
  const std::int64_t wall = verdict.at.wall_ns;
  std::set<std::string> issues;
  for (const auto& [id, one] : hits_of(verdict)) {
    const int uncovered = one.is_uncovered ? 1 : 0;
    // Twice the same generation (a crash of the writer): counted once.
    BANYAN_RETURN_IF_ERROR((*hit)
                               ->bind(1, exchange)
                               .bind(2, id)
                               .bind(3, one.count)
                               .bind(4, uncovered)
                               .bind(5, wall)
                               .run());
    if (database->changes() == 0) continue;
    if (hits >= 0) ++hits;
    const model::Difference& shown = *one.first;
    if (one.is_uncovered) {
      issues.insert(issue_id(
          {id, verdict.route, one.endpoint, shown.path, to_string(shown.kind), shown.transition}));
    }
    BANYAN_RETURN_IF_ERROR((*upsert)
                               ->bind(1, id)
                               .bind(2, verdict.route)
                               .bind(3, one.endpoint)
                               .bind(4, shown.path)
                               .bind(5, to_string(shown.kind))
                               .bind(6, shown.transition)
                               .bind(7, one.count)
                               .bind(8, uncovered)
                               .bind(9, wall)
                               .bind(10, shown.at)
                               .bind(11, shown.legacy)
                               .bind(12, shown.candidate)
                               .bind(13, shown.rule)
                               .run());
    if (one.endpoint == "*") {
      BANYAN_RETURN_IF_ERROR(
          (*listed)->bind(1, id).bind(2, verdict.endpoint).bind(3, kEndpointsMax).run());
    }
  }
  BANYAN_RETURN_IF_ERROR(add_issue_set(verdict.route, issues));
  if (verdict.request_stream.empty()) return {};
  const auto remember = kept("INSERT OR REPLACE INTO places VALUES (?1, ?2, ?3)");
  if (!remember.ok()) return remember.error();
  return (*remember)
      ->bind(1, exchange)
      .bind(2, verdict.request_stream)
      .bind(3, verdict.request_offset.value)
      .run();
}

Status FindingsStore::Impl::write_latency() {
  auto upsert = database->prepare(
      "INSERT INTO latency VALUES (?1, ?2, ?3, ?4, ?5) "
      "ON CONFLICT DO UPDATE SET count = count + ?5");
  if (!upsert.ok()) return upsert.error();
  for (const LatencyCounts::Count& one : latency.all()) {
    BANYAN_RETURN_IF_ERROR(upsert->bind(1, one.route)
                               .bind(2, one.endpoint)
                               .bind(3, one.system)
                               .bind(4, one.bucket)
                               .bind(5, one.count)
                               .run());
  }
  return {};
}

Status FindingsStore::Impl::write_counts() {
  BANYAN_RETURN_IF_ERROR(write_latency());
  BANYAN_RETURN_IF_ERROR(write_readiness());
  BANYAN_RETURN_IF_ERROR(write_samples());
  BANYAN_RETURN_IF_ERROR(write_noise());
  latency.clear();
  readiness.clear();
  samples.forget_numbers();
  if (samples.groups().size() > RequestSamples::kGroupsMax) samples.clear();
  return {};
}

Status FindingsStore::Impl::write_meta(std::string_view key, std::string_view value) {
  auto statement = database->prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)");
  if (!statement.ok()) return statement.error();
  return statement->bind(1, key).bind(2, value).run();
}

Result<std::string> FindingsStore::Impl::read_meta(std::string_view key) {
  auto statement = database->prepare("SELECT value FROM meta WHERE key = ?1");
  if (!statement.ok()) return statement.error();
  statement->bind(1, key);
  auto row = statement->step();
  if (!row.ok()) return row.error();
  return *row ? std::string(statement->text(0)) : std::string();
}

Status FindingsStore::Impl::write_cursor(const model::Cursor& cursor) {
  return write_meta("cursor", cursor.to_string());
}

Result<model::Cursor> FindingsStore::Impl::read_cursor() {
  const auto cursor = read_meta("cursor");
  if (!cursor.ok()) return cursor.error();
  return cursor->empty() ? Result<model::Cursor>(model::Cursor{}) : model::Cursor::parse(*cursor);
}

Status FindingsStore::Impl::trim_hits() {
  if (hits < 0) {
    const auto counted = number_of(*database, "SELECT count(*) FROM hits");
    if (!counted.ok()) return counted.error();
    hits = *counted;
  }
  const std::int64_t excess = hits - kHitsMax;
  if (excess <= 0) return {};
  auto remove = database->prepare(
      "DELETE FROM hits WHERE wall <= (SELECT wall FROM hits ORDER BY wall LIMIT 1 OFFSET ?1)");
  if (!remove.ok()) return remove.error();
  // A tenth more, so that this is rare.
  BANYAN_RETURN_IF_ERROR(remove->bind(1, excess + kHitsMax / 10).run());
  hits -= database->changes();
  // By looking up each, since a set of all exchanges of a million hits would be made for NOT IN.
  for (const std::string table : {"places", "differing"}) {
    BANYAN_RETURN_IF_ERROR(database->execute(
        "DELETE FROM " + table +
        " WHERE NOT EXISTS (SELECT 1 FROM hits WHERE hits.exchange = " + table + ".exchange)"));
  }
  return {};
}

FindingsStore::FindingsStore() = default;

FindingsStore::~FindingsStore() {
  if (!impl_ || !impl_->is_ahead || !impl_->source) return;
  std::optional<store::Transaction> transaction;
  const Status written = impl_->write(impl_->source->position(), transaction);
  if (!written.ok()) obs::log_warning("findings", written.error().message + "; folded again later");
}

Result<std::unique_ptr<FindingsStore>> FindingsStore::open(const std::string& path, Clock& clock,
                                                           const std::vector<std::string>& paths,
                                                           const FindingsBounds& bounds) {
  auto database = store::Database::open(path, store::Database::Mode::kReadWrite);
  if (!database.ok()) return database.error();
  std::unique_ptr<FindingsStore> findings(new FindingsStore);
  findings->impl_ = std::make_unique<Impl>(clock, std::move(database).value());
  findings->impl_->templates = PathTemplates(paths);
  findings->impl_->bounds = bounds;
  BANYAN_RETURN_IF_ERROR(findings->impl_->create_schema());
  return findings;
}

FindingsLeftOut FindingsStore::left_out() const {
  const auto count = [](const std::atomic<std::uint64_t>& of) {
    return of.load(std::memory_order_relaxed);
  };
  const auto& left_out = impl_->left_out;
  return {count(left_out.places),    count(left_out.races),     count(left_out.shapes),
          count(left_out.standings), count(left_out.readiness), count(left_out.samples)};
}

Result<bool> TableRoom::take() {
  if (!room_) {
    const auto rows = number_of(database_, std::string("SELECT count(*) FROM ") + table_);
    if (!rows.ok()) return rows.error();
    room_ = rows_max_ - *rows;
  }
  if (*room_ <= 0) {
    left_out_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  --*room_;
  return true;
}

Result<std::unique_ptr<FindingsStore>> FindingsStore::open_read_only(const std::string& path,
                                                                     Clock& clock) {
  auto database = store::Database::open(path, store::Database::Mode::kReadOnly);
  if (!database.ok()) return database.error();
  std::unique_ptr<FindingsStore> findings(new FindingsStore);
  findings->impl_ = std::make_unique<Impl>(clock, std::move(database).value());
  findings->impl_->is_read_only = true;
  // For endpoint_name() alone: without them an endpoint goes by its words.
  if (const Status loaded = findings->impl_->load_endpoints(); !loaded.ok()) {
    obs::log_warning("findings", "no endpoint templates: " + loaded.error().message);
  }
  return findings;
}

Result<std::unique_ptr<model::RecordSource>> FindingsStore::Impl::open_source(
    model::LogAccess& log) {
  latency.clear();
  readiness.clear();
  samples.clear();
  noise.clear();
  is_ahead = false;
  issue_sets = hits = sample_rows = -1;
  BANYAN_RETURN_IF_ERROR(load_endpoints());
  BANYAN_RETURN_IF_ERROR(follow_templates());
  auto cursor = read_cursor();
  if (!cursor.ok()) return cursor.error();
  return log.open_source(*cursor, model::Fence::kDurable);
}

Status FindingsStore::Impl::begin(std::optional<store::Transaction>& transaction) {
  if (transaction) return {};
  auto begun = store::Transaction::begin(*database);
  if (!begun.ok()) return begun.error();
  transaction.emplace(std::move(begun).value());
  return {};
}

Result<bool> FindingsStore::Impl::fold_some(model::RecordSource& from, std::size_t records_max,
                                            std::optional<store::Transaction>& transaction) {
  model::SourcedRecord sourced;
  std::string known_name;
  from.want(model::RecordKinds::of({model::RecordType::kVerdict}));
  for (std::size_t i = 0; i < records_max; ++i) {
    auto more = from.next(sourced);
    if (!more.ok()) return more.error();
    if (!*more) return false;
    if (sourced.kind == model::SourcedRecord::Kind::kHole) continue;
    if (sourced.type != model::RecordType::kVerdict) continue;
    if (!model::decode_as(sourced.encoded, decoded).ok()) continue;
    if (decoded.run.is_witness()) {
      is_ahead = true;
      BANYAN_RETURN_IF_ERROR(fold_witness(decoded));
      continue;
    }
    if (!decoded.run.is_live()) continue;
    is_ahead = true;
    if (decoded.of.is_erased) {
      decoded.differences.clear();
    } else if (decoded.has_previous && is_there(decoded)) {
      known_name = name_of(decoded.endpoint);
      decoded.endpoint = known_name;
    } else if (const std::string* named = templates.name_of(decoded.endpoint); named != nullptr) {
      decoded.endpoint = *named;
    } else {
      decoded.endpoint = endpoints.count(decoded.endpoint, is_there(decoded));
      if (endpoints.take_collapsed()) {
        BANYAN_RETURN_IF_ERROR(begin(transaction));
        BANYAN_RETURN_IF_ERROR(follow_endpoints());
      }
    }
    if (!decoded.of.is_erased && !decoded.has_previous && decoded.legacy_duration_ns >= 0 &&
        decoded.candidate_duration_ns >= 0) {
      latency.add(decoded.route, decoded.endpoint, decoded.legacy_duration_ns,
                  decoded.candidate_duration_ns);
    }
    if (!decoded.of.is_erased) {
      const std::uint64_t name = latency.name_of(decoded.route, decoded.endpoint);
      readiness.add(name, decoded);
      BANYAN_RETURN_IF_ERROR(count_sample(name, decoded));
      if (!decoded.has_previous && decoded.verdict != Verdict::kIncomparable) {
        noise.watch(name, decoded.race.is_there());
      }
    }
    if (decoded.has_previous || !decoded.differences.empty()) {
      BANYAN_RETURN_IF_ERROR(begin(transaction));
      BANYAN_RETURN_IF_ERROR(fold(decoded));
    }
    BANYAN_RETURN_IF_ERROR(note_live(decoded));
  }
  return true;
}

Status FindingsStore::Impl::write(const model::Cursor& cursor,
                                  std::optional<store::Transaction>& transaction) {
  const bool may_have_hits = transaction.has_value();
  BANYAN_RETURN_IF_ERROR(begin(transaction));
  if (may_have_hits) BANYAN_RETURN_IF_ERROR(trim_hits());
  BANYAN_RETURN_IF_ERROR(write_counts());
  BANYAN_RETURN_IF_ERROR(write_endpoints());
  BANYAN_RETURN_IF_ERROR(write_standings());
  BANYAN_RETURN_IF_ERROR(write_cursor(cursor));
  BANYAN_RETURN_IF_ERROR(transaction->commit());
  is_ahead = false;
  written_mono_ns = clock.mono_ns();
  return {};
}

Result<bool> FindingsStore::catch_up(model::LogAccess& log, std::size_t records_max,
                                     Writing writing) {
  Impl& impl = *impl_;
  if (impl.is_read_only) {
    return make_error(ErrorCode::kPermissionDenied, ErrorOrigin::kInternal,
                      "findings are open for reading only");
  }
  // Any error leaves the transaction undone, so the source has to start over from its cursor.
  auto source = std::exchange(impl.source, nullptr);
  if (source == nullptr) {
    auto opened = impl.open_source(log);
    if (!opened.ok()) return opened.error();
    source = std::move(opened).value();
  }
  const model::Cursor before = source->position();
  std::optional<store::Transaction> transaction;
  const auto more = impl.fold_some(*source, records_max, transaction);
  if (!more.ok()) return more.error();
  // Long stretches without a VERDICT: the place alone, so that a restart need not read them again.
  const bool has_news = impl.is_ahead || (*more && !(source->position() == before));
  const bool may_wait = writing == Writing::kLazily && !transaction && !impl.latency.is_full() &&
                        !impl.readiness.is_full() &&
                        impl.clock.mono_ns() - impl.written_mono_ns < kWriteEveryNs;
  if (has_news && !may_wait) {
    BANYAN_RETURN_IF_ERROR(impl.write(source->position(), transaction));
  }
  impl.source = std::move(source);
  impl.publish_endpoints();
  return *more;
}

}  // namespace banyan::comparator
