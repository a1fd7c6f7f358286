// SPDX-License-Identifier: Apache-2.0
//
// What a run will send: a fold over the log that joins each request with what became of it. Blocks
// on the log; the run's own thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/model/record_io.h"
#include "replay/copy_request.h"
#include "replay/primary_end.h"
#include "replay/run_filter.h"
#include "replay/run_state.h"

namespace banyan::replay {

struct PlanItem {
  ExchangeId exchange;
  const std::string* stream = nullptr;  // owned by the plan
  const std::string* route = nullptr;   // likewise
  Offset offset;
  Instant started;
  std::int64_t ended_mono_ns = 0;  // of the primary
  std::uint64_t session = 0;
  std::uint16_t primary_status = 0;
  bool is_write = false;
  StreamedBody body;
};

class RunPlan {
 public:
  // Exchanges that match the filter; more of them ask for a narrower range.
  static constexpr std::size_t kFactsMax = 1'000'000;
  static constexpr std::size_t kListMax = 100;

  // Reads the log from the run's begin to its present end. Counts what this run did before
  // (resumed) into `run.status` and lists what remains undone whatever is sent. `cancel` ends it
  // early.
  static Result<std::unique_ptr<RunPlan>> make(model::LogAccess& log, const MirrorPolicy* policy,
                                               StoredRun& run, std::int64_t now_wall_ns,
                                               const std::atomic<bool>& cancel);

  const std::vector<PlanItem>& items() const { return items_; }
  const model::Cursor& read_to() const { return read_to_; }

 private:
  struct Facts {
    PlanItem item;
    std::uint64_t sequence = 0;
    System primary = System::kLegacy;
    MirrorDecision mirror = MirrorDecision::kOff;
    SkipReason at_admission = SkipReason::kNone;
    PrimaryEnd end;
    bool has_body = true;     // all of it is in the log
    bool is_skipped = false;  // by the live mirror, or dropped
    bool is_dropped = false;
    bool has_shadow = false;  // of the system that the run sends to
    std::uint16_t shadow_status = 0;
    bool is_decided = false;    // a run sent it before
    bool is_done_here = false;  // by this run
    bool is_different = false;
  };
  enum class Choice { kTake, kLeave, kSkip, kUndecided, kPending };

  RunPlan(model::LogAccess& log, const MirrorPolicy* policy, StoredRun& run, RunFilter filter)
      : log_(log), policy_(policy), run_(run), filter_(std::move(filter)) {}
  Status read(const std::atomic<bool>& cancel);
  Status apply(const model::SourcedRecord& sourced);
  Status on_request(const model::SourcedRecord& sourced, const model::RequestRecord& request);
  void on_shadow(Facts& facts, const model::ShadowRecord& shadow);
  void on_verdict(Facts& facts, const model::VerdictRecord& verdict);
  void choose();
  Choice choice_of(const Facts& facts) const;
  Choice choice_of_reconcile(const Facts& facts) const;
  bool is_with_the_mirror(const Facts& facts) const;
  void finish_done(const Facts& facts);
  void list_remaining(const Facts& facts, std::string_view why);
  bool is_in_range(const model::SourcedRecord& sourced, const model::RequestRecord& request) const;

  model::LogAccess& log_;
  const MirrorPolicy* const policy_;
  StoredRun& run_;
  const RunFilter filter_;
  model::Cursor mirror_at_;
  model::Cursor read_to_;
  std::unordered_map<ExchangeId, Facts> facts_;
  std::set<std::string, std::less<>> names_;
  std::vector<PlanItem> items_;
};

// Adds to the bounded list; `remaining` counts all.
void add_remaining(RunStatus& status, model::LogAccess& log, const PlanItem& item,
                   std::string_view why);

}  // namespace banyan::replay
