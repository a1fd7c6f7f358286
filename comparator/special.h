// SPDX-License-Identifier: Apache-2.0
//
// What is special about the requests whose answers differ: properties they have more often than
// others of the same endpoint, by more than chance gives. Names of fields and parameters, and
// values only of parameters that have few; never what redaction replaced. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/model/record.h"

namespace banyan::comparator {

struct RequestFacts {
  std::vector<std::string> names;  // "?currency=", "header Accept-Language": may also be missed
  std::vector<std::string> marks;  // "POST", "content type text/plain", "hour 14 UTC" …
  std::vector<std::pair<std::string, std::string>> values;  // of parameters: "?currency=", "EUR"
};

// Of one request: at most so many names, values or marks of each kind.
inline constexpr std::size_t kFactsMax = 64;
// `status`: class of the legacy answer, 0 for unknown.
RequestFacts facts_of(const model::RequestRecord& request, int status_class);

struct Special {
  std::string what;          // "?currency=EUR", "no header Accept-Language"
  double differing = 0;      // share of the requests that differ
  double all = 0;            // share of all
  double odds_at_least = 0;  // how much more likely it is among them, with confidence
};

// Fewer than so many on either side tell nothing.
inline constexpr std::size_t kSpecialRequestsMin = 5;
inline constexpr std::size_t kSpecialMax = 5;     // told
inline constexpr std::size_t kValuesToldMax = 8;  // a parameter with more has too many to tell
inline constexpr double kOddsMin = 1.5;
// Standard errors below the estimate: so wide because a hundred properties are tried at once.
inline constexpr double kSpecialErrors = 3.0;

// Most telling first. `others`: of the same endpoint, equal or with other findings;
// `share_of_others` is how much of all requests they stand for.
std::vector<Special> special_of(const std::vector<RequestFacts>& differing,
                                const std::vector<RequestFacts>& others, double share_of_others);

}  // namespace banyan::comparator
