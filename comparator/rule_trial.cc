// SPDX-License-Identifier: Apache-2.0
#include "comparator/rule_trial.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "comparator/field_coverage.h"
#include "comparator/field_path.h"
#include "comparator/findings_impl.h"
#include "comparator/history_pass.h"
#include "comparator/rule_guard.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr std::uint64_t kTrialProgressEvery = 1'000;
constexpr std::size_t kFindingsKept = 100'000;
constexpr std::size_t kPathsKept = 100'000;

// What makes two differences of one pair the same one.
using Mark = std::tuple<std::string, std::string, DifferenceKind, std::string>;

std::map<Mark, std::uint64_t> uncovered(const std::vector<model::Difference>& differences) {
  std::map<Mark, std::uint64_t> out;
  for (const model::Difference& one : differences) {
    if (one.rule.empty()) ++out[Mark{one.path, one.at, one.kind, one.transition}];
  }
  return out;
}

// True where `path` is `above` or below it.
bool is_at_or_below(std::string_view path, std::string_view above) {
  if (!path.starts_with(above)) return false;
  if (path.size() == above.size()) return true;
  const char next = path[above.size()];
  return next == '.' || next == '[' || next == '/';
}

class Trial {
 public:
  Trial(model::LogAccess& log, Clock& clock, const TrialOptions& options,
        const std::function<void(std::uint64_t)>& progress)
      : log_(log), clock_(clock), options_(options), progress_(progress) {}

  Result<TrialReport> run() {
    BANYAN_RETURN_IF_ERROR(compile());
    Judge judge(log_, *present_, options_.present.body_bytes_max);
    judge.lift_always();
    now_wall_ns_ = clock_.wall_ns();
    judge.set_time(now_wall_ns_);
    HistoryPass history(log_, judge, {options_.from, options_.from_wall_ns, options_.to_wall_ns});
    const std::int64_t end_mono_ns = clock_.mono_ns() + options_.patience_ns;
    if (options_.patience_ns > 0) {
      history.set_limit([this, end_mono_ns] { return clock_.mono_ns() >= end_mono_ns; });
    }
    BANYAN_RETURN_IF_ERROR(history.open());
    BANYAN_RETURN_IF_ERROR(history.run([&](const ExchangeCase& exchange,
                                           const WaitingShadow& shadow, Verdict) {
      take(exchange, judge.judge(exchange, exchange.response, shadow.encoded, shadow.place.stream),
           judge.answers());
      return Status();
    }));
    report_.is_complete = !history.was_cut();
    finish();
    return std::move(report_);
  }

 private:
  Status compile() {
    report_.rule = options_.rule;
    ComparatorOptions alone = options_.present;
    alone.rules = {options_.rule};
    auto rule = CompiledRules::compile(alone);
    if (!rule.ok()) return rule.status();
    rule_ = *std::move(rule);
    ComparatorOptions all = options_.present;
    all.rules.push_back(options_.rule);
    auto with = CompiledRules::compile(all);
    if (!with.ok()) return with.status();
    with_ = *std::move(with);
    auto present = CompiledRules::compile(options_.present);
    if (!present.ok()) return present.status();
    present_ = *std::move(present);
    return {};
  }

