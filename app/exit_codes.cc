// SPDX-License-Identifier: Apache-2.0
#include "app/exit_codes.h"

namespace banyan::app {

int exit_code_of(const Error& error) {
  if (error.code == ErrorCode::kCancelled) return kInterrupted;
  if (error.origin == ErrorOrigin::kConfig) return kConfigInvalid;
  if (error.origin == ErrorOrigin::kDisk) return kDataDamaged;
  if (error.code == ErrorCode::kDamaged || error.code == ErrorCode::kExhausted) return kDataDamaged;
  if (error.code == ErrorCode::kInvalidArgument) return kUsage;
  return kNotReachable;
}

}  // namespace banyan::app
