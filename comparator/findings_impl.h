// SPDX-License-Identifier: Apache-2.0
//
// What findings.cc (the fold) and findings_query.cc (reading and triage) share.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "comparator/endpoint_tree.h"
#include "comparator/findings.h"
#include "comparator/latency_counts.h"
#include "comparator/noise_fold.h"
#include "comparator/path_templates.h"
#include "comparator/readiness_counts.h"
#include "comparator/request_samples.h"
#include "core/store/database.h"

namespace banyan::comparator {

struct FindingsStore::Impl {
  // Past it the hits of the oldest exchanges go; the counts of their findings stay.
  static constexpr std::int64_t kHitsMax = 1'000'000;
  static constexpr std::int64_t kEndpointsMax = 100;  // listed for one header finding
  static constexpr std::int64_t kSchemaVersion = 1;

  Impl(Clock& clock_in, std::unique_ptr<store::Database> database_in)
      : clock(clock_in), database(std::move(database_in)) {}

  Clock& clock;
  std::unique_ptr<store::Database> database;
  std::unordered_map<const char*, store::Statement> statements;  // of kept(); die before it
  bool is_read_only = false;
  FindingsBounds bounds;
  struct {
    std::atomic<std::uint64_t> places{0}, races{0}, shapes{0}, standings{0}, readiness{0},
        samples{0};
  } left_out;
  // Behind what was folded. Lost with an error: then the next fold begins at the database's cursor,
  // and what was only in memory is folded again.
  std::unique_ptr<model::RecordSource> source;
  // Folded since the last transaction, which moves the database's cursor.
  LatencyCounts latency;
  EndpointTree endpoints;  // as of `source`
  PathTemplates templates;
  std::int64_t issue_sets = -1;   // in their table; -1: to be counted
  std::int64_t hits = -1;         // likewise
  ReadinessCounts readiness;      // by the names of `latency`; both are cleared together
  RequestSamples samples;         // likewise its numbers
  std::int64_t sample_rows = -1;  // in their table; -1: to be counted
  NoiseFold noise;
  std::set<std::string> counted_routes;  // whose places are to be judged again
  std::int64_t standings_due_mono_ns = 0;
  bool is_ahead = false;
  std::int64_t written_mono_ns = 0;
  model::VerdictRecord decoded;  // kept for its room

  std::atomic<std::uint64_t> nodes{0}, collapsed{0}, overflow{0};  // of `endpoints`, for metrics
  std::atomic<std::uint64_t> witnesses{0}, unpaired{0};            // likewise

  // Prepared once; of a literal. Whoever steps it steps it to its end.
  Result<store::Statement*> kept(const char* sql);
  Status create_schema();
  Status create_later_tables();
  Result<std::unique_ptr<model::RecordSource>> open_source(model::LogAccess& log);
  // Folds into memory and, once a VERDICT needs it, into `transaction`. False at the end of the
  // log.
  Result<bool> fold_some(model::RecordSource& from, std::size_t records_max,
                         std::optional<store::Transaction>& transaction);
  Status begin(std::optional<store::Transaction>& transaction);
  Status fold(const model::VerdictRecord& verdict);
  // Everything that is ahead, and the cursor with it.
  Status write(const model::Cursor& cursor, std::optional<store::Transaction>& transaction);
  Status forget(ExchangeId exchange);
  Status write_latency();
  // findings_readiness.cc
  Status create_readiness_schema();
  Status note_differing(const model::VerdictRecord& verdict);
  Status forget_differing(ExchangeId exchange);
  Status erase_differing(ExchangeId exchange);
  Status write_readiness();
  Status move_readiness(const std::string& from, const std::string& to);
  // findings_samples.cc
  Status create_request_samples();
  // `name`: of its endpoint in `latency`.
  Status count_sample(std::uint64_t name, const model::VerdictRecord& verdict);
  Status open_day(RequestSamples::Group& group, const model::VerdictRecord& verdict,
                  std::int64_t day);
  Status write_samples();
  Status move_samples(const std::string& from, const std::string& to);
  Status write_cursor(const model::Cursor& cursor);
  Result<model::Cursor> read_cursor();
  Status trim_hits();
  Result<std::string> read_meta(std::string_view key);  // "" where there is none
  Status write_meta(std::string_view key, std::string_view value);

