// SPDX-License-Identifier: Apache-2.0
//
// How an exchange ended at its primary, and what that means for the copy of a write. Pure.
#pragma once

#include <cstdint>

#include "core/model/record.h"

namespace banyan::replay {

struct PrimaryEnd {
  bool is_known = false;
  std::int64_t ended_mono_ns = 0;
  std::uint16_t status = 0;  // 0: no whole answer
  // Why a write of this end is not copied; kNone: it is.
  SkipReason skip = SkipReason::kNone;
  // The primary may or may not have done the write: for a person to decide, never sent by itself.
  bool is_undecided() const {
    return is_known && (skip == SkipReason::kPrimaryFailed || skip == SkipReason::kPrimaryUnknown);
  }
};

PrimaryEnd primary_end_of(const model::ResponseRecord& response);
PrimaryEnd primary_end_of(const model::OutcomeRecord& outcome);

}  // namespace banyan::replay
