// SPDX-License-Identifier: Apache-2.0
//
// Keeps the access log: workers format lines into bounded lanes, one thread writes them. A disk
// that is slow or full costs lines, which are counted, and never holds up a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "access_log/access_file.h"
#include "access_log/options.h"
#include "core/base/error.h"
#include "core/obs/metrics.h"
#include "proxy/access_entry.h"

namespace banyan::access_log {

// Any thread, but for lanes (see AccessLane).
class AccessLog final : public proxy::AccessSink {
 public:
  // Opens the file and starts the thread. Without a path nothing is kept until apply() says else.
  // `metrics` must outlive it.
  static Result<std::unique_ptr<AccessLog>> open(const AccessLogOptions& options,
                                                 obs::Metrics& metrics);
  ~AccessLog() override;  // stop()s

  std::unique_ptr<proxy::AccessLane> open_lane() override;

  // A change in two steps: what can fail, and what cannot. What ended before goes to the old file
  // in the old format, what ends after it to the new one.
  struct Change {
    AccessLogOptions options;
    AccessFile file;
  };
  static Result<Change> prepare(const AccessLogOptions& options);
  void apply(Change change);

  // Closes the file and opens its path again, for who moved it away (logrotate). Returns at once.
  // Where the path cannot be opened, the old file goes on.
  void reopen();
  // Blocks until what was written before is with the kernel, or lost.
  void flush();
  // Flushes and ends; lanes drop from here on.
  void stop();

  std::string failure() const;  // why lines are being lost, "" where all is well
  std::uint64_t lines_lost() const;

 private:
  AccessLog();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::access_log
