// SPDX-License-Identifier: Apache-2.0
//
// What the process tells its caller (contract: "Exit codes").
#pragma once

#include "core/base/error.h"

namespace banyan::app {

enum ExitCode : int {
  kDone = 0,
  kNegativeResult = 1,  // differences found, gate failed, does not balance
  kUsage = 2,
  kConfigInvalid = 3,  // also: an address in use, a data directory another server holds
  kNotReachable = 4,   // server not reachable or not authorised
  kDataDamaged = 5,    // data damaged, of another version, not writable, or disk full
  kRefusedByGuard = 6,
  kInterrupted = 130,  // progress saved
};

// The code for an error met while opening or reading a data directory.
int exit_code_of(const Error& error);

}  // namespace banyan::app
