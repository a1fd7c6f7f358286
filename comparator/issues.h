// SPDX-License-Identifier: Apache-2.0
//
// Issues: findings that look like one cause, whatever route and endpoint they were met at, so that
// a person decides once: "price: ×100" at 40 endpoints. Made of what a finding's names say, hence
// the same for ever. Pure; any thread. docs/decisions/0032-issues.md says what is joined and why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/noise.h"

namespace banyan::comparator {

// What a finding goes by.
struct FindingNames {
  std::string_view id, route, endpoint, path, kind, transition;
};

// "i" and 12 hex digits. Of a finding that is not to be joined with others: "i" and its own id.
std::string issue_id(const FindingNames& finding);
// "price: ×100", "header X-Total: missing", "status: 200→201".
std::string issue_label(const FindingNames& finding);

inline constexpr char kIssueMark = 'i';
// No finding's id begins so.
inline bool is_issue_id(std::string_view id) { return !id.empty() && id.front() == kIssueMark; }

// Of an issue no more are listed, all are counted.
inline constexpr std::size_t kIssueNamesMax = 100;
inline constexpr std::size_t kIssueFindingsMax = 1'000;

struct Issue {
  std::string id, label, kind, transition;
  std::vector<std::string> routes, endpoints, paths;  // sorted, at most kIssueNamesMax of each
  std::size_t route_count = 0, endpoint_count = 0, path_count = 0;
  std::vector<std::string> findings;  // ids, most exchanges first, at most kIssueFindingsMax
  std::size_t finding_count = 0;
  Standing standing =
      Standing::kSuspect;  // the strongest of those that wait for a fix or a decision
  std::size_t open = 0, accepted = 0, bug = 0;  // of these; what rules cover is none of them
  std::uint64_t count = 0;                      // differences
  std::uint64_t exchanges = 0;                  // distinct ones
  std::int64_t first_seen_wall_ns = 0, last_seen_wall_ns = 0;
};

}  // namespace banyan::comparator
