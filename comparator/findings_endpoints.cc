// SPDX-License-Identifier: Apache-2.0
//
// Findings follow their endpoint's name: what was found under /users/ada and /users/bob goes on
// under /users/{}. The tree stands in the file beside what it named, in the same transactions.
#include <algorithm>
#include <map>
#include <utility>

#include "comparator/findings_impl.h"
#include "core/base/text.h"
#include "core/obs/log.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kTreeKey = "endpoints";  // where older files had the tree, as hex
constexpr std::string_view kTemplatesKey = "templates";
constexpr std::string_view kMovedPrefix = "moved:";  // the key of an id that is no more
constexpr std::string_view kMovedEnd = "moved;";

// What a person said of a finding.
struct Triage {
  FindingState state = FindingState::kOpen;
  std::string reason;
  std::string changed_by;
  std::int64_t until = 0;
  bool is_untouched = false;  // open, and a rule covers every occurrence
};

Result<Triage> triage_of(store::Database& database, std::string_view id) {
  auto row = database.prepare(
      "SELECT state, reason, changed_by, accepted_until, uncovered FROM findings WHERE id = ?1");
  if (!row.ok()) return row.error();
  row->bind(1, id);
  const auto found = row->step();
  if (!found.ok()) return found.error();
  Triage out;
  if (!*found) return out;
  out.state = static_cast<FindingState>(row->integer(0));
  out.reason = std::string(row->text(1));
  out.changed_by = std::string(row->text(2));
  out.until = row->integer(3);
  out.is_untouched = out.state == FindingState::kOpen && row->integer(4) == 0;
  return out;
}

// A bug stays one. What one side accepted is open again where the other has it open: nobody looked
// at that. The reason tells then what was accepted.
Triage merged(const Triage& a, const Triage& b) {
  if (a.state == FindingState::kBug) return a;
  if (b.state == FindingState::kBug) return b;
  if (a.state == b.state) {
    Triage out = a.reason.empty() ? b : a;
    if (a.state == FindingState::kAccepted && a.until != 0 && b.until != 0) {
      out.until = std::min(a.until, b.until);
    } else if (a.state == FindingState::kAccepted) {
      out.until = std::max(a.until, b.until);
    }
    return out;
  }
  const Triage& accepted = a.state == FindingState::kAccepted ? a : b;
  const Triage& open = a.state == FindingState::kAccepted ? b : a;
  if (open.is_untouched) return accepted;
  Triage out = open;
  out.reason = "accepted before its endpoints became one: " + accepted.reason;
  out.changed_by = accepted.changed_by;
  return out;
}

Result<std::vector<std::string>> all_endpoints(store::Database& database) {
  auto rows = database.prepare(
      "SELECT endpoint FROM findings UNION SELECT endpoint FROM finding_endpoints "
      "UNION SELECT endpoint FROM latency UNION SELECT endpoint FROM readiness "
      "UNION SELECT endpoint FROM request_samples "
      "UNION SELECT endpoint FROM noise_pairs UNION SELECT endpoint FROM noise_paths");
  if (!rows.ok()) return rows.error();
  std::vector<std::string> out;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    out.emplace_back(rows->text(0));
  }
}

}  // namespace

Status FindingsStore::Impl::create_endpoint_tree() {
  const auto is_there = has_table(*database, "endpoint_tree");
  if (!is_there.ok()) return is_there.error();
  if (*is_there) return {};
  BANYAN_RETURN_IF_ERROR(database->execute(
      "CREATE TABLE endpoint_tree (id INTEGER PRIMARY KEY CHECK (id = 1), bytes BLOB NOT NULL) "
      "STRICT"));
  const auto hex = read_meta(kTreeKey);
  if (!hex.ok()) return hex.error();
  if (hex->empty()) return {};
  BANYAN_RETURN_IF_ERROR(write_tree(bytes_of_hex(*hex).value_or("damaged")));
  auto remove = database->prepare("DELETE FROM meta WHERE key = ?1");
  if (!remove.ok()) return remove.error();
  return remove->bind(1, kTreeKey).run();
}

Status FindingsStore::Impl::write_tree(std::string_view bytes) {
  const auto statement = kept("INSERT OR REPLACE INTO endpoint_tree VALUES (1, ?1)");
  if (!statement.ok()) return statement.error();
  return (*statement)->bind_blob(1, bytes).run();
}

