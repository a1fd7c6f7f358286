// SPDX-License-Identifier: Apache-2.0
//
// In which order to look at issues: which few of them, once decided, explain most of the exchanges
// that differ. Pure; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace banyan::comparator {

// The issues that one exchange shows (ids, each once), and how many exchanges show just these.
struct Incident {
  std::vector<std::string> issues;
  std::uint64_t exchanges = 0;
  std::uint64_t exchanges_min = 0;  // of these for certain: the table of incidents is bounded
};

struct Explanation {
  struct Step {
    std::string issue;
    std::uint64_t explained = 0;  // exchanges, once this one and those before are decided
    std::string finding = {};     // of it, the one that most exchanges show
    std::size_t findings = 0;     // how many it joins; 0: unknown
    // What a person types to decide it.
    const std::string& decided_by() const { return findings == 1 ? finding : issue; }
  };
  std::uint64_t exchanges = 0;  // that show an issue not decided yet
  std::vector<Step> steps;
  std::uint64_t explained() const { return steps.empty() ? 0 : steps.back().explained; }
};

// What is left to the reader ends here.
inline constexpr std::size_t kExplainStepsMax = 20;
inline constexpr double kExplainShare = 0.99;

// An exchange is explained once all its issues are decided. That makes single issues poor steps, so
// whole incidents are added: the one with most exchanges for each finding it still needs first.
Explanation explain(const std::vector<Incident>& incidents,
                    const std::function<bool(std::string_view issue)>& is_decided);

}  // namespace banyan::comparator
