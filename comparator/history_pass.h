// SPDX-License-Identifier: Apache-2.0
//
// One pass over recorded history that joins answers as the comparator does, but a VERDICT of the
// first generation, which follows both of them, is what hands a pair out: what has none yet is left
// to the comparator. Inside the comparator only. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "comparator/copy_key.h"
#include "comparator/judge.h"
#include "comparator/late_lookup.h"

namespace banyan::comparator {

class HistoryPass {
 public:
  struct Range {
    model::Cursor from;
    std::int64_t from_wall_ns = 0, to_wall_ns = INT64_MAX;  // of the exchanges' starts
  };
  // With the verdict that the pair had first.
  using OnPair =
      std::function<Status(const ExchangeCase&, const WaitingShadow&, Verdict first_verdict)>;

  // Borrows log and judge, whose notes of where bodies begin it keeps.
  HistoryPass(model::LogAccess& log, Judge& judge, Range range)
      : log_(log), judge_(judge), range_(std::move(range)), table_({}), late_(log) {}

  // Finds where to begin, and where the log ends now: further records are not read.
  Status open();
  // Every record of the range, for who wants to look before.
  Status read(const std::function<Status(const model::SourcedRecord&)>& take_one);
  // Every pair of the range.
  Status run(OnPair on_pair);
  // Asked now and then; once it answers true nothing more is read.
  void set_limit(std::function<bool()> is_over) { is_over_ = std::move(is_over); }
  bool was_cut() const { return was_cut_; }

 private:
  bool is_past_end(const model::Cursor& position) const;
  Status take(const model::SourcedRecord& sourced);
  void take_request(const model::SourcedRecord& sourced);
  void take_shadow(const model::SourcedRecord& sourced);
  Status take_verdict(const model::SourcedRecord& sourced);
  Status resolve_late();
  Status hand_out(const ExchangeCase& exchange, const WaitingShadow& shadow);

  model::LogAccess& log_;
  Judge& judge_;
  Range range_;
  OnPair on_pair_;
  std::function<bool()> is_over_;
  bool was_cut_ = false;
  JoinTable table_;
  LateLookup late_;
  model::Cursor end_;
  // First verdicts of the copies under way (in `late_`, or being handed out).
  std::unordered_map<CopyKey, Verdict, CopyKeyHash> first_;
};

}  // namespace banyan::comparator