Status FindingsStore::Impl::load_endpoints() {
  auto row = database->prepare("SELECT bytes FROM endpoint_tree");
  if (!row.ok()) return row.error();
  const auto is_there = row->step();
  if (!is_there.ok()) return is_there.error();
  endpoints.clear();
  if (*is_there && !endpoints.read(row->blob(0))) {
    obs::log_warning(
        "findings",
        "findings.sqlite: the learned endpoint templates are damaged; they are learned "
        "anew from here on");
  }
  return {};
}

Status FindingsStore::Impl::write_endpoints() {
  if (!endpoints.take_changed()) return {};
  return write_tree(endpoints.to_bytes());
}

std::string FindingsStore::Impl::name_of(std::string_view endpoint) {
  const std::string* named = templates.name_of(endpoint);
  return named != nullptr ? *named : endpoints.name_of(endpoint);
}

Status FindingsStore::Impl::follow_templates() {
  const std::string signature = hex_of_u64(templates.signature());
  const auto before = read_meta(kTemplatesKey);
  if (!before.ok()) return before.error();
  if (*before == signature || (before->empty() && templates.is_empty())) return {};
  auto transaction = store::Transaction::begin(*database);
  if (!transaction.ok()) return transaction.error();
  BANYAN_RETURN_IF_ERROR(follow_endpoints());
  BANYAN_RETURN_IF_ERROR(write_meta(kTemplatesKey, signature));
  return transaction->commit();
}

void FindingsStore::Impl::publish_endpoints() {
  const EndpointTree::Stats stats = endpoints.stats();
  nodes.store(stats.nodes, std::memory_order_relaxed);
  collapsed.store(stats.collapsed, std::memory_order_relaxed);
  overflow.store(stats.overflow, std::memory_order_relaxed);
}

FindingsStore::EndpointStats FindingsStore::endpoint_stats() const {
  return {impl_->nodes.load(std::memory_order_relaxed),
          impl_->collapsed.load(std::memory_order_relaxed),
          impl_->overflow.load(std::memory_order_relaxed)};
}

std::string FindingsStore::endpoint_name(std::string_view endpoint) const {
  return impl_->endpoints.name_of(endpoint);
}

Status FindingsStore::Impl::follow_endpoints() {
  // What waits in memory goes by names of before.
  BANYAN_RETURN_IF_ERROR(write_counts());
  samples.clear();
  const auto names = all_endpoints(*database);
  if (!names.ok()) return names.error();
  std::map<std::string, std::string> moves;
  for (const std::string& from : *names) {
    const std::string to = name_of(from);
    if (to == from) continue;
    BANYAN_RETURN_IF_ERROR(move_findings(from, to, moves));
    BANYAN_RETURN_IF_ERROR(move_readiness(from, to));
    BANYAN_RETURN_IF_ERROR(move_samples(from, to));
    BANYAN_RETURN_IF_ERROR(move_noise(from, to));
    for (const char* sql :
         {"INSERT OR IGNORE INTO finding_endpoints SELECT finding, ?2 FROM finding_endpoints "
          "WHERE endpoint = ?1",
          "DELETE FROM finding_endpoints WHERE endpoint = ?1 AND ?2 <> ''",
          "INSERT INTO latency SELECT route, ?2, system, bucket, count FROM latency "
          "WHERE endpoint = ?1 ON CONFLICT DO UPDATE SET count = count + excluded.count",
          "DELETE FROM latency WHERE endpoint = ?1 AND ?2 <> ''"}) {
      BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {from, to}));
    }
  }
  return moves.empty() ? Status() : rename_issues(moves);
}

Status FindingsStore::Impl::move_findings(const std::string& from, const std::string& to,
                                          std::map<std::string, std::string>& moves) {
  struct Move {
    std::string id, successor, issue, issue_successor;
  };
  std::vector<Move> here;
  {
    auto rows = database->prepare(
        "SELECT id, route, endpoint, path, kind, transition FROM findings WHERE endpoint = ?1");
    if (!rows.ok()) return rows.error();
    rows->bind(1, from);
    for (;;) {
      auto row = rows->step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      FindingNames names = names_of(*rows);
      Move move{std::string(names.id), {}, issue_id(names), {}};
      names.endpoint = to;
      move.successor = finding_id(names.route, to, names.path, names.kind, names.transition);
      names.id = move.successor;
      move.issue_successor = issue_id(names);
      here.push_back(std::move(move));
    }
  }
  for (const auto& [id, successor, issue, issue_successor] : here) {
    if (issue != issue_successor) {
      moves[issue] = issue_successor;
      BANYAN_RETURN_IF_ERROR(move_id(issue, issue_successor));
    }
    // An empty row under the new name first, so that what follows is a merge in any case.
    auto place = database->prepare(
        "INSERT OR IGNORE INTO findings SELECT ?2, route, ?3, path, kind, transition, 0, 0, 0, "
        "first_seen, last_seen, '', '', '', '', state, reason, changed_by, accepted_until "
        "FROM findings WHERE id = ?1");
    if (!place.ok()) return place.error();
    BANYAN_RETURN_IF_ERROR(place->bind(1, id).bind(2, successor).bind(3, to).run());
    BANYAN_RETURN_IF_ERROR(merge_finding(id, successor));
  }
  return {};
}

