// SPDX-License-Identifier: Apache-2.0
//
// One run from plan to report, on the run's own thread and loop. Inside of runs.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "core/net/event_loop.h"
#include "replay/record_fetcher.h"
#include "replay/run_plan.h"
#include "replay/sender.h"
#include "replay/session_order.h"

namespace banyan::replay {

struct RunContext {
  Clock& clock;
  model::LogAccess& log;
  model::RecordSink& sink;
  const model::Redactor& redactor;
  const SystemsOptions systems;
  const MirrorPolicy* policy = nullptr;
  const std::atomic<bool>& cancel;
  // Publishes and saves progress; blocks on the disk.
  std::function<void(const StoredRun&)> on_progress;
};

// Loop-confined; run() blocks until the run ended one way or another.
class RunExecution {
 public:
  // A copy of a run that nothing answers this long ends the run: it can be resumed.
  static constexpr std::int64_t kGiveUpNs = 30'000'000'000;
  static constexpr std::int64_t kDeadlineNs = 30'000'000'000;
  static constexpr std::uint32_t kUnavailableMax = 5;  // 503 answers before it is recorded as such
  // How long the comparator may be silent before the run ends without the rest of its verdicts.
  static constexpr std::int64_t kVerdictPatienceNs = 5'000'000'000;

  RunExecution(RunContext context, StoredRun& run) : context_(std::move(context)), run_(run) {}
  ~RunExecution();
  void run();

 private:
  struct Going final : OrderedCopy, CopyOwner {
    explicit Going(RunExecution& owner) : execution(owner) {}
    void on_copy_end(CopyCall&, const CopyEnd& how) override { execution.on_copy_end(*this, how); }

    RunExecution& execution;
    const PlanItem* item = nullptr;
    std::list<Going>::iterator self;
    std::string request;
    std::unique_ptr<model::AnyRecord> decoded;
    CopyCallPtr call;
    std::int64_t sent_ns = 0;
    std::int64_t due_ns = 0;  // after a 503
    std::uint32_t attempts = 0;
    std::string unrecorded;
  };

  void on_tick();
  void pump();
  void admit_due();
  bool is_due(const PlanItem& item) const;
  void start(Going& going);
  void on_copy_end(Going& going, const CopyEnd& how);
  void on_not_sent(Going& going, std::string_view cause);
  void on_recorded(Going& going, const CopyEnd& how);
  void skip(Going& going, std::string_view why, SkipReason reason = SkipReason::kGap);
  void record(Going& going, std::string_view encoded);
  void leave(Going& going);
  void retry_unrecorded();
  void expire_overdue();
  void read_verdicts();
  bool has_ended();
  void end(RunState state, std::string message);
  void report(bool is_forced);

  RunContext context_;
  StoredRun& run_;
  std::unique_ptr<net::EventLoop> loop_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<net::Timer> tick_;
  std::unique_ptr<net::EventLoop::TurnEndHook> hook_;
  std::unique_ptr<RunPlan> plan_;
  std::unique_ptr<RecordFetcher> fetcher_;
  std::unique_ptr<model::RecordSource> verdicts_;
  SessionOrder order_;
  std::list<Going> going_;
  std::deque<Going*> ready_;
  std::deque<Going*> delayed_;
  std::deque<Going*> unrecorded_;
  std::size_t next_ = 0;
  std::size_t in_flight_ = 0;
  std::int64_t now_ns_ = 0;
  std::int64_t began_ns_ = 0;
  std::int64_t unreachable_since_ns_ = 0;
  std::int64_t retry_at_ns_ = 0;
  std::int64_t reported_ns_ = 0;
  std::int64_t verdict_seen_ns_ = 0;
  std::int64_t cancelled_ns_ = 0;
  bool needs_pump_ = true;
  bool has_finished_ = false;
};

}  // namespace banyan::replay
