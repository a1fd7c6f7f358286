// SPDX-License-Identifier: Apache-2.0
//
// Erases a subject's data (docs/decisions/0025-erasure.md): its keys are doomed, what findings show
// of it goes, the keys are destroyed. In this order, so that an erasure that a crash cut short is
// found by its doomed keys and done again from the start. One caller at a time.
#pragma once

#include <string>
#include <vector>

#include "admin/erasure_service.h"
#include "comparator/findings.h"
#include "core/crypto/subject_keys.h"
#include "core/model/record_io.h"

namespace banyan::app {

class Erasure final : public admin::ErasureService {
 public:
  // `log` is the one beneath, that opens nothing. `findings` null: there are none.
  // `has_sessions`: subjects are sessions.
  Erasure(model::LogAccess& log, crypto::SubjectKeys& keys, comparator::FindingsStore* findings,
          bool has_sessions)
      : log_(log), keys_(keys), findings_(findings), has_sessions_(has_sessions) {}

  Result<admin::ErasureReport> erase(const admin::ErasureRequest& request) override;
  // What a crash cut short. Before anything else uses the findings.
  Result<admin::ErasureReport> finish();

 private:
  // What the log holds of these keys.
  struct Traces {
    std::vector<ExchangeId> exchanges;
    std::vector<std::string> endpoints;  // that nobody else's VERDICT names
  };
  Result<Traces> look(const std::vector<std::string>& ids);

  model::LogAccess& log_;
  crypto::SubjectKeys& keys_;
  comparator::FindingsStore* const findings_;
  const bool has_sessions_;
};

}  // namespace banyan::app
