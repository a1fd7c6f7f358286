// SPDX-License-Identifier: Apache-2.0
#include "comparator/compare.h"

#include <utility>

#include "comparator/body_diff.h"
#include "comparator/difference_sink.h"
#include "comparator/field_coverage.h"
#include "comparator/header_diff.h"
#include "comparator/rules.h"

namespace banyan::comparator {
namespace {

Comparison incomparable(std::string reason) {
  Comparison out;
  out.verdict = Verdict::kIncomparable;
  out.reason = std::move(reason);
  return out;
}

std::string told_status(int status) { return status == 0 ? "" : std::to_string(status); }

model::Difference at_status(DifferenceKind kind, int legacy, int candidate) {
  model::Difference out;
  out.path = "status";
  out.at = "status";
  out.kind = kind;
  out.legacy = told_status(legacy);
  out.candidate = told_status(candidate);
  return out;
}

Comparison finished(DifferenceSink& sink, std::string reason) {
  Comparison out;
  const bool has_uncovered = sink.has_uncovered();
  if (reason.empty() && sink.has_other_key()) reason = "key_rotated";
  out.differences = sink.take();
  if (has_uncovered) {
    out.verdict = Verdict::kDifferent;
  } else if (!reason.empty()) {
    out.verdict = Verdict::kIncomparable;
    out.reason = std::move(reason);
  } else if (!out.differences.empty()) {
    out.verdict = Verdict::kTolerated;
  }
  return out;
}

}  // namespace

Comparison compare_answers(const CompiledRules& rules, std::string_view route,
                           std::string_view method, const LiftedAnswer& legacy,
                           const LiftedAnswer& candidate, std::int64_t now_wall_ns,
                           std::string_view target) {
  const bool has_legacy = legacy.status != 0;
  const bool has_candidate = candidate.status != 0;
  if (!has_legacy && !has_candidate) return incomparable("no_usable_answer");
  if ((has_legacy && legacy.is_truncated) || (has_candidate && candidate.is_truncated)) {
    return incomparable("truncated");
  }
  DifferenceSink sink(rules.impl().options);
  if (!has_legacy || !has_candidate) {
    sink.add(at_status(DifferenceKind::kNoAnswer, legacy.status, candidate.status));
    return finished(sink, {});
  }
  const bool has_body = method != "HEAD";
  const bool same_fields = have_same_fields(legacy.fields, candidate.fields);
  const bool same_trailers = have_same_fields(legacy.trailers, candidate.trailers);
  if (legacy.status == candidate.status && same_fields && same_trailers &&
      (!has_body || have_same_bytes(legacy, candidate))) {
    return {};
  }
  const RuleSet set(rules, route, now_wall_ns);
  if (legacy.status != candidate.status) {
    model::Difference status = at_status(DifferenceKind::kStatus, legacy.status, candidate.status);
    status.transition = status.legacy + "→" + status.candidate;
    status.rule = set.status();
    const bool is_covered = !status.rule.empty();
    sink.add(std::move(status));
    // An error page and a page have nothing to compare: all their differences have this one cause.
    if (legacy.status / 100 != candidate.status / 100 && !is_covered) return finished(sink, {});
  }
  if (!same_fields) {
    compare_fields(FieldPlace::kHeader, legacy.fields, candidate.fields, set, sink);
  }
  std::string reason;
  if (has_body) reason = compare_bodies(legacy, candidate, target, set, sink);
  if (!same_trailers) {
    compare_fields(FieldPlace::kTrailer, legacy.trailers, candidate.trailers, set, sink);
  }
  return finished(sink, std::move(reason));
}

void cover_answers(const CompiledRules& rules, std::string_view route, std::string_view method,
                   const LiftedAnswer& legacy, const LiftedAnswer& candidate,
                   FieldCoverage& coverage, std::string_view target) {
  const RuleSet set(rules, route);
  if (!set.status().empty()) coverage.add("status");
  cover_fields(FieldPlace::kHeader, legacy.fields, set, coverage);
  cover_fields(FieldPlace::kHeader, candidate.fields, set, coverage);
  cover_fields(FieldPlace::kTrailer, legacy.trailers, set, coverage);
  cover_fields(FieldPlace::kTrailer, candidate.trailers, set, coverage);
  const bool is_covering_body = !set.body().empty() || !set.whole_body().empty();
  if (method != "HEAD" && is_covering_body) cover_bodies(legacy, candidate, target, set, coverage);
}

}  // namespace banyan::comparator
