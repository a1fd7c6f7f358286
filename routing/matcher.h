// SPDX-License-Identifier: Apache-2.0
//
// One route's [[routes]] match table, compiled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/http/message.h"
#include "routing/options.h"
#include "routing/path_pattern.h"

namespace banyan::routing {

// What is computed once per request and shared by all matchers.
struct MatchInput {
  std::string_view method;
  std::uint32_t method_bit = 0;  // method_bit_of(method)
  std::string_view host;         // without port and trailing dot; any case
  std::string_view query;        // behind "?"
  const NormalPath* path = nullptr;
  const http::HeaderList* fields = nullptr;
};

// One bit per registered method; 0 for others, which are then compared by name.
std::uint32_t method_bit_of(std::string_view method);
// "Shop.example:8080" → "Shop.example", "[::1]:80" → "[::1]".
std::string_view host_without_port(std::string_view authority);
// Value of a query parameter, decoded ("+" is a space); nullopt where absent. The first one counts.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

enum class Mismatch : std::uint8_t { kNone, kMethod, kHost, kPath, kHeader, kQuery };

// Immutable; any thread.
class Matcher {
 public:
  static Result<Matcher> compile(const MatchOptions& options);
  Mismatch check(const MatchInput& input) const;
  // The first condition that failed, for people.
  std::string explain(Mismatch mismatch) const;
  bool matches_everything() const;

 private:
  bool host_matches(std::string_view host) const;
  MatchOptions options_;
  PathPattern path_;
  std::uint32_t method_bits_ = 0;
  std::vector<std::string> other_methods_;
  bool is_any_method_ = true;
  std::string host_;  // lower case, "*." removed
  bool is_host_suffix_ = false;
};

}  // namespace banyan::routing
