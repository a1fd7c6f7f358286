// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace banyan::comparator {

class MessageTypes;

struct ToleranceOptions {
  std::string path;
  double absolute = 0;
  double relative = 0;
};

struct UnorderedOptions {
  std::string path;  // body:$.items
  std::string by;    // "sku" or "sku, size"; "" compares as a multiset
};

// What a field may differ in, by the key of [[compare]] that asks for it.
struct OperationOptions {
  std::string name;  // "shape"
  std::string path;
  std::int64_t skew_ns = 0;  // time
  double factor = 0;         // unit: the candidate's number is legacy's times it
  std::string as = {};       // parse_as: json or base64json
  // enum_map: legacy's value and the candidate's; url: hosts, rename: names of members likewise.
  std::vector<std::pair<std::string, std::string>> map = {};
};
// Those that take a path alone, and those that take more.
inline constexpr const char* kPathOperations[] = {"ignore_all", "type",   "presence",
                                                  "shape",      "coerce", "null_eq_absent"};
inline constexpr const char* kTableOperations[] = {"time",     "unit", "parse_as",
                                                   "enum_map", "url",  "rename"};

// One [[compare]] table. Paths: status, header:Name, body, body:$.a.b[].c, body:$..name, body:**.
struct CompareRuleOptions {
  std::vector<std::string> routes;  // name globs; empty = all
  std::vector<std::string> ignore;
  std::vector<UnorderedOptions> unordered;
  std::vector<ToleranceOptions> tolerance;
  std::vector<OperationOptions> operations = {};
  std::string id = {};  // of a saved rule, "" of one in the config
  std::string reason = {}, owner = {};
  std::int64_t expires_wall_ns = 0;  // from then on it covers nothing; 0: never
};

struct ComparatorOptions {
  std::vector<CompareRuleOptions> rules;
  std::uint64_t body_bytes_max = 16ULL << 20;  // larger bodies: digest only
  std::size_t differences_max = 1000;  // of one verdict; past it the rest are counted as one
  std::size_t shown_bytes_max = 256;   // of a value in a difference
  std::shared_ptr<const MessageTypes> messages = {};  // of Protocol Buffers; null: none is known
};

}  // namespace banyan::comparator
