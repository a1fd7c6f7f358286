// SPDX-License-Identifier: Apache-2.0
//
// `log repair`: damage inside segments becomes GAP records, offline. Every valid record keeps its
// offset; the file that was damaged is kept aside, whole.
//
// A segment with damage is written anew as one segment per run of valid records. In front of a run
// that follows a hole stands one GAP of cause `damaged`, in the last offset of the hole; the
// offsets before it are a jump of the numbering, which is no loss by itself. New files are
// installed from the last to the first, and a segment ends where its successor says, so that a
// power cut at any moment leaves a log that reads as before or better. What was encrypted is again,
// under a fresh data key; the chain of an audit ends where a segment was mended, and begins anew
// behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/ids.h"
#include "recorder/log_keys.h"

namespace banyan::recorder {

struct RepairReport {
  // Bytes of a file that are no valid batch.
  struct Range {
    std::string file;
    std::uint64_t position = 0, end = 0;
  };
  // Offsets whose records are gone; a GAP says so from now on.
  struct Hole {
    std::string stream;
    Offset first, end;
  };
  struct Replaced {
    std::string file;
    std::string kept_as;  // where the damaged one is kept; "" on a dry run
    std::uint64_t records = 0;
  };
  std::vector<Range> ranges;
  std::vector<Hole> holes;
  std::vector<Replaced> replaced;
  std::vector<std::string> left;  // what it does not mend, and what to do
  std::uint64_t records_lost = 0;

  bool has_found() const { return !holes.empty() || !ranges.empty() || !replaced.empty(); }
};

// kAlreadyExists while a server holds a stream; kPermissionDenied where an encrypted segment is to
// be mended and its key is missing. With `is_dry_run` nothing is changed. One thread.
Result<RepairReport> repair_log(FileSystem& files, const std::string& directory,
                                std::shared_ptr<const LogKeys> keys, bool is_dry_run);

}  // namespace banyan::recorder
