// SPDX-License-Identifier: Apache-2.0
//
// What the admin port asks of whoever can erase a subject's data (app).
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"

namespace banyan::admin {

struct ErasureRequest {
  // One of the two. A session is named by its keyed token, and only where sessions are the
  // subjects.
  std::string subject;
  std::string session;
  bool is_dry_run = false;
  std::string by;
};

struct ErasureReport {
  std::uint64_t keys = 0;       // destroyed, or that would be
  std::uint64_t exchanges = 0;  // in the log whose data they held
  std::uint64_t findings = 0;   // that showed some of it; 0 of a dry run
  bool is_dry_run = false;
  std::string to_json() const;  // {"schema": "banyan/erasure/1", …}
};

class ErasureService {
 public:
  virtual ~ErasureService() = default;
  // Reads the whole log. On the store thread, as it changes the findings.
  virtual Result<ErasureReport> erase(const ErasureRequest& request) = 0;
};

}  // namespace banyan::admin
