// SPDX-License-Identifier: Apache-2.0
//
// In which order to look at findings: which few of them, once decided, explain most of the
// exchanges that differ. Pure; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace banyan::comparator {

// The findings that one exchange shows (ids, each once), and how many exchanges show just these.
struct Incident {
  std::vector<std::string> findings;
  std::uint64_t exchanges = 0;
  std::uint64_t exchanges_min = 0;  // of these for certain: the table of incidents is bounded
};

struct Explanation {
  struct Step {
    std::string finding;
    std::uint64_t explained = 0;  // exchanges, once this one and those before are decided
  };
  std::uint64_t exchanges = 0;  // that show a finding not decided yet
  std::vector<Step> steps;
  std::uint64_t explained() const { return steps.empty() ? 0 : steps.back().explained; }
};

// What is left to the reader ends here.
inline constexpr std::size_t kExplainStepsMax = 20;
inline constexpr double kExplainShare = 0.99;

// An exchange is explained once all its findings are decided. That makes single findings poor
// steps, so whole incidents are added: the one with most exchanges for each finding it still needs
// first.
Explanation explain(const std::vector<Incident>& incidents,
                    const std::function<bool(std::string_view finding)>& is_decided);

}  // namespace banyan::comparator
