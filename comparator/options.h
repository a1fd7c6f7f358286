// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace banyan::comparator {

struct ToleranceOptions {
  std::string path;
  double absolute = 0;
  double relative = 0;
};

struct UnorderedOptions {
  std::string path;  // body:$.items
  std::string by;    // sku; "" compares as a multiset
};

// One [[compare]] table. Paths: status, header:Name, body, body:$.a.b[].c, body:$..name, body:**.
struct CompareRuleOptions {
  std::vector<std::string> routes;  // name globs; empty = all
  std::vector<std::string> ignore;
  std::vector<UnorderedOptions> unordered;
  std::vector<ToleranceOptions> tolerance;
  std::string id = {};  // of a saved rule, "" of one in the config
  std::string reason = {}, owner = {};
  std::int64_t expires_wall_ns = 0;  // from then on it covers nothing; 0: never
};

struct ComparatorOptions {
  std::vector<CompareRuleOptions> rules;
  std::uint64_t body_bytes_max = 16ULL << 20;  // larger bodies: digest only
  std::size_t differences_max = 1000;  // of one verdict; past it the rest are counted as one
  std::size_t shown_bytes_max = 256;   // of a value in a difference
};

}  // namespace banyan::comparator
