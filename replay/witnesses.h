// SPDX-License-Identifier: Apache-2.0
//
// Sends witnesses (docs/noise.md): reads VERDICTs at the log's tail and asks for some of their
// exchanges again. Beside MirrorCore on the sender loop, with a Sender and a few connections of its
// own, so that copies never wait for it. What a witness answers is a SHADOW of a run of its own
// (RunId::is_witness); nothing else is kept: after a restart it begins at the log's end.
//
// Only safe requests whose record is whole are sent, within a budget (WitnessBudget), and none
// while legacy is slow, a system cannot be reached, or the mirror lags. Inside of mirror.h.
// Confined to the loop, but for stats().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/record_io.h"
#include "core/model/witness.h"
#include "core/net/event_loop.h"
#include "replay/mirror.h"
#include "replay/record_fetcher.h"
#include "replay/sender.h"
#include "replay/witness_budget.h"

namespace banyan::replay {

class Witnesses {
 public:
  Witnesses(net::EventLoop& loop, Clock& clock, model::LogAccess& log, model::RecordSink& sink,
            const model::Redactor& redactor, const MirrorPolicy& policy, SystemsOptions systems,
            const MirrorOptions& options);
  ~Witnesses();
  Status open();  // before the loop runs

  void on_published();
  model::RecordKinds wanted() const;  // what that has use for
  void on_tick(std::int64_t mirror_lag_ns);
  void reconfigure(SystemsOptions systems, const MirrorOptions& options, bool renews_connections);
  // Whether they should be called before the mirror this time; drawn.
  bool go_first() { return twin_ != nullptr && (++wakes_ * 0x9E3779B97F4A7C15ULL) >> 63 != 0; }
  void set_paused(bool paused) { is_paused_ = paused; }
  // Nothing more is sent; what is under way is given up.
  void stop();
  std::int64_t tick_after_ns() const;  // 0: no need

  WitnessStats stats() const;  // any thread

 private:
  // Why an exchange that was chosen was not asked for (in full).
  enum class PassedOver : std::uint8_t {
    kEnough,        // the same differences were confirmed or cleared often
    kQueueFull,     // `queue_max`
    kBudget,        // waited too long for the budget …
    kLegacySlow,    // … or for legacy to be as fast as usual …
    kMirrorBehind,  // … or for the mirror
    kPaused,
    kStale,     // the exchange was long ago when its VERDICT came
    kNotSafe,   // a write, by its method or `treat_as`
    kNotWhole,  // the record does not hold all of the request
    kErased,    // its subject's data is gone
    kGone,      // the record cannot be read any more
    kNotSent,   // no connection, 503, or it cannot be built
    kLogFull,   // the log took no record
    kStopped,
    kRouteOff,  // its route is not mirrored now
  };
  static constexpr std::size_t kPassedOvers = 15;
  static constexpr std::array<std::string_view, kPassedOvers> kNames{
      "enough", "queue_full", "budget",   "legacy_slow", "mirror_behind",
      "paused", "stale",      "not_safe", "not_whole",   "erased",
      "gone",   "not_sent",   "log_full", "stopped",     "route_off"};

  struct Wanted {
    ExchangeId exchange;
    std::string stream;
    Offset offset;  // of the REQUEST
    std::int64_t since_ns = 0;
    WitnessReason reason = WitnessReason::kConfirmation;
  };
  struct Asking;
  // One question: a copy under way.
  struct Question final : CopyOwner {
    Asking* asking = nullptr;
    CopyCallPtr call;
    bool is_open = false;
    void on_copy_end(CopyCall&, const CopyEnd& end) override;
  };
  // One exchange that is asked for, round by round, each round of both systems at once.
  struct Asking {
    Witnesses* owner = nullptr;
    Wanted wanted;
    std::string encoded;
    model::RequestRecord request;  // views `encoded`
    unsigned round = 0, rounds = 0;
    std::int64_t began_ns = 0;
    std::uint64_t number = 0;       // no two have the same
    std::optional<PassedOver> cut;  // ends after the questions that are under way
    bool has_ended = false;
    bool is_of_twin = false;
    std::array<Question, 2> questions;  // by System; the twin's is legacy's
  };

  void read();
  void take(const model::SourcedRecord& sourced);
  void consider(const model::VerdictRecord& head, const model::SourcedRecord& sourced);
  void take_request(const model::SourcedRecord& sourced);
  void ask_twin(const model::SourcedRecord& sourced);
  bool is_control_drawn() const;
  void want(const model::VerdictRecord& verdict, WitnessReason reason);
  void wake_rereads();
  void dispatch();
  void expire();
  bool may_start(const Wanted& wanted);
  void start(Wanted wanted);
  bool load(Asking& asking);
  std::optional<PassedOver> refusal(const Asking& asking) const;
  void ask_round(Asking& asking);
  void ask(Asking& asking, System to);
  void on_end(Asking& asking, const CopyEnd& end);
  void settle(Asking& asking);
  void pass_over(PassedOver why) {
    passed_over_[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  }
  // Why nothing may be asked now.
  std::optional<PassedOver> hindrance() const;

  net::EventLoop& loop_;
  Clock& clock_;
  model::LogAccess& log_;
  model::RecordSink& sink_;
  const MirrorPolicy& policy_;
  NoiseOptions options_;
  std::int64_t deadline_ns_;
  Sender sender_;
  std::unique_ptr<Sender> twin_;  // its legacy is the twin; null where there is none
  RecordFetcher fetcher_;
  std::unique_ptr<model::RecordSource> source_;
  WitnessBudget budget_;
  SlowWatch legacy_times_;
  FairShare fair_share_;
  model::NoisyEndpoints noisy_;
  std::deque<Wanted> confirmations_, controls_;
  std::deque<Wanted> rereads_;  // confirmations whose exchange overlapped a write: not yet
  std::vector<std::unique_ptr<Asking>> asking_;  // those of the twin in a list of their own
  std::vector<std::unique_ptr<Asking>> asking_twin_;
  model::RequestRecord request_;  // kept for its room
  model::VerdictRecord verdict_;  // kept for its room
  std::uint64_t next_number_ = 0, wakes_ = 0;
  std::int64_t now_ns_ = 0;
  std::int64_t rests_until_ns_ = 0;  // a system could not be reached
  bool is_mirror_behind_ = false;
  bool is_paused_ = false;
  bool is_stopped_ = false;
  bool is_read_posted_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // what posted steps hold weakly

  std::atomic<std::uint64_t> confirmed_{0}, controlled_{0}, waiting_{0};
  std::array<std::atomic<std::uint64_t>, 3> asked_{};  // questions, by WitnessOf
  std::array<std::atomic<std::uint64_t>, kPassedOvers> passed_over_{};
};

}  // namespace banyan::replay
