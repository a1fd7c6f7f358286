// SPDX-License-Identifier: Apache-2.0
//
// Issues put together from the rows of their findings whenever somebody asks: what joins them
// follows from their names alone, so nothing about it is kept.
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "comparator/findings_impl.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

struct Gathered {
  Issue issue;
  std::set<std::string> routes, endpoints, paths;
  std::uint64_t exchanges_most = 0;  // of one finding
  std::uint64_t exchanges_sum = 0;   // of all, one exchange perhaps several times
  std::uint64_t exchanges_sets = 0;  // by the sets of issues that come together
};
// Gives each its standing.
using JudgeFindings = std::function<Status(std::vector<Finding>&)>;
using GatheredMap = std::map<std::string, Gathered, std::less<>>;

enum class Decision { kOpen, kAccepted, kBug, kNothing };

void add_finding(Gathered& out, const store::Statement& row, Decision decision) {
  Issue& issue = out.issue;
  if (issue.finding_count++ == 0) {
    issue.label = issue_label(names_of(row));
    issue.kind = std::string(row.text(4));
    issue.transition = std::string(row.text(5));
    issue.first_seen_wall_ns = row.integer(8);
  }
  if (issue.findings.size() < kIssueFindingsMax) issue.findings.emplace_back(row.text(0));
  out.routes.emplace(row.text(1));
  if (row.text(2) != "*") out.endpoints.emplace(row.text(2));
  out.paths.emplace(row.text(3));
  issue.count += row.unsigned_integer(6);
  out.exchanges_most = std::max(out.exchanges_most, row.unsigned_integer(7));
  out.exchanges_sum += row.unsigned_integer(7);
  issue.first_seen_wall_ns = std::min(issue.first_seen_wall_ns, row.integer(8));
  issue.last_seen_wall_ns = std::max(issue.last_seen_wall_ns, row.integer(9));
  issue.open += decision == Decision::kOpen ? 1 : 0;
  issue.accepted += decision == Decision::kAccepted ? 1 : 0;
  issue.bug += decision == Decision::kBug ? 1 : 0;
}

// The endpoints of findings about headers.
Status add_endpoints(store::Database& database,
                     const std::map<std::string, Gathered*>& by_finding) {
  auto rows = database.prepare("SELECT finding, endpoint FROM finding_endpoints");
  if (!rows.ok()) return rows.error();
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    const auto found = by_finding.find(std::string(rows->text(0)));
    if (found != by_finding.end()) found->second->endpoints.emplace(rows->text(1));
  }
}

// One exchange may show several findings of an issue, and counts once.
Status add_exchanges(store::Database& database, GatheredMap& all) {
  const auto is_there = has_table(database, "issue_sets");
  if (!is_there.ok()) return is_there.error();
  if (!*is_there) return {};
  auto rows = database.prepare("SELECT issues, exchanges FROM issue_sets");
  if (!rows.ok()) return rows.error();
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    for (const std::string_view id : split(rows->text(0), ' ')) {
      const auto found = all.find(id);
      if (found != all.end()) found->second.exchanges_sets += rows->unsigned_integer(1);
    }
  }
}

std::vector<std::string> listed(const std::set<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    if (out.size() == kIssueNamesMax) break;
    out.push_back(name);
  }
  return out;
}

void fill_lists(Gathered& one) {
  Issue& issue = one.issue;
  issue.routes = listed(one.routes);
  issue.endpoints = listed(one.endpoints);
  issue.paths = listed(one.paths);
  issue.route_count = one.routes.size();
  issue.endpoint_count = one.endpoints.size();
  issue.path_count = one.paths.size();
  // The table of sets is bounded, and knows nothing of what rules cover.
  issue.exchanges = std::clamp(one.exchanges_sets, one.exchanges_most, one.exchanges_sum);
}

Finding finding_of_issue(const store::Statement& row, const std::string& issue) {
  Finding out;
  out.issue = issue;
  out.route = std::string(row.text(1));
  out.endpoint = std::string(row.text(2));
  out.path = std::string(row.text(3));
  out.kind = std::string(row.text(4));
  out.transition = std::string(row.text(5));
  return out;
}

// An issue is as urgent as what is most urgent in it. What is accepted or covered asks for nothing.
Status add_standings(const JudgeFindings& judge, std::vector<Finding>& to_do, GatheredMap& all) {
  BANYAN_RETURN_IF_ERROR(judge(to_do));
  std::set<std::string_view> met;
  for (const Finding& finding : to_do) {
    Issue& issue = all.find(finding.issue)->second.issue;
    const bool is_first = met.insert(finding.issue).second;
    issue.standing =
        is_first ? finding.judged.standing : std::min(issue.standing, finding.judged.standing);
  }
  return {};
}

