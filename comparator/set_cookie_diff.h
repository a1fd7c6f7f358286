// SPDX-License-Identifier: Apache-2.0
//
// Set-Cookie lines are never joined: they are matched by the cookie's name, and attribute by
// attribute (RFC 6265 section 4.1). For the comparator's own sources.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/model/types.h"

namespace banyan::comparator {

struct CookieDifference {
  DifferenceKind kind = DifferenceKind::kValue;
  std::string at;  // "[session]" or "[session].path"
  std::string legacy;
  std::string candidate;
};

// Values are as recorded (keyed tokens). Of Expires only the presence counts: it is a clock's
// reading.
std::vector<CookieDifference> compare_set_cookies(const std::vector<std::string_view>& legacy,
                                                  const std::vector<std::string_view>& candidate);

}  // namespace banyan::comparator