Status FindingsStore::Impl::merge_finding(std::string_view from, std::string_view to) {
  hits = -1;
  const auto old_triage = triage_of(*database, from);
  const auto new_triage = triage_of(*database, to);
  if (!old_triage.ok()) return old_triage.error();
  if (!new_triage.ok()) return new_triage.error();
  const Triage triage = merged(*new_triage, *old_triage);
  auto add = database->prepare(
      "UPDATE findings SET count = findings.count + o.count, "
      "exchanges = findings.exchanges + o.exchanges, uncovered = findings.uncovered + o.uncovered, "
      "first_seen = min(findings.first_seen, o.first_seen), "
      "last_seen = max(findings.last_seen, o.last_seen), "
      "example_legacy = iif(findings.example_at = '', o.example_legacy, findings.example_legacy), "
      "example_candidate = "
      "iif(findings.example_at = '', o.example_candidate, findings.example_candidate), "
      "example_at = iif(findings.example_at = '', o.example_at, findings.example_at), "
      "rule = iif(findings.rule = '', o.rule, findings.rule), "
      "state = ?3, reason = ?4, changed_by = ?5, accepted_until = ?6 "
      "FROM (SELECT * FROM findings WHERE id = ?1) AS o WHERE findings.id = ?2");
  if (!add.ok()) return add.error();
  BANYAN_RETURN_IF_ERROR(add->bind(1, from)
                             .bind(2, to)
                             .bind(3, static_cast<int>(triage.state))
                             .bind(4, triage.reason)
                             .bind(5, triage.changed_by)
                             .bind(6, triage.until)
                             .run());
  for (const char* sql : {"UPDATE OR IGNORE hits SET finding = ?2 WHERE finding = ?1",
                          "DELETE FROM hits WHERE finding = ?1 AND ?2 <> ''",
                          "DELETE FROM findings WHERE id = ?1 AND ?2 <> ''"}) {
    BANYAN_RETURN_IF_ERROR(run_with(*database, sql, {from, to}));
  }
  return move_id(from, to);
}

// So that an id somebody noted still leads somewhere.
Status FindingsStore::Impl::move_id(std::string_view from, std::string_view to) {
  BANYAN_RETURN_IF_ERROR(
      run_with(*database,
               "UPDATE meta SET value = ?2 WHERE key >= 'moved:' AND key < 'moved;' AND value = ?1",
               {from, to}));
  return write_meta(std::string(kMovedPrefix) + std::string(from), to);
}

Result<std::string> FindingsStore::Impl::successor_of(std::string_view id) {
  auto rows =
      database->prepare("SELECT DISTINCT value FROM meta WHERE key >= ?1 AND key < ?2 LIMIT 2");
  if (!rows.ok()) return rows.error();
  const std::string first = std::string(kMovedPrefix) + std::string(id);
  rows->bind(1, first).bind(2, first + "g");
  auto row = rows->step();
  if (!row.ok()) return row.error();
  if (!*row) return std::string();
  std::string successor(rows->text(0));
  row = rows->step();
  if (!row.ok()) return row.error();
  return *row ? std::string() : successor;
}

// The ids that are no more were made of names that go now.
Status FindingsStore::Impl::forget_endpoints(const std::vector<std::string>& names) {
  BANYAN_RETURN_IF_ERROR(load_endpoints());
  for (const std::string& name : names) endpoints.forget(name);
  BANYAN_RETURN_IF_ERROR(write_endpoints());
  return run_with(*database, "DELETE FROM meta WHERE key >= ?1 AND key < ?2",
                  {kMovedPrefix, kMovedEnd});
}

}  // namespace banyan::comparator