  bool is_of_rule(std::string_view route) const {
    const auto& globs = options_.rule.routes;
    return globs.empty() || std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
             return glob_match(glob, route);
           });
  }

  void take(const ExchangeCase& exchange, const Draft& draft, const Judge::Answers& answers) {
    ++report_.exchanges;
    if (progress_ && report_.exchanges % kTrialProgressEvery == 0) progress_(report_.exchanges);
    const std::int64_t at = exchange.started.wall_ns;
    if (report_.from_wall_ns == 0 || at < report_.from_wall_ns) report_.from_wall_ns = at;
    report_.to_wall_ns = std::max(report_.to_wall_ns, at);
    if (!is_of_rule(draft.route)) return;
    ++report_.in_routes;
    const Verdict before = draft.comparison.verdict;
    ++report_.before[static_cast<std::size_t>(before)];
    if (answers.legacy == nullptr) {
      ++report_.after[static_cast<std::size_t>(before)];
      return;
    }
    const Comparison with = compare_answers(*with_, draft.route, exchange.method, *answers.legacy,
                                            *answers.candidate, now_wall_ns_, exchange.target);
    ++report_.after[static_cast<std::size_t>(with.verdict)];
    if (with.verdict != before) note_changed(exchange, before, with.verdict);
    note_hidden(draft, with);
    for (const model::Difference& one : draft.comparison.differences) note_path(draft.route, one);
    coverage_.begin_pair(draft.route);
    if (answers.legacy->status != 0 && answers.candidate->status != 0) {
      cover_answers(*rule_, draft.route, exchange.method, *answers.legacy, *answers.candidate,
                    coverage_, exchange.target);
    }
    coverage_.end_pair();
  }

  void note_changed(const ExchangeCase& exchange, Verdict before, Verdict after) {
    if (report_.changed.size() < TrialReport::kExchangesMax) {
      report_.changed.push_back({exchange.exchange.to_string(), before, after});
    }
    ++report_.exchanges_changed;
  }

  void note_hidden(const Draft& draft, const Comparison& with) {
    const auto before = uncovered(draft.comparison.differences);
    auto after = uncovered(with.differences);
    std::uint64_t hidden_here = 0;
    for (const auto& [mark, count] : before) {
      const std::uint64_t left = std::min(count, after[mark]);
      const std::uint64_t hidden = count - left;
      hidden_here += hidden;
      note_finding(draft, mark, hidden, left);
    }
    for (const auto& [mark, count] : after) {
      const auto known = before.find(mark);
      const std::uint64_t had = known == before.end() ? 0 : known->second;
      if (count > had) report_.appeared += count - had;
    }
    report_.hidden += hidden_here;
    if (hidden_here > 0) ++report_.exchanges_hidden;
  }

  void note_finding(const Draft& draft, const Mark& mark, std::uint64_t hidden,
                    std::uint64_t left) {
    const auto& [path, at, kind, transition] = mark;
    std::string endpoint = is_field(path) ? std::string(kEveryEndpoint) : draft.endpoint;
    if (options_.endpoint_name && !is_field(path)) endpoint = options_.endpoint_name(endpoint);
    const std::string id = finding_id(draft.route, endpoint, path, to_string(kind), transition);
    auto found = findings_.find(id);
    if (found == findings_.end()) {
      if (findings_.size() >= kFindingsKept) return;
      TrialFinding one{id, draft.route, endpoint, path, std::string(to_string(kind)), transition};
      found = findings_.emplace(id, std::move(one)).first;
    }
    found->second.hidden += hidden;
    found->second.left += left;
    if (hidden > 0) hidden_kinds_.insert({kind, is_field(path)});
  }

  void note_path(const std::string& route, const model::Difference& one) {
    if (differed_.size() < kPathsKept) differed_.insert({route, one.path});
  }

  bool has_differed(const FieldCoverage::Field& field) const {
    // Whether one of its own or of what lies below it ...
    for (auto at = differed_.lower_bound({field.route, field.path});
         at != differed_.end() && at->first == field.route && at->second.starts_with(field.path);
         ++at) {
      if (is_at_or_below(at->second, field.path)) return true;
    }
    // ... or of something it lies in.
    for (std::size_t end = field.path.size(); end-- > 0;) {
      if (!is_at_or_below(field.path, std::string_view(field.path).substr(0, end))) continue;
      if (differed_.count({field.route, field.path.substr(0, end)}) > 0) return true;
    }
    return false;
  }

  void finish() {
    for (const auto& [id, finding] : findings_) {
      if (finding.hidden == 0) continue;
      ++report_.findings_hidden;
      report_.findings.push_back(finding);
    }
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const auto& a, const auto& b) { return a.hidden > b.hidden; });
    if (report_.findings.size() > TrialReport::kFindingsMax) {
      report_.findings.resize(TrialReport::kFindingsMax);
    }
    for (const FieldCoverage::Field& field : coverage_.fields()) {
      if (has_differed(field)) {
        ++report_.fields_differed;
      } else {
        ++report_.fields_never_differed;
        report_.never_differed.push_back({field.route, field.path, field.pairs, false});
      }
    }
    std::stable_sort(report_.never_differed.begin(), report_.never_differed.end(),
                     [](const auto& a, const auto& b) { return a.pairs > b.pairs; });
    if (report_.never_differed.size() > TrialReport::kFieldsMax) {
      report_.never_differed.resize(TrialReport::kFieldsMax);
    }
    report_.fields_overflow = coverage_.overflow();
    report_.bodies_unread = coverage_.unread_bodies();
    report_.refusals = refusals_of({report_, coverage_, hidden_kinds_});
  }

  model::LogAccess& log_;
  Clock& clock_;
  const TrialOptions& options_;
  const std::function<void(std::uint64_t)>& progress_;
  std::shared_ptr<const CompiledRules> present_, with_, rule_;
  std::int64_t now_wall_ns_ = 0;
  TrialReport report_;
  FieldCoverage coverage_;
  std::map<std::string, TrialFinding> findings_;
  std::set<std::pair<std::string, std::string>> differed_;  // route and path
  HiddenKinds hidden_kinds_;
};

}  // namespace

Result<TrialReport> try_rule(model::LogAccess& log, Clock& clock, const TrialOptions& options,
                             const std::function<void(std::uint64_t)>& progress) {
  return Trial(log, clock, options, progress).run();
}

}  // namespace banyan::comparator
