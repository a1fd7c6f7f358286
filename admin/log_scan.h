// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/model/record_io.h"

namespace banyan::admin {

enum class ScanEnd { kStopped, kWholeLog, kOutOfTime };

class Patience {
 public:
  explicit Patience(std::int64_t nanoseconds)
      : deadline_(std::chrono::steady_clock::now() + std::chrono::nanoseconds(nanoseconds)) {}
  bool is_over() const { return std::chrono::steady_clock::now() >= deadline_; }

 private:
  std::chrono::steady_clock::time_point deadline_;
};

// Reads [from, to) forwards; `to` empty: up to what is written now. `on_record` answers false to
// stop.
Result<ScanEnd> scan_forwards(model::LogAccess& log, const model::Cursor& from,
                              const model::Cursor& to, const Patience& patience,
                              const std::function<bool(const model::SourcedRecord&)>& on_record);

// Reads windows of growing age, the newest first; inside a window records come in log order.
// `on_window_end` answers false to stop.
Result<ScanEnd> scan_backwards(model::LogAccess& log, const Clock& clock, const Patience& patience,
                               const std::function<void(const model::SourcedRecord&)>& on_record,
                               const std::function<bool()>& on_window_end);

}  // namespace banyan::admin
