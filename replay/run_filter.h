// SPDX-License-Identifier: Apache-2.0
//
// The filter language of replays: words separated by spaces, all of which must hold.
//
//   route:GLOB  method:POST,PUT  path:GLOB (without the query; * is any run, also of /)
//   status:404 or status:5xx, several with commas (what the primary answered; none: no whole
//   answer) since:TIME  until:TIME (RFC 3339, or -15m)   kind:read or kind:write   id:EXCHANGE
//
// A word that begins with - must not hold. An empty filter takes everything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace banyan::replay {

struct FilterFacts {
  ExchangeId exchange;
  std::string_view route, method, target;
  std::int64_t started_wall_ns = 0;
  bool is_write = false;
};

class RunFilter {
 public:
  static constexpr std::size_t kTextBytesMax = 4096;
  static constexpr std::size_t kTermsMax = 64;

  // kInvalidArgument names the word that is wrong and what it may be.
  static Result<RunFilter> parse(std::string_view text, std::int64_t now_wall_ns);
  // What a REQUEST alone tells.
  bool takes_request(const FilterFacts& facts) const;
  // What the primary's answer adds; 0 for none.
  bool takes_status(std::uint16_t status) const;

 private:
  enum class Field { kRoute, kMethod, kPath, kStatus, kSince, kUntil, kKind, kId };
  struct Term {
    Field field = Field::kRoute;
    bool is_negated = false;
    std::vector<std::string> values;
    std::int64_t time_ns = 0;
    ExchangeId id;
  };
  static Result<Term> parse_term(std::string_view word, std::int64_t now_wall_ns);
  static bool holds(const Term& term, const FilterFacts& facts);

  std::vector<Term> terms_;
};

}  // namespace banyan::replay
