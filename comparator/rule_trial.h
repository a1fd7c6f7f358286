// SPDX-License-Identifier: Apache-2.0
//
// A rule is tried before it is saved: recorded answers are compared with the present rules and with
// this one added, in one pass, and nothing is written. The report says what it would hide, and
// which fields that never differed it covers as well; what is too broad is refused, with the
// reason.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/compare.h"
#include "comparator/options.h"
#include "core/base/clock.h"
#include "core/json/json_writer.h"
#include "core/model/record_io.h"

namespace banyan::comparator {

struct TrialOptions {
  ComparatorOptions present;  // in force now
  CompareRuleOptions rule;    // to be added
  model::Cursor from;
  std::int64_t from_wall_ns = 0, to_wall_ns = INT64_MAX;
  std::int64_t patience_ns = 0;  // then it ends with what it has; 0: it reads to the end
  // What findings call an endpoint of a VERDICT; none: by its own name.
  std::function<std::string(std::string_view)> endpoint_name;
};

// Differences of one finding that the rule would hide.
struct TrialFinding {
  std::string id, route, endpoint, path, kind, transition;
  std::uint64_t hidden = 0;
  std::uint64_t left = 0;  // that stay in sight; 0: the finding would vanish whole
};
// A field that the rule covers.
struct TrialField {
  std::string route, path;
  std::uint64_t pairs = 0;  // that have it
  bool has_differed = false;
};
struct TrialExchange {
  std::string id;
  Verdict before = Verdict::kDifferent, after = Verdict::kTolerated;
};
struct TrialRefusal {
  std::string code;  // whole_body, structure, never_differing, kind, order, no_field
  std::string message;
};

struct TrialReport {
  static constexpr std::size_t kFindingsMax = 1000;  // listed; the rest is only counted
  static constexpr std::size_t kFieldsMax = 50;      // listed of those that never differed
  static constexpr std::size_t kExchangesMax = 50;

  CompareRuleOptions rule;
  std::int64_t from_wall_ns = 0, to_wall_ns = 0;   // of the exchanges that were read; 0: none
  bool is_complete = true;                         // false: patience ended first
  std::uint64_t exchanges = 0;                     // read
  std::uint64_t in_routes = 0;                     // of them of a route that the rule names
  std::uint64_t hidden = 0, exchanges_hidden = 0;  // differences, and exchanges that showed them
  std::uint64_t appeared = 0;  // that only the rule brings in sight: other items are paired
  std::array<std::uint64_t, 4> before{}, after{};  // by Verdict, of `in_routes`
  std::vector<TrialFinding> findings;
  std::uint64_t findings_hidden = 0;  // all, also those not listed
  std::vector<TrialExchange> changed;
  std::uint64_t exchanges_changed = 0;  // to another verdict
  std::vector<TrialField> never_differed;
  std::uint64_t fields_differed = 0, fields_never_differed = 0, fields_overflow = 0;
  std::uint64_t bodies_unread = 0;
  std::vector<TrialRefusal> refusals;

  bool is_refused() const { return !refusals.empty(); }
  // {"schema": "banyan/rule-trial/1", …}
  void write(json::JsonWriter& json) const;
  std::string to_json() const;
};

// kInvalidArgument where the rule itself is wrong. `progress` is told how many exchanges were read.
Result<TrialReport> try_rule(model::LogAccess& log, Clock& clock, const TrialOptions& options,
                             const std::function<void(std::uint64_t)>& progress);

}  // namespace banyan::comparator