  // findings_noise.cc
  Status create_noise_tables();
  Status fold_witness(const model::VerdictRecord& witness);
  Status note_live(const model::VerdictRecord& verdict);
  Status settle(const NoiseFold::Complete& asked);
  Result<std::map<std::string, NoiseFold::Paths>> shown_by(ExchangeId exchange);
  Status write_noise();
  Status write_races();
  // findings_shapes.cc
  Status create_shapes_table();
  Status write_shapes();
  Status move_shapes(const std::string& from, const std::string& to);
  Status move_noise(const std::string& from, const std::string& to);
  Status erase_noise(const std::vector<std::string>& names);
  // findings_standing.cc
  Status create_standings_table();
  Status write_standings();
  // Gives each its standing; all paths of its route are judged together.
  Status judge(std::vector<Finding>& of) const;
  // Ids of findings that count as noise, as a JSON array.
  Result<std::string> noise_ids() const;

  // findings_incidents.cc
  Status create_issue_sets();
  Status add_issue_set(std::string_view route, const std::set<std::string>& issues);
  Status forget_issue_set(std::string_view exchange);
  Status rename_issues(const std::map<std::string, std::string>& moves);

  // findings_query.cc
  Status decide(std::string_view finding, FindingState state, std::string_view by,
                std::string_view reason, std::int64_t until_wall_ns);

  // findings_endpoints.cc
  Status create_endpoint_tree();
  Status write_tree(std::string_view bytes);
  Status load_endpoints();
  // Where the specification is another than when the file was last open: what goes by a learned
  // name goes by its now.
  Status follow_templates();
  std::string name_of(std::string_view endpoint);
  Status write_endpoints();
  void publish_endpoints();
  // Words were collapsed: all that goes by an older name goes by the template's.
  Status follow_endpoints();
  // Notes old and new ids of issues in `moves`.
  Status move_findings(const std::string& from, const std::string& to,
                       std::map<std::string, std::string>& moves);
  // What is only in memory, by the names it was counted under.
  Status write_counts();
  Status merge_finding(std::string_view from, std::string_view to);
  Status move_id(std::string_view from, std::string_view to);
  // The finding (or issue) that the one with this id became part of; "" for none, or several.
  Result<std::string> successor_of(std::string_view id);
  Status forget_endpoints(const std::vector<std::string>& names);
};

// Of a row that begins with id, route, endpoint, path, kind, transition; valid as long as it is.
FindingNames names_of(const store::Statement& row);
// As it is stored; an acceptance that ended is none.
FindingState state_of(std::int64_t stored, std::int64_t until_wall_ns, std::int64_t now_wall_ns);
// The first column of the first row; 0 where there is none.
Result<std::int64_t> number_of(store::Database& database, std::string_view sql);
// Runs one statement with these texts.
Status run_with(store::Database& database, std::string_view sql,
                std::initializer_list<std::string_view> texts);
// As ?1 to ?5: route, endpoint, path, kind, transition.
store::Statement& bind_place(store::Statement& statement, const NoiseKey& key);
// Of one route, in findings_shapes.cc.
Status load_shapes(store::Database& database, const std::string& route,
                   std::map<NoiseKey, std::map<std::string, SideCounts>>& out);
// A file that only an older version wrote lacks the later tables.
Result<bool> has_table(store::Database& database, std::string_view name);

// Short and stable. `path` as the difference has it.
std::string finding_id(std::string_view route, std::string_view endpoint, std::string_view path,
                       std::string_view kind, std::string_view transition);

}  // namespace banyan::comparator
