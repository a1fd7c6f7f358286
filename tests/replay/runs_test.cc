// SPDX-License-Identifier: Apache-2.0
//
// Replay and reconcile runs against a real system on the loopback, with a log in memory. A thread
// of the test stands in for the comparator.
#include "replay/runs.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/replay/replay_fixture.h"

namespace banyan::replay {
namespace {

using support::exchange_id;

class RunsTest : public ReplayFixture {
 protected:
  ~RunsTest() override {
    is_ending_ = true;
    if (comparator_.joinable()) comparator_.join();
  }

  void open_runs(std::uint16_t candidate_port = 0) {
    runs_.reset();
    auto runs = Runs::open(files_, SystemClock::instance(), log_, log_.open_sink(), *redactor_,
                           systems(candidate_port), "runs");
    ASSERT_TRUE(runs.ok()) << runs.error().message;
    runs_ = std::move(*runs);
    runs_->set_policy(&policy_);
  }

  // Appends an equal VERDICT for each SHADOW of a run.
  void start_comparator() {
    comparator_ = std::thread([this] {
      std::set<std::pair<std::uint64_t, ExchangeId>> done;
      std::vector<std::string> storage;
      while (!is_ending_) {
        for (const auto& shadow : log_.all<model::ShadowRecord>(storage)) {
          if (shadow.run.is_live() || !done.emplace(shadow.run.value, shadow.exchange).second)
            continue;
          model::VerdictRecord verdict = support::verdict(shadow.exchange, Verdict::kEqual);
          verdict.run = shadow.run;
          log_.append(verdict);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
  }

  RunStatus run_to_end(const RunSpec& spec) {
    auto started = runs_->start(spec);
    EXPECT_TRUE(started.ok()) << started.error().message;
    return started.ok() ? end_of(started->id) : RunStatus{};
  }
  RunStatus end_of(std::uint64_t id) {
    EXPECT_TRUE(wait_for([&] { return runs_->get(id)->state != RunState::kRunning; }));
    return *runs_->get(id);
  }

  static RunSpec replay_spec(std::string filter = "") {
    RunSpec spec;
    spec.filter = std::move(filter);
    spec.speed = 0;
    return spec;
  }
  static RunSpec reconcile_spec() {
    RunSpec spec = replay_spec();
    spec.kind = RunKind::kReconcile;
    return spec;
  }

  void append_write(std::uint64_t id, std::uint16_t status = 200, std::string session = "s") {
    clock_.advance_ns(1000);
    log_.append(in_session(make_write(id, "/w/" + std::to_string(id)), std::move(session)));
    clock_.advance_ns(1000);
    answer_write(id, status);
  }
  void append_read(std::uint64_t id) {
    clock_.advance_ns(1000);
    log_.append(make_read(id, "/r/" + std::to_string(id)));
    answer_write(id, 200);
  }
  // The live mirror is behind everything so far.
  void mirror_is_done() { EXPECT_TRUE(log_.commit_cursor("mirror", log_.end(), true).ok()); }
  std::vector<std::string> targets() const {
    std::vector<std::string> all;
    for (const Seen& seen : candidate_->seen()) all.push_back(seen.target);
    return all;
  }

  std::unique_ptr<Runs> runs_;
  std::thread comparator_;
  std::atomic<bool> is_ending_{false};
};

TEST_F(RunsTest, ReplaysWhatTheFilterTakesAndReportsVerdicts) {
  start_candidate();
  start_comparator();
  for (std::uint64_t i = 1; i <= 5; ++i) append_read(i);
  append_write(6);
  append_write(7, 404);
  mirror_is_done();
  open_runs();
  const RunStatus status = run_to_end(replay_spec("-path:/r/3"));
  EXPECT_EQ(status.state, RunState::kDone) << status.message;
  EXPECT_EQ(status.considered, 6U);
  EXPECT_EQ(status.selected, 5U);
  EXPECT_EQ(status.skipped, 1U) << "a write that the primary refused";
  EXPECT_EQ(status.answered, 5U);
  EXPECT_EQ(status.equal, 5U);
  EXPECT_EQ(candidate_->count(), 5U);
  for (const auto& shadow : shadows()) EXPECT_EQ(shadow.run.value, status.id);
}

TEST_F(RunsTest, DryRunCountsAndSendsNothing) {
  start_candidate();
  for (std::uint64_t i = 1; i <= 5; ++i) append_read(i);
  mirror_is_done();
  open_runs();
  RunSpec spec = replay_spec();
  spec.is_dry_run = true;
  const RunStatus status = run_to_end(spec);
  EXPECT_EQ(status.state, RunState::kDone);
  EXPECT_EQ(status.selected, 5U);
  EXPECT_EQ(status.sent, 0U);
  EXPECT_EQ(candidate_->count(), 0U);
}

TEST_F(RunsTest, OnlyChoosesByWhatBecameOfEachExchange) {
  start_candidate();
  start_comparator();
  for (std::uint64_t i = 1; i <= 4; ++i) append_read(i);
  log_.append(support::shadow(exchange_id(1)));
  log_.append(support::shadow(exchange_id(2), "orders", "", 500));
  log_.append(support::shadow(exchange_id(3)));
  log_.append(support::verdict(exchange_id(3), Verdict::kDifferent));
  log_.append(support::skip(exchange_id(4), SkipReason::kStale));
  mirror_is_done();
  open_runs();
  RunSpec spec = replay_spec();
  for (const auto& [only, target] :
       {std::pair{RunOnly::kMissed, "/r/4"}, std::pair{RunOnly::kFailed, "/r/2"},
        std::pair{RunOnly::kDifferent, "/r/3"}}) {
    spec.only = only;
    const RunStatus status = run_to_end(spec);
    EXPECT_EQ(status.selected, 1U) << target;
    EXPECT_EQ(targets().back(), target);
  }
}

TEST_F(RunsTest, RefusesWhatItCannotDo) {
  start_candidate([](const Seen&) {
    Reply reply;
    reply.is_held = true;
    return reply;
  });
  append_read(1);
  mirror_is_done();
  open_runs();
  EXPECT_EQ(runs_->start(replay_spec("rout:x")).error().code, ErrorCode::kInvalidArgument);
  RunSpec none = replay_spec();
  none.concurrency = 0;
  EXPECT_EQ(runs_->start(none).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(runs_->get(9).error().code, ErrorCode::kNotFound);
  auto first = runs_->start(replay_spec());
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(wait_for([&] { return candidate_->count() == 1; }));
  EXPECT_EQ(runs_->start(replay_spec()).error().code, ErrorCode::kAlreadyExists);
  auto cancelled = runs_->cancel(first->id);
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->state, RunState::kCancelled);
}

TEST_F(RunsTest, SpeedFollowsTheRecordedSpacing) {
  start_candidate();
  start_comparator();
  append_read(1);
  clock_.advance_ns(1'000'000'000);
  append_read(2);
  mirror_is_done();
  open_runs();
  RunSpec spec = replay_spec();
  spec.speed = 10;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(run_to_end(spec).answered, 2U);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(100));
}

TEST_F(RunsTest, SessionsKeepTheirOrderAndConcurrencyItsBound) {
  start_candidate([](const Seen& seen) {
    Reply reply;
    reply.turns = static_cast<int>(xxh3_64(seen.target) % 3);
    return reply;
  });
  start_comparator();
  std::vector<std::string> of_a;
  for (std::uint64_t i = 1; i <= 60; ++i) {
    append_write(i, 200, i % 2 == 0 ? "a" : "b" + std::to_string(i));
    if (i % 2 == 0) of_a.push_back("/w/" + std::to_string(i));
  }
  mirror_is_done();
  open_runs();
  RunSpec spec = replay_spec();
  spec.concurrency = 4;
  EXPECT_EQ(run_to_end(spec).answered, 60U);
  std::vector<std::string> seen_of_a;
  for (const std::string& target : targets()) {
    if (std::find(of_a.begin(), of_a.end(), target) != of_a.end()) seen_of_a.push_back(target);
  }
  EXPECT_EQ(seen_of_a, of_a);
  EXPECT_LE(candidate_->most_at_once(), 4U);
}

TEST_F(RunsTest, ResumedRunSendsOnlyTheRest) {
  auto is_held = std::make_shared<std::atomic<bool>>(true);
  start_candidate([is_held](const Seen& seen) {
    Reply reply;
    reply.is_held = *is_held && seen.target == "/w/5";
    return reply;
  });
  start_comparator();
  for (std::uint64_t i = 1; i <= 9; ++i) append_write(i);
  mirror_is_done();
  open_runs();
  auto started = runs_->start(replay_spec());
  ASSERT_TRUE(started.ok());
  ASSERT_TRUE(wait_for([&] { return candidate_->count() == 5; }));
  *is_held = false;
  open_runs();  // as after a restart of the process
  EXPECT_EQ(runs_->get(started->id)->state, RunState::kInterrupted);
  ASSERT_TRUE(runs_->resume(started->id).ok());
  const RunStatus status = end_of(started->id);
  EXPECT_EQ(status.state, RunState::kDone) << status.message;
  EXPECT_EQ(status.answered, 9U);
  EXPECT_EQ(status.selected, 9U);
  // Only the one in flight at the stop was sent twice, under the same key.
  std::map<std::string, std::set<std::string>> keys;
  for (const Seen& seen : candidate_->seen())
    keys[seen.target].insert(seen.field("Idempotency-Key"));
  EXPECT_EQ(candidate_->count(), 10U);
  for (const auto& [target, of_target] : keys) EXPECT_EQ(of_target.size(), 1U) << target;
}

TEST_F(RunsTest, ReconcileSendsWhatWasMissedOrFailedAndConverges) {
  start_candidate();
  start_comparator();
  append_write(1);
  log_.append(support::shadow(exchange_id(1)));  // fine
  append_write(2);
  log_.append(support::skip(exchange_id(2), SkipReason::kRetention));  // dropped
  append_write(3);
  log_.append(support::shadow(exchange_id(3), "orders", "", 0));  // no answer
  append_write(4);
  log_.append(support::shadow(exchange_id(4), "orders", "", 500));  // failed
  append_write(5, 500);                                             // nobody knows
  log_.append(support::skip(exchange_id(5), SkipReason::kPrimaryFailed));
  append_write(6, 404);
  log_.append(support::skip(exchange_id(6), SkipReason::kPrimaryRefused));
  append_read(7);
  log_.append(support::skip(exchange_id(7), SkipReason::kStale));
  mirror_is_done();
  open_runs();
  const RunStatus first = run_to_end(reconcile_spec());
  EXPECT_EQ(first.state, RunState::kDone) << first.message;
  EXPECT_EQ(targets(), (std::vector<std::string>{"/w/2", "/w/3", "/w/4"}));
  EXPECT_EQ(first.answered, 3U);
  ASSERT_EQ(first.remaining, 1U);
  EXPECT_EQ(first.remaining_list[0].exchange, exchange_id(5).to_string());
  EXPECT_EQ(first.remaining_list[0].why, "undecided: primary_failed");
  EXPECT_EQ(first.remaining_list[0].method, "POST");

  const RunStatus second = run_to_end(reconcile_spec());
  EXPECT_EQ(second.sent, 0U) << "what was reconciled is remembered";
  EXPECT_EQ(second.remaining, 1U);

  // A person decides: the undecided one is sent by a replay of exactly those.
  RunSpec decide = replay_spec("id:" + exchange_id(5).to_string());
  decide.only = RunOnly::kFailed;
  EXPECT_EQ(run_to_end(decide).answered, 1U);
  const RunStatus third = run_to_end(reconcile_spec());
  EXPECT_EQ(third.remaining, 0U);
  EXPECT_EQ(candidate_->count(), 4U);
}

TEST_F(RunsTest, ReconcileReportsWhatStillDisagrees) {
  start_candidate([](const Seen&) {
    Reply reply;
    reply.status = 409;
    return reply;
  });
  start_comparator();
  append_write(1);
  log_.append(support::skip(exchange_id(1), SkipReason::kGap));
  mirror_is_done();
  open_runs();
  const RunStatus status = run_to_end(reconcile_spec());
  EXPECT_EQ(status.remaining, 1U);
  EXPECT_EQ(status.remaining_list[0].why, "answered 409, the primary 200");
}

TEST_F(RunsTest, ReconcileLeavesToTheMirrorWhatItStillHolds) {
  start_candidate();
  start_comparator();
  mirror_is_done();
  append_write(1);  // behind the mirror's cursor, no end yet
  open_runs();
  const RunStatus status = run_to_end(reconcile_spec());
  EXPECT_EQ(status.sent, 0U);
  ASSERT_EQ(status.remaining, 1U);
  EXPECT_EQ(status.remaining_list[0].why, "the live mirror has not sent it yet");
}

TEST_F(RunsTest, ReconcileTakesSkippedWritesOnceTheRouteMirrorsThem) {
  start_candidate();
  start_comparator();
  clock_.advance_ns(1000);
  model::RequestRecord write = make_write(1, "/w/1");
  write.mirror = MirrorDecision::kSkipped;
  write.skip = SkipReason::kWrite;
  log_.append(write);
  answer_write(1, 200);
  mirror_is_done();
  open_runs();
  EXPECT_EQ(run_to_end(reconcile_spec()).sent, 0U);
  policy_.has_writes = true;
  EXPECT_EQ(run_to_end(reconcile_spec()).sent, 1U);
}

TEST_F(RunsTest, RunsSurviveARestartAndDamagedFilesAreLeftOut) {
  start_candidate();
  start_comparator();
  append_read(1);
  mirror_is_done();
  open_runs();
  const RunStatus done = run_to_end(replay_spec());
  ASSERT_TRUE(files_.write_file_atomically("runs/77", "not a run").ok());
  open_runs();
  const std::vector<RunStatus> all = runs_->list();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].id, done.id);
  EXPECT_EQ(all[0].answered, 1U);
  EXPECT_GT(run_to_end(replay_spec()).id, done.id);
}

}  // namespace
}  // namespace banyan::replay