// Those that begin with `prefix`, by id.
Result<GatheredMap> gather(store::Database& database, std::int64_t now_wall_ns,
                           std::string_view prefix, const JudgeFindings& judge) {
  auto rows = database.prepare(
      "SELECT id, route, endpoint, path, kind, transition, count, exchanges, first_seen, "
      "last_seen, uncovered, state, accepted_until FROM findings "
      "WHERE exchanges > 0 OR state <> 0 ORDER BY exchanges DESC, id");
  if (!rows.ok()) return rows.error();
  GatheredMap all;
  std::map<std::string, Gathered*> by_finding;
  std::vector<Finding> to_do;
  for (;;) {
    auto row = rows->step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    const std::string id = issue_id(names_of(*rows));
    if (!id.starts_with(prefix)) continue;
    Gathered& one = all[id];
    const auto state = state_of(rows->integer(11), rows->integer(12), now_wall_ns);
    const bool is_to_do = rows->integer(10) > 0 && rows->integer(7) > 0;
    Decision decision = is_to_do ? Decision::kOpen : Decision::kNothing;
    if (state == FindingState::kAccepted) decision = Decision::kAccepted;
    if (state == FindingState::kBug) decision = Decision::kBug;
    add_finding(one, *rows, decision);
    if (decision == Decision::kOpen || decision == Decision::kBug) {
      to_do.push_back(finding_of_issue(*rows, id));
    }
    one.issue.id = id;
    if (rows->text(2) == "*") by_finding[std::string(rows->text(0))] = &one;
  }
  BANYAN_RETURN_IF_ERROR(add_endpoints(database, by_finding));
  BANYAN_RETURN_IF_ERROR(add_exchanges(database, all));
  BANYAN_RETURN_IF_ERROR(add_standings(judge, to_do, all));
  for (auto& [id, one] : all) fill_lists(one);
  return all;
}

bool passes(const Gathered& one, const FindingFilter& filter) {
  if (!filter.route.empty() && one.routes.count(filter.route) == 0) return false;
  if (!filter.state) return true;
  switch (*filter.state) {
    case FindingState::kOpen: return one.issue.open > 0;
    case FindingState::kAccepted: return one.issue.accepted > 0;
    case FindingState::kBug: return one.issue.bug > 0;
  }
  return true;
}

}  // namespace

Result<std::vector<Issue>> FindingsStore::issues(const FindingFilter& filter) const {
  const auto judge = [this](std::vector<Finding>& of) { return impl_->judge(of); };
  auto all = gather(*impl_->database, impl_->clock.wall_ns(), {}, judge);
  if (!all.ok()) return all.error();
  std::vector<Issue> out;
  for (auto& [id, one] : *all) {
    if (one.issue.finding_count > 1 && passes(one, filter)) out.push_back(std::move(one.issue));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Issue& a, const Issue& b) { return a.exchanges > b.exchanges; });
  if (out.size() > filter.limit) out.resize(filter.limit);
  return out;
}

Result<Issue> FindingsStore::get_issue(std::string_view id) const {
  const bool is_id = is_issue_id(id) && id.size() > 1 && id.size() <= 13 &&
                     id.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
  const auto judge = [this](std::vector<Finding>& of) { return impl_->judge(of); };
  auto found = is_id ? gather(*impl_->database, impl_->clock.wall_ns(), id, judge)
                     : Result<GatheredMap>(GatheredMap());
  if (!found.ok()) return found.error();
  if (found->size() == 1) return std::move(found->begin()->second.issue);
  if (found->size() > 1) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "several issues begin with \"" + std::string(id) + "\"; type more of it");
  }
  if (is_id) {
    const auto successor = impl_->successor_of(id);
    if (!successor.ok()) return successor.error();
    if (!successor->empty() && *successor != id) return get_issue(*successor);
  }
  return make_error(ErrorCode::kNotFound, ErrorOrigin::kClient,
                    "no issue has the id \"" + std::string(id.substr(0, 64)) + "\"");
}

Result<Issue> FindingsStore::set_issue_state(std::string_view id, FindingState state,
                                             std::string_view by, std::string_view reason,
                                             std::int64_t until_wall_ns) {
  if (state == FindingState::kAccepted && reason.empty()) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "accepting an issue needs a reason");
  }
  store::Database& database = *impl_->database;
  auto transaction = store::Transaction::begin(database);
  if (!transaction.ok()) return transaction.error();
  const auto issue = get_issue(id);
  if (!issue.ok()) return issue.error();
  std::vector<std::string> findings;
  {
    auto rows = database.prepare(
        "SELECT id, route, endpoint, path, kind, transition FROM findings "
        "WHERE exchanges > 0 OR state <> 0");
    if (!rows.ok()) return rows.error();
    for (;;) {
      auto row = rows->step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      if (issue_id(names_of(*rows)) == issue->id) findings.emplace_back(rows->text(0));
    }
  }
  for (const std::string& finding : findings) {
    BANYAN_RETURN_IF_ERROR(impl_->decide(finding, state, by, reason, until_wall_ns));
  }
  BANYAN_RETURN_IF_ERROR(transaction->commit());
  return get_issue(issue->id);
}

}  // namespace banyan::comparator
