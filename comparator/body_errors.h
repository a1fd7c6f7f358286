// SPDX-License-Identifier: Apache-2.0
//
// Why a body cannot be read as what it is declared to be. For the comparator's own sources.
#pragma once

#include <string>
#include <utility>

#include "core/base/error.h"

namespace banyan::comparator {

inline Error malformed_body(std::string what) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal, std::move(what));
}

// Past a bound: not compared, but nothing is said against it.
inline Error too_large_body(std::string what) {
  return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal, std::move(what));
}

}  // namespace banyan::comparator
