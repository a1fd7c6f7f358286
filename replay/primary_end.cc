// SPDX-License-Identifier: Apache-2.0
#include "replay/primary_end.h"

namespace banyan::replay {
namespace {

SkipReason reason_of_status(std::uint16_t status) {
  if (status < 200) return SkipReason::kPrimaryUnknown;
  if (status < 400) return SkipReason::kNone;
  return status < 500 ? SkipReason::kPrimaryRefused : SkipReason::kPrimaryFailed;
}

SkipReason reason_of_outcome(const model::OutcomeRecord& outcome) {
  // After a crash nobody knows how much had been forwarded, whatever the record says.
  if (outcome.kind == OutcomeKind::kUnknown) return SkipReason::kPrimaryUnknown;
  if (outcome.forwarded == Forwarded::kWhole) return SkipReason::kPrimaryUnknown;
  return outcome.kind == OutcomeKind::kAborted ? SkipReason::kClientAborted
                                               : SkipReason::kNotForwarded;
}

}  // namespace

PrimaryEnd primary_end_of(const model::ResponseRecord& response) {
  PrimaryEnd end;
  end.is_known = true;
  end.ended_mono_ns = response.answer.ended.mono_ns;
  if (response.delivery == Delivery::kTruncated) {
    end.skip = SkipReason::kPrimaryUnknown;
    return end;
  }
  end.status = response.answer.status;
  end.skip = reason_of_status(end.status);
  return end;
}

PrimaryEnd primary_end_of(const model::OutcomeRecord& outcome) {
  PrimaryEnd end;
  end.is_known = true;
  end.ended_mono_ns = outcome.ended.mono_ns;
  end.skip = reason_of_outcome(outcome);
  return end;
}

}  // namespace banyan::replay
