// SPDX-License-Identifier: Apache-2.0
//
// Do events (a difference, a 5xx, a slow answer) fall on the TEST arm more often than they should?
// H0: the test arm's rate is at most `ratio_max` times the control arm's, whatever both do over
// time. An event falls on the test arm with the chance q(r, w) = r w / (r w + 1 - w), where w is
// the test arm's share of the opportunities, known before the event, and r the true ratio. Evidence
// is the mean likelihood ratio of seven alternatives r = ratio_max * {1.5 … 100} against ratio_max.
//
//   SplitEvidence evidence(1.25);
//   evidence.add(SplitEvidence::Arm::kTest, 0.05);
//   if (evidence.rejects(1e-4)) roll_back();
//
// Under H0 the plain form ever reaches 1/alpha with a chance of at most alpha, however often one
// looks. The watch form forgets evidence for health, so that trouble after a long good time shows
// soon: within n events it reaches A with a chance of at most n/A; A = n/alpha.
// Count at most one event per independent key: a client that tries again is one event.
// A value; one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace banyan::stats {

class SplitEvidence {
 public:
  enum class Arm { kTest, kControl };
  static constexpr std::array<double, 7> kFactors{1.5, 2, 3, 5, 10, 30, 100};

  explicit SplitEvidence(double ratio_max = 1.0);

  // `count` events in a row. `test_share` in 0..1 may change from event to event.
  void add(Arm arm, double test_share, std::uint64_t count = 1);
  // Natural logarithms of the evidence; 0 before the first event.
  double log_evidence() const;
  double log_watch() const;
  bool rejects(double alpha) const;
  // The watch form over a stage of so many events.
  bool alarms(double alpha, double events_of_stage) const;
  // A new stage of the ramp begins: the plain form starts over, the watch form goes on.
  void restart_plain();

  // How many events on the test arm alone would reject at `alpha`, where `control_events` fell on
  // the other one; at most kEventsMax.
  static constexpr std::uint64_t kEventsMax = 1'000'000'000'000;
  static std::uint64_t test_events_needed(double alpha, double test_share,
                                          std::uint64_t control_events, double ratio_max = 1.0);

 private:
  using Logs = std::array<double, kFactors.size()>;
  Logs increments(Arm arm, double test_share) const;

  double ratio_max_;
  Logs plain_{};
  Logs watch_{};
};

}  // namespace banyan::stats
