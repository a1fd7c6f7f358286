// SPDX-License-Identifier: Apache-2.0
//
// Two answers to one verdict: lift, align, tolerate. Pure; any thread. What time it is decides
// which rules have expired, and the
// target of the request what its answers hold.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/options.h"
#include "core/base/error.h"
#include "core/model/record.h"

namespace banyan::comparator {

// [[compare]] tables compiled once. Immutable.
class CompiledRules {
 public:
  // kInvalidArgument names the offending path and why.
  static Result<std::shared_ptr<const CompiledRules>> compile(const ComparatorOptions& options);
  ~CompiledRules();
  // A hash of their meaning; goes into VERDICT and CHECKPOINT.
  std::uint64_t version() const;
  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  CompiledRules();
  std::unique_ptr<Impl> impl_;
};

// One system's answer as the comparator sees it. status 0: no answer.
struct LiftedAnswer {
  int status = 0;
  http::HeaderList fields;
  http::HeaderList trailers;
  std::string_view body;  // as recorded (content coding not yet removed)
  bool has_body = false;  // `body` is all of it
  std::uint64_t body_length = 0;
  Digest128 body_digest;
  bool is_truncated = false;
};

struct Comparison {
  Verdict verdict = Verdict::kEqual;
  std::string reason;  // of incomparable
  std::vector<model::Difference> differences;
};

Comparison compare_answers(const CompiledRules& rules, std::string_view route,
                           std::string_view method, const LiftedAnswer& legacy,
                           const LiftedAnswer& candidate, std::int64_t now_wall_ns = 0,
                           std::string_view target = {});

class FieldCoverage;
// Notes which fields of two answers `rules` cover, whether they differ or not.
void cover_answers(const CompiledRules& rules, std::string_view route, std::string_view method,
                   const LiftedAnswer& legacy, const LiftedAnswer& candidate,
                   FieldCoverage& coverage, std::string_view target = {});

// True from that moment on; `expires_wall_ns` 0 never comes.
inline bool has_expired(std::int64_t expires_wall_ns, std::int64_t now_wall_ns) {
  return expires_wall_ns != 0 && now_wall_ns >= expires_wall_ns;
}

// Checks one rule path; for config errors.
Status check_rule_path(std::string_view path);

}  // namespace banyan::comparator
