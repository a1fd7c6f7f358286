// SPDX-License-Identifier: Apache-2.0
//
// Replay and reconcile runs over recorded history, with the mirror's own sender. At most one at a
// time. A run's answers are SHADOW records with its id; the comparator writes VERDICTs for them,
// and the run reads those back (it never compares by itself).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"
#include "replay/mirror.h"

namespace banyan::replay {

enum class RunKind { kReplay, kReconcile };
enum class RunOnly { kAll, kMissed, kFailed, kDifferent };
enum class RunState { kRunning, kDone, kCancelled, kFailed, kInterrupted };

struct RunSpec {
  RunKind kind = RunKind::kReplay;
  System to = System::kCandidate;
  model::Cursor from;  // empty: the log's begin
  std::int64_t from_wall_ns = 0, to_wall_ns = INT64_MAX;
  std::string filter;  // "route:orders method:POST path:/api/* status:5xx"; see run_filter.h
  std::string route;   // of reconcile; "" = all
  RunOnly only = RunOnly::kAll;
  double speed = 1.0;  // 0 = max
  std::size_t concurrency = 16;
  bool is_dry_run = false;
};

struct RunStatus {
  std::uint64_t id = 0;
  RunSpec spec;
  RunState state = RunState::kRunning;
  std::uint64_t considered = 0, selected = 0, sent = 0, answered = 0, no_answer = 0;
  std::uint64_t skipped = 0, equal = 0, tolerated = 0, different = 0, incomparable = 0;
  std::uint64_t total_estimate = 0;
  // Reconcile: what remains and why (bounded list; `remaining` counts all).
  std::uint64_t remaining = 0;
  struct Remaining {
    std::string exchange, route, method, target, why;
  };
  std::vector<Remaining> remaining_list;
  std::int64_t started_wall_ns = 0, ended_wall_ns = 0;
  std::string message;
};

// Runs live in data_dir/state/runs/<id>: spec and progress, so that a run can be resumed.
class Runs {
 public:
  static Result<std::unique_ptr<Runs>> open(FileSystem& files, Clock& clock, model::LogAccess& log,
                                            std::unique_ptr<model::RecordSink> sink,
                                            const model::Redactor& redactor, SystemsOptions systems,
                                            const std::string& directory);
  ~Runs();  // interrupts a running run, progress saved
  // Lets reconcile see which routes mirror writes now; null: only what was selected. `policy`
  // outlives the runs. Before the first start().
  void set_policy(const MirrorPolicy* policy);
  // For runs that start from now on; one that goes keeps its own. Any thread.
  void set_systems(SystemsOptions systems);
  // Any thread but the sender's; blocks on the disk. kAlreadyExists while another run goes.
  Result<RunStatus> start(const RunSpec& spec);
  Result<RunStatus> resume(std::uint64_t id);
  Result<RunStatus> cancel(std::uint64_t id);
  Result<RunStatus> get(std::uint64_t id) const;
  std::vector<RunStatus> list() const;

 private:
  Runs();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::replay
