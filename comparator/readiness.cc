// SPDX-License-Identifier: Apache-2.0
#include "comparator/readiness.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>

#include "comparator/findings.h"

namespace banyan::comparator {
namespace {

using stats::BoundEvidence;
using stats::Trials;

constexpr std::string_view kUnknownEndpoint = "*";  // of a finding about a header

bool blocks(const Finding& finding) {
  return finding.state != FindingState::kAccepted && finding.tolerated_by.empty() &&
         finding.exchanges > 0 && !counts_as_noise(finding);
}

bool is_about(const Finding& finding, const std::string& endpoint) {
  if (finding.endpoint != kUnknownEndpoint) return finding.endpoint == endpoint;
  return std::find(finding.endpoints.begin(), finding.endpoints.end(), endpoint) !=
         finding.endpoints.end();
}

// The counts of one endpoint or of several.
struct Sum {
  ReadinessState state;
  std::int64_t first_wall_ns = 0, last_wall_ns = 0;
  std::uint32_t hours = 0;
  std::set<int> status_classes;
  std::set<std::uint32_t> shapes;

  void add(const EndpointCounts& counts) {
    if (counts.first_wall_ns > 0 && (first_wall_ns == 0 || counts.first_wall_ns < first_wall_ns)) {
      first_wall_ns = counts.first_wall_ns;
    }
    last_wall_ns = std::max(last_wall_ns, counts.last_wall_ns);
    hours |= counts.hours;
    for (const ReadinessCell& cell : counts.cells) {
      state.equal += cell.equal;
      state.tolerated += cell.tolerated;
      state.different += cell.different;
      state.accepted += cell.accepted;
      state.incomparable += cell.incomparable;
      status_classes.insert(cell.status_class);
      shapes.insert(cell.shape);
    }
  }
};

std::string pairs_text(std::uint64_t pairs) {
  std::string digits = std::to_string(pairs);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits + (pairs == 1 ? " more pair" : " more pairs");
}

std::string missing_text(const ReadinessState& state, std::size_t uncovered) {
  std::string out;
  const auto add = [&out](const std::string& part) { out += (out.empty() ? "" : " and ") + part; };
  if (state.pairs_needed >= BoundEvidence::kTrialsMax) {
    add("more pairs than anybody will see");
  } else if (state.pairs_needed > 0) {
    add("about " + pairs_text(state.pairs_needed) +
        (state.time_needed_ns < 0 ? std::string()
                                  : " (about " + about(state.time_needed_ns) + " at this rate)"));
  }
  if (state.time_missing_ns > 0) add(about(state.time_missing_ns) + " more of traffic");
  if (uncovered > 0) {
    add("pairs for " + std::to_string(uncovered) + (uncovered == 1 ? " cell" : " cells"));
  }
  return out.empty() ? out : "needs " + out;
}

std::string different_text(const ReadinessState& state) {
  if (!state.findings.empty()) {
    const std::size_t count = state.findings.size();
    return std::to_string(count) + (count == 1 ? " finding" : " findings") +
           " neither accepted nor covered by a rule, the first " + state.findings.front();
  }
  return std::to_string(state.mismatches) + " of " + std::to_string(state.pairs) +
         " pairs differ, more than the rate allows";
}

bool exceeds(const ReadinessState& state) {
  return state.mismatches > 0 && static_cast<double>(state.mismatches) >
                                     state.mismatch_rate_max * static_cast<double>(state.pairs);
}

// `uncovered`: cells that keep it from being ready.
ReadinessState judge(Sum sum, const ReadinessOptions& options, double rate_max,
                     std::vector<std::string> findings, std::size_t uncovered) {
  ReadinessState& state = sum.state;
  state.pairs = state.equal + state.tolerated + state.different;
  state.mismatches = state.different - std::min(state.accepted, state.different);
  state.mismatch_rate_max = rate_max;
  state.findings = std::move(findings);
  state.status_classes.assign(sum.status_classes.begin(), sum.status_classes.end());
  state.shapes = sum.shapes.size();
  state.hours_covered = static_cast<unsigned>(std::popcount(sum.hours));
  state.time_covered_ns = sum.last_wall_ns - sum.first_wall_ns;
  state.time_missing_ns = std::max<std::int64_t>(0, options.time_min_ns - state.time_covered_ns);
  const BoundEvidence bound(rate_max);
  const Trials trials{state.pairs, state.mismatches};
  state.log_evidence = bound.log_evidence(trials);
  state.pairs_needed = bound.clean_trials_needed(trials);
  state.mismatch_rate_bound = stats::rate_upper_bound(trials);
  if (state.pairs > 1 && state.time_covered_ns > 0) {
    const double needed = static_cast<double>(state.time_covered_ns) *
                          static_cast<double>(state.pairs_needed) /
                          static_cast<double>(state.pairs - 1);
    if (needed < 9e18) state.time_needed_ns = static_cast<std::int64_t>(needed);
  }
  state.missing = missing_text(state, uncovered);
  if (state.pairs == 0) {
    state.readiness = Readiness::kNoData;
  } else if (!state.findings.empty() || exceeds(state)) {
    state.readiness = Readiness::kDifferent;
    state.missing = different_text(state);
  } else if (state.missing.empty()) {
    state.readiness = Readiness::kReady;
  } else if (state.tolerated + state.accepted > 0) {
    state.readiness = Readiness::kNoiseOnly;
  } else {
    state.readiness = Readiness::kCollecting;
  }
  return state;
}

std::vector<UncoveredCell> uncovered_cells(const EndpointCounts& counts, std::uint64_t pairs_min) {
  std::vector<UncoveredCell> out;
  for (const ReadinessCell& cell : counts.cells) {
    if (cell.pairs() >= pairs_min) continue;
    out.push_back({cell.status_class, cell.shape, cell.pairs(), cell.exemplar});
  }
  return out;
}

RouteReadiness assess_route(const ReadinessOptions& options, const std::string& route,
                            const std::vector<const EndpointCounts*>& counts,
                            const std::vector<const Finding*>& findings) {
  RouteReadiness out;
  out.route = route;
  out.set_aside = std::string(options.set_aside(route));
  const double rate_max = options.rate_max_of(route);
  Sum all;
  std::size_t uncovered = 0;
  for (const EndpointCounts* one : counts) {
    EndpointReadiness endpoint;
    endpoint.endpoint = one->endpoint;
    endpoint.uncovered = uncovered_cells(*one, options.cell_pairs_min);
    std::vector<std::string> ids;
    for (const Finding* finding : findings) {
      if (is_about(*finding, one->endpoint)) ids.push_back(finding->id);
    }
    const std::size_t blocking = options.needs_every_cell ? endpoint.uncovered.size() : 0;
    uncovered += blocking;
    Sum sum;
    sum.add(*one);
    all.add(*one);
    endpoint.state = judge(std::move(sum), options, rate_max, std::move(ids), blocking);
    out.endpoints.push_back(std::move(endpoint));
  }
  std::vector<std::string> ids;
  for (const Finding* finding : findings) ids.push_back(finding->id);
  out.state = judge(std::move(all), options, rate_max, std::move(ids), uncovered);
  return out;
}

}  // namespace

double ReadinessOptions::rate_max_of(std::string_view route) const {
  for (const RouteReadinessOptions& one : routes) {
    if (one.route == route && one.mismatch_rate_max > 0) return one.mismatch_rate_max;
  }
  return mismatch_rate_max;
}

std::string_view ReadinessOptions::set_aside(std::string_view route) const {
  for (const RouteReadinessOptions& one : routes) {
    if (one.route == route) return one.set_aside;
  }
  return {};
}

std::string_view to_string(Readiness readiness) {
  switch (readiness) {
    case Readiness::kNoData: return "no data";
    case Readiness::kCollecting: return "collecting";
    case Readiness::kDifferent: return "different";
    case Readiness::kNoiseOnly: return "noise only";
    case Readiness::kReady: return "ready";
  }
  return "no data";
}

std::string about(std::int64_t duration_ns) {
  const auto rounded_up = [&](std::int64_t unit_s) {
    const std::int64_t unit_ns = unit_s * 1'000'000'000;
    return std::to_string(duration_ns / unit_ns + (duration_ns % unit_ns > 0 ? 1 : 0));
  };
  const std::int64_t seconds = duration_ns / 1'000'000'000;
  if (seconds < 90) return rounded_up(1) + " s";
  if (seconds < 90 * 60) return rounded_up(60) + " min";
  if (seconds < 48 * 3600) return rounded_up(3600) + " h";
  return rounded_up(86'400) + " days";
}

std::vector<RouteReadiness> assess_readiness(const ReadinessOptions& options,
                                             const std::vector<std::string>& routes,
                                             const std::vector<EndpointCounts>& counts,
                                             const std::vector<Finding>& findings) {
  std::map<std::string, std::vector<const EndpointCounts*>> counts_of;
  std::map<std::string, std::vector<const Finding*>> findings_of;
  for (const EndpointCounts& one : counts) counts_of[one.route].push_back(&one);
  for (const Finding& finding : findings) {
    if (blocks(finding)) findings_of[finding.route].push_back(&finding);
  }
  std::vector<std::string> names = routes;
  for (const auto& [route, all] : counts_of) {
    if (std::find(routes.begin(), routes.end(), route) == routes.end()) names.push_back(route);
  }
  std::vector<RouteReadiness> out;
  out.reserve(names.size());
  for (const std::string& route : names) {
    out.push_back(assess_route(options, route, counts_of[route], findings_of[route]));
  }
  return out;
}

}  // namespace banyan::comparator
